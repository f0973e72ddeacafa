//! A plugin written in JavaScript is admitted and scans like any other. Built by `cargo xtask plugins --javascript`.

use chain_ingestor::cassette::Cassette;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::kit;
use chain_ingestor::plugin::{Engine, Gate, admit};
use std::path::Path;

/// The cassette that comes with the example.
const CASSETTE: &str = include_str!("../../../plugins/examples/javascript/cassettes/first.cassette.json");

#[tokio::test]
async fn a_component_of_another_language_is_a_plugin_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("target/examples/comet-js-1.0.0.wasm");
    if !path.is_file() {
        let required = std::env::var("CHAINTAPE_REQUIRE").unwrap_or_default();
        assert!(!required.contains("javascript"), "the example is required: run `cargo xtask plugins --javascript`");
        println!("skipped: the example is not built; run `cargo xtask plugins --javascript`");
        return;
    }
    let engine = Engine::new(1).unwrap();
    let plugin = admit(&engine, &Gate::default(), &path).await.unwrap();
    assert_eq!((plugin.detector.plugin.as_str(), plugin.size > 5_000_000), ("comet-js", true));
    let cassette: Cassette = serde_json::from_str(CASSETTE).unwrap();
    let (scanned, used) = kit::replay(&engine, &plugin, &cassette, &Limits::default(), None).await;
    let scanned = scanned.unwrap();
    assert_eq!((scanned.through, scanned.blocks.len()), (9, 2));
    assert_eq!(scanned.blocks[0].timestamp_ms, 1_700_000_000_123);
    assert_eq!(scanned.blocks[1].parent.as_ref(), Some(&scanned.blocks[0].id));
    println!("one scan: {:?} of computing, {} bytes of memory", used.computed, used.memory);
}
