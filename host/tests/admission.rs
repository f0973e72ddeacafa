//! What is no plugin is refused with one sentence that names what is wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use chain_ingestor::plugin::{Engine, admit};

async fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd-1.0.0.wasm");
    std::fs::write(&path, bytes).unwrap();
    let engine = Engine::new(1).unwrap();
    let refusal = admit(&engine, &path).await.map(|_| ()).unwrap_err();
    assert!(refusal.to_string().contains("odd-1.0.0.wasm"));
    refusal.why
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn each_refusal_names_its_reason() {
    let cases: [(Vec<u8>, &str); 8] = [
        (b"hello".to_vec(), "is not a WebAssembly component"),
        (vec![], "is not a WebAssembly component"),
        (component("(module)"), "is a core WebAssembly module, not a component"),
        (b"\x7fELF\x02\x01\x01\x00rest".to_vec(), "only .wasm components are taken, not .cwasm"),
        (component("(component)")[..8].iter().copied().chain([7, 255, 255]).collect(), "is not a valid component"),
        (component("(component)"), "exports no chaintape:plugin/chain@1.x but nothing"),
        (
            component(r#"(component (instance $i) (export "chaintape:plugin/chain@2.0.0" (instance $i)))"#),
            "speaks version 2.0.0 of the contract; this host speaks 1.x",
        ),
        (
            component(
                r#"(component
                    (import "wasi:filesystem/types@0.2.3" (instance))
                    (instance $i)
                    (export "chaintape:plugin/chain@1.0.0" (instance $i)))"#,
            ),
            "imports wasi:filesystem/types@0.2.3, which is not lent to plugins",
        ),
    ];
    for (bytes, reason) in cases {
        let why = refused(&bytes).await;
        assert!(why.contains(reason), "expected `{reason}`, got `{why}`");
    }
}

#[tokio::test]
async fn an_exported_interface_without_its_functions_does_not_fit() {
    let empty = component(r#"(component (instance $i) (export "chaintape:plugin/chain@1.0.0" (instance $i)))"#);
    let why = refused(&empty).await;
    assert!(why.contains("does not fit the contract"), "{why}");
}
