//! A file that is not a plugin is refused with the stage, a sentence that says what is wrong, and the cure.

use chain_ingestor::plugin::{Engine, Gate, Stage, Verdict, admit};
use guests::Recipe;
use std::time::{Duration, Instant};

async fn refused(bytes: &[u8]) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd-1.0.0.wasm");
    std::fs::write(&path, bytes).unwrap();
    let engine = Engine::new(1).unwrap();
    let refusal = admit(&engine, &Gate::default(), &path).await.map(|_| ()).unwrap_err();
    assert!(refusal.to_string().contains("odd-1.0.0.wasm"));
    assert!(!refusal.verdict.fix.is_empty());
    refusal.verdict
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn each_refusal_names_its_stage_and_reason() {
    let good = Recipe::default().build();
    let cases: [(Vec<u8>, Stage, &str); 12] = [
        (b"hello".to_vec(), Stage::Component, "is not a WebAssembly component"),
        (vec![], Stage::Component, "is not a WebAssembly component"),
        (component("(module)"), Stage::Component, "is a core WebAssembly module, not a component"),
        (b"\x7fELF\x02\x01\x01\x00rest".to_vec(), Stage::Component, "only .wasm components are taken, not .cwasm"),
        (good[..good.len() / 2].to_vec(), Stage::Whole, "ends too early"),
        (
            component("(component)")[..8].iter().copied().chain([1, 8, 9, 9, 9, 9, 9, 9, 9, 9]).collect(),
            Stage::Component,
            "is not a valid component",
        ),
        (component("(component)"), Stage::Wit, "exports no chaintape:plugin/chain@1.x but nothing"),
        (
            component(r#"(component (instance $i) (export "chaintape:plugin/chain@2.0.0" (instance $i)))"#),
            Stage::Wit,
            "speaks version 2.0.0 of the contract; this host speaks 1.0.0 to ",
        ),
        (
            component(r#"(component (instance $i) (export "chaintape:plugin/chain@1.99.0" (instance $i)))"#),
            Stage::Wit,
            "speaks version 1.99.0 of the contract; this host speaks 1.0.0 to ",
        ),
        (
            component(
                r#"(component
                    (import "acme:database/sql@1.0.0" (instance))
                    (instance $i)
                    (export "chaintape:plugin/chain@1.0.0" (instance $i)))"#,
            ),
            Stage::Imports,
            "imports acme:database/sql@1.0.0, which this host does not offer",
        ),
        (
            component(r#"(component (instance $i) (export "chaintape:plugin/chain@1.0.0" (instance $i)))"#),
            Stage::Wit,
            "does not fit the contract",
        ),
        (wrong_types(), Stage::Wit, "does not fit the contract"),
    ];
    for (bytes, stage, reason) in cases {
        let verdict = refused(&bytes).await;
        assert_eq!(verdict.stage, stage, "{verdict}");
        assert!(verdict.why.contains(reason), "expected `{reason}`, got `{verdict}`");
    }
}

/// The right name and the wrong types.
fn wrong_types() -> Vec<u8> {
    component(
        r#"(component
            (core module $m (func (export "describe") (result i32) (i32.const 7)))
            (core instance $c (instantiate $m))
            (func $describe (result u32) (canon lift (core func $c "describe")))
            (instance $i (export "describe" (func $describe)))
            (export "chaintape:plugin/chain@1.0.0" (instance $i)))"#,
    )
}

#[tokio::test]
async fn a_plugin_says_who_it_is_or_is_refused() {
    let cases = [
        (Recipe { id: "Wat", ..Recipe::default() }, "describes itself as `Wat`"),
        (Recipe { version: "one", ..Recipe::default() }, "version `one`"),
        (Recipe { schema: "no JSON", ..Recipe::default() }, "invalid settings schema"),
        (Recipe { schema: r#"{"type": 7}"#, ..Recipe::default() }, "invalid settings schema"),
    ];
    for (recipe, reason) in cases {
        let verdict = refused(&recipe.build()).await;
        assert_eq!(verdict.stage, Stage::Describe);
        assert!(verdict.why.contains(reason), "expected `{reason}`, got `{verdict}`");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_even_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.wasm");
    std::fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let engine = Engine::new(1).unwrap();
    let refusal = admit(&engine, &Gate::default(), &path).await.unwrap_err();
    assert_eq!(refusal.verdict.stage, Stage::Size);
    assert!(refusal.verdict.why.contains("has 100000000 bytes, more than 67108864"), "{refusal}");
}

/// A function made to exhaust the compiler is refused by its size; the largest that is let through compiles in time.
#[tokio::test]
async fn a_compile_bomb_is_refused_before_it_is_compiled() {
    let line = "(drop (i64.mul (i64.load (i32.wrap_i64 (local.get 0))) (i64.add (local.get 0) (i64.const 77777))))";
    let bomb = |lines: usize| Recipe {
        functions: format!("(func $bomb (param i64) {})", line.repeat(lines)),
        ..Recipe::default()
    };
    let verdict = refused(&bomb(60_000).build()).await;
    assert_eq!(verdict.stage, Stage::Compile);
    assert!(verdict.why.contains("too much to compile: one function of"), "{verdict}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    std::fs::write(&path, bomb(30_000).build()).unwrap();
    let begun = Instant::now();
    admit(&Engine::new(1).unwrap(), &Gate::default(), &path).await.unwrap();
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_list_admits_by_digest_and_by_signature() {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let (folder, engine, bytes) = (tempfile::tempdir().unwrap(), Engine::new(1).unwrap(), Recipe::default().build());
    let path = folder.path().join("wat-1.0.0.wasm");
    std::fs::write(&path, &bytes).unwrap();
    let digest = admit(&engine, &Gate::default(), &path).await.unwrap().detector.digest.clone();
    assert!(admit(&engine, &Gate::parse(&digest).unwrap(), &path).await.is_ok());
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let gate = Gate::parse(&format!("ed25519:{}", hex::encode(pair.public_key()))).unwrap();
    let refusal = admit(&engine, &gate, &path).await.unwrap_err();
    assert_eq!(refusal.verdict.stage, Stage::Digest);
    assert!(refusal.verdict.why.contains(&digest), "{refusal}");
    std::fs::write(folder.path().join("wat-1.0.0.wasm.sig"), hex::encode(pair.sign(&bytes))).unwrap();
    assert!(admit(&engine, &gate, &path).await.is_ok());
    let key = hex::encode(pair.public_key());
    assert!(admit(&engine, &Gate::parse(&format!("ed25519:{key}=evm,wat")).unwrap(), &path).await.is_ok());
    let other = Gate::parse(&format!("ed25519:{key}=evm,solana")).unwrap();
    let refusal = admit(&engine, &other, &path).await.unwrap_err();
    assert_eq!(refusal.verdict.stage, Stage::Digest);
    assert!(refusal.verdict.why.contains("as `wat`, but its key may sign only evm,solana"), "{refusal}");
}
