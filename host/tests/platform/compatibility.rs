//! Plugins compiled against each published version of the contract still run: `tests/fixtures/wit-VERSION-….wasm` are
//! kept as they were built, one for each version.

use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::admit::CONTRACT_VERSION;
use chain_ingestor::plugin::v1;
use chain_ingestor::plugin::{CallContext, CallResources, Engine, Gate, admit};
use std::collections::BTreeSet;
use std::path::Path;

/// The time of block 60 of the mock chain, and its settings.
const NOW_MS: u64 = 1_767_225_660_000;

#[tokio::test]
async fn every_published_version_runs_on_this_host() {
    let engine = Engine::new(1).unwrap();
    let mut versions = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let built_for = name.strip_prefix("wit-").and_then(|rest| rest.split('-').next()).unwrap();
        let plugin = admit(&engine, &Gate::default(), &path).await.unwrap();
        assert_eq!(plugin.wit.to_string(), built_for, "{name}");
        let resources =
            CallResources { chain: "old".into(), upstream: None, cache: Cache::default(), limits: Limits::default() };
        let context = CallContext { settings: "{}".into(), now_ms: NOW_MS, ..CallContext::default() };
        let tip = v1::head(&engine, &plugin, resources.clone(), &context).await.unwrap();
        assert_eq!(tip.latest.height, 60, "{name}");
        let scanned = v1::scan(&engine, &plugin, resources, &context, &tip.network, (50, 60)).await.unwrap();
        assert_eq!((scanned.blocks.len(), scanned.blocks[0].trades.len()), (11, 3), "{name}");
        versions.insert(plugin.wit);
    }
    assert_eq!(versions.first().unwrap().to_string(), "1.0.0", "the first version is never dropped");
    assert_eq!(versions.last(), Some(&CONTRACT_VERSION), "keep a plugin built for the newest version as well");
}
