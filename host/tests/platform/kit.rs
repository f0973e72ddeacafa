//! The commands for plugin authors, on a plugin made in the test.

use chain_ingestor::kit;
use chain_ingestor::plugin::Gate;
use guests::Recipe;
use std::collections::HashMap;
use std::path::PathBuf;

/// The length of the only answer becomes the block's time.
const SCAN: &str = "(local.set $at (call $alloc (i32.const 64)))
    (call $send (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 32)))
    (if (i32.ne (i32.load offset=36 (local.get $at)) (i32.const 1)) (then (unreachable)))
    (local.set $i (call $one_block (local.get $first)))
    (i64.store offset=40 (i32.load offset=8 (local.get $i))
        (i64.load32_u offset=24 (i32.load offset=32 (local.get $at))))
    (local.get $i)";

const CASSETTE: &str = r#"{"chain": "one", "network": "n", "settings": {}, "nowMs": 0, "first": 3, "last": 3,
    "exchanges": [{"path": "", "answer": {"body": {"text": "12345"}}}]}"#;

struct AuthorFolder(tempfile::TempDir);

impl AuthorFolder {
    fn new(recipe: &Recipe) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.plugin(), recipe.build()).unwrap();
        std::fs::create_dir(folder.cassettes()).unwrap();
        std::fs::write(folder.cassettes().join("one.cassette.json"), CASSETTE).unwrap();
        folder
    }

    fn plugin(&self) -> PathBuf {
        self.0.path().join("wat.wasm")
    }

    fn cassettes(&self) -> PathBuf {
        self.0.path().join("cassettes")
    }

    async fn check(&self) -> Result<String, String> {
        let (strings, gate) = (HashMap::<String, String>::new(), Gate::default());
        let cassettes = self.cassettes();
        let checked = kit::check(&self.plugin(), None, Some(&cassettes), &gate, &strings).await;
        checked.map_err(|e| format!("{e:#}"))
    }
}

fn asking() -> Recipe {
    let imports = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
    Recipe { imports, scan: SCAN, ..Recipe::default() }
}

#[tokio::test]
async fn cassettes_are_tested_against_what_is_expected() {
    let folder = AuthorFolder::new(&asking());
    let test = async |bless| kit::test(&folder.plugin(), &folder.cassettes(), bless).await.map_err(|e| e.to_string());
    assert!(test(false).await.unwrap_err().contains("run again with --bless"));
    assert!(test(true).await.unwrap().contains("read it before you commit it"));
    assert!(test(false).await.unwrap().contains("2 lines as expected"));
    let path = folder.cassettes().join("one.expected.jsonl");
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(expected.contains("\"timestampMs\":5"), "{expected}");
    std::fs::write(&path, expected.replace(":5", ":6")).unwrap();
    let wrong = test(false).await.unwrap_err();
    assert!(wrong.contains("line 1 differs"), "{wrong}");
}

#[tokio::test]
async fn a_sound_plugin_is_checked_and_its_headroom_reported() {
    let report = AuthorFolder::new(&asking()).check().await.unwrap();
    for part in ["admitted: wat 1.0.0", "deterministic, independent of the time", "fuel: at most", "memory: at most"] {
        assert!(report.contains(part), "{report}");
    }
}

#[tokio::test]
async fn a_plugin_that_reads_the_time_is_detected() {
    let scan = "(local.set $i (call $one_block (local.get $first)))
        (i64.store offset=40 (i32.load offset=8 (local.get $i)) (local.get $now)) (local.get $i)";
    let wrong = AuthorFolder::new(&Recipe { scan, ..Recipe::default() }).check().await.unwrap_err();
    assert!(wrong.contains("depends on the time of day"), "{wrong}");
    let synthetic = Recipe { scan, synthetic: true, ..Recipe::default() };
    assert!(AuthorFolder::new(&synthetic).check().await.is_ok());
}

#[tokio::test]
async fn a_plugin_that_grows_its_memory_fails_when_memory_is_short() {
    // Grows if it can, and answers with another time if it cannot: a growth that is refused traps, so it never can.
    let scan = "(drop (memory.grow (i32.const 64))) (call $one_block (local.get $first))";
    assert!(AuthorFolder::new(&Recipe { scan, ..Recipe::default() }).check().await.is_ok());
}
