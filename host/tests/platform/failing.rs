//! A plugin that fails: the failure is narrowed to a block, published as a cassette, and handled by the chain's policy.

use crate::live::{RunningCatalog, version};
use chain_ingestor::Settings;
use chain_ingestor::cassette::Cassette;
use chain_ingestor::kit;
use chain_ingestor::plugin::{Engine, Gate, admit};
use chain_ingestor::requests::{RequestKind, request_record};
use chain_ingestor::source::{FailureLog, Source};
use environment::{Problems, Shutdown};
use guests::{Recipe, drop_in};
use ingest_domain::{ChainReader, Failure, Scanned};
use std::collections::HashMap;
use std::time::Duration;
use tape_log::{Log, Target, topics};
use wire::v1::progress::ChainProgressed;

/// Fails at height 13 alone, whatever else the span holds; otherwise answers with the first block of it.
const POISONED: &str =
    "(if (i32.and (i64.le_u (local.get $first) (i64.const 13)) (i64.ge_u (local.get $last) (i64.const 13)))
        (then (unreachable)))
    (call $one_block (local.get $first))";

fn poisoned(version: &'static str) -> Vec<u8> {
    Recipe { version, scan: POISONED, ..Recipe::default() }.build()
}

fn chain(on_failure: &str) -> String {
    format!("id = \"one\"\nplugin = \"wat\"\n[policy]\non_failure = \"{on_failure}\"\nstrikes = 2\n")
}

struct Case {
    catalog: RunningCatalog,
    source: Source,
    log: Log,
}

impl Case {
    async fn new(plugins: &[(&str, &[u8])], chain: &str) -> Self {
        let mut files = plugins.to_vec();
        files.push(("chains/one.toml", chain.as_bytes()));
        let catalog = RunningCatalog::with(&files, &[]).await;
        let log = Log::open(&Target::Memory).await.unwrap();
        let subscription = catalog.catalog.subscribe("one");
        let source = Source::new(&catalog.engine, subscription, FailureLog::on(log.clone()));
        Self { catalog, source, log }
    }

    /// Scans as the domain does: a narrower span after `TooWide`, and again after `Retry`.
    async fn scan(&mut self, first: u64, mut last: u64) -> Result<Scanned, Failure> {
        let mut narrowed = 0;
        loop {
            self.source.head().await?;
            match self.source.scan(first, last, None).await {
                Err(Failure::TooWide(most)) => {
                    last = first + most.clamp(1, last - first) - 1;
                    narrowed += 1;
                    assert!(narrowed < 10, "narrowing ends");
                }
                Err(Failure::Retry { .. }) => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    }

    async fn cassettes(&self) -> Vec<Cassette> {
        let records = self.log.read_all(&topics::FAILURES.partition(0)).await.unwrap();
        records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
    }
}

#[tokio::test]
async fn halt_parks_the_chain_and_leaves_a_cassette_that_reproduces_the_failure() {
    let plugin = poisoned("1.0.0");
    let mut case = Case::new(&[("plugins/a.wasm", &plugin)], &chain("halt")).await;
    assert_eq!(case.scan(12, 12).await.unwrap().through, 12);
    let Err(Failure::Unreadable { why, .. }) = case.scan(13, 20).await else { unreachable!() };
    assert!(why.contains("wat 1.0.0") && why.contains("cannot scan block 13") && why.contains("unreachable"), "{why}");
    let cassettes = case.cassettes().await;
    assert_eq!(cassettes.len(), 1, "one per block, not one per strike");
    let cassette = &cassettes[0];
    assert_eq!((cassette.first, cassette.last), (13, 13), "narrowed to the block");
    assert!(!cassette.note.contains("do not reproduce"), "{}", cassette.note);
    let engine = Engine::new(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    std::fs::write(&path, &plugin).unwrap();
    let admitted = admit(&engine, &Gate::default(), &path).await.unwrap();
    let limits = chain_ingestor::chainfile::Limits::default();
    let again = kit::replay(&engine, &admitted, cassette, &limits, None).await.0.unwrap_err();
    assert_eq!(Some(again.to_string()), cassette.failure);
    // A person drops a version that can: the same source goes on.
    case.catalog.drop_plugin("b.wasm", &version("1.0.1"));
    case.catalog.until_version("one", "1.0.1").await;
    assert_eq!(case.scan(13, 13).await.unwrap().through, 13);
    assert_eq!(case.source.in_force().get().detector.version, "1.0.1");
}

#[tokio::test]
async fn previous_goes_back_to_the_version_before() {
    let (old, new) = (version("1.0.0"), poisoned("1.1.0"));
    let mut case = Case::new(&[("plugins/a.wasm", &old), ("plugins/b.wasm", &new)], &chain("previous")).await;
    case.catalog.until_version("one", "1.1.0").await;
    assert_eq!(case.scan(13, 13).await.unwrap().through, 13);
    assert_eq!(case.source.in_force().get().detector.version, "1.0.0");
    let withdrawn =
        |status: &chain_ingestor::status::FileStatus| status.chains.iter().any(|one| one.state == "withdrawn");
    let status = case.catalog.status("plugins/b.wasm", withdrawn).await;
    assert!(status.chains[0].reason.as_ref().unwrap().contains("cannot scan block 13"), "{status:?}");
}

#[tokio::test]
async fn previous_parks_the_chain_where_there_is_none() {
    let mut case = Case::new(&[("plugins/a.wasm", &poisoned("1.0.0"))], &chain("previous")).await;
    let Err(Failure::Hopeless(why) | Failure::Unreadable { why, .. }) = case.scan(13, 13).await else { unreachable!() };
    assert!(why.contains("withdrawn and there is no other") || why.contains("cannot scan block 13"), "{why}");
}

#[tokio::test]
async fn skip_leaves_the_block_out_and_goes_on() {
    let mut case = Case::new(&[("plugins/a.wasm", &poisoned("1.0.0"))], &chain("skip")).await;
    let scanned = case.scan(13, 13).await.unwrap();
    assert_eq!(scanned.through, 13);
    assert!(scanned.blocks.iter().all(|block| block.trades.is_empty()));
    assert_eq!(case.scan(14, 14).await.unwrap().through, 14);
    assert_eq!(case.cassettes().await.len(), 1, "what was left out can be looked at");
}

#[tokio::test]
async fn what_an_operator_leaves_out_is_left_out_whatever_the_policy_says() {
    let mut case = Case::new(&[("plugins/a.wasm", &poisoned("1.0.0"))], &chain("halt")).await;
    let Err(Failure::Unreadable { height: 13, why }) = case.scan(13, 13).await else { unreachable!() };
    let scanned = case.source.leave_out(13, None, why).await.unwrap();
    assert_eq!((scanned.through, &*scanned.digest), (13, ""), "nothing covers it");
    assert!(scanned.blocks.iter().all(|block| block.trades.is_empty()));
    assert_eq!(case.scan(14, 14).await.unwrap().through, 14);
}

#[tokio::test]
async fn skip_keeps_the_branch_whole_by_the_hashes_of_its_neighbours() {
    // As above, but each block stands on the one before.
    let functions = "(func $linked (param $height i64) (result i32) (local $at i32) (local $block i32)
        (local.set $at (call $one_block (local.get $height)))
        (local.set $block (i32.load offset=8 (local.get $at)))
        (i32.store8 offset=16 (local.get $block) (i32.const 1))
        (i64.store offset=24 (local.get $block) (i64.sub (local.get $height) (i64.const 1)))
        (i32.store offset=32 (local.get $block) (i32.const 384)) (i32.store offset=36 (local.get $block) (i32.const 4))
        (local.get $at))"
        .to_owned();
    let scan = "(if (i64.eq (local.get $first) (i64.const 13)) (then (unreachable))) (call $linked (local.get $first))";
    let plugin = Recipe { functions, scan, ..Recipe::default() }.build();
    let mut case = Case::new(&[("plugins/a.wasm", &plugin)], &chain("skip")).await;
    let gap = case.scan(13, 13).await.unwrap().blocks;
    assert_eq!((gap[0].id.height, &*gap[0].id.hash, &*gap[0].proof), (13, "hash", "skipped"));
    assert_eq!(gap[0].parent.as_ref().unwrap().height, 12);
    let next = case.scan(14, 14).await.unwrap().blocks;
    assert_eq!(next[0].parent.as_ref(), Some(&gap[0].id));
}

/// The newest progress of the chain once it is as wanted.
async fn progress(log: &Log, wanted: impl Fn(&ChainProgressed) -> bool) -> ChainProgressed {
    let mut last = None;
    let looking = async {
        loop {
            let records = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap();
            let newest =
                records.last().map(|record| wire::v1::progress::decode(record.value.as_ref().unwrap()).unwrap());
            last.clone_from(&newest);
            if let Some(status) = newest.filter(&wanted) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(Duration::from_mins(1), looking).await {
        Ok(status) => status,
        Err(_) => unreachable!("progress is still {last:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_out_is_a_gap_that_a_backfill_repairs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["plugins", "chains"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::fs::write(path("plugins/a.wasm"), poisoned("1.0.0")).unwrap();
    let chain = format!("start = 10\n{}", chain("skip"));
    std::fs::write(path("chains/one.toml"), chain).unwrap();
    let folders = ["plugins", "chains"].map(|name| path(name).display().to_string());
    let strings: HashMap<String, String> =
        ["PLUGINS_DIR", "CHAINS_DIR"].map(str::to_owned).into_iter().zip(folders).collect();
    let mut problems = Problems::default();
    let settings = Settings::read(&strings, &mut problems);
    problems.finish().unwrap();
    let (log, shutdown) = (Log::open(&Target::Memory).await.unwrap(), Shutdown::default());
    let (theirs, stop) = (log.clone(), shutdown.clone());
    let running = tokio::spawn(async move { chain_ingestor::run(settings, &strings, theirs, stop).await });

    let around = |status: &ChainProgressed| status.covered.iter().map(|run| (run.from, run.to)).collect::<Vec<_>>();
    let status = progress(&log, |status| status.covered.len() == 2).await;
    assert_eq!(around(&status)[0], (10, 12), "{status:?}");
    assert_eq!(around(&status)[1].0, 14, "{status:?}");
    // A file that is no plugin is named, with what to do, to whoever reads progress.
    drop_in(&path("plugins"), "wat-2.0.0.wasm", b"not a component");
    let status = progress(&log, |status| !status.candidates.is_empty()).await;
    let refused = &status.candidates[0];
    assert_eq!((refused.file.as_str(), refused.state.as_str()), ("wat-2.0.0.wasm", "refused"));
    assert_eq!(refused.stage.as_deref(), Some("component"), "{refused:?}");
    assert!(refused.reason.is_some() && refused.fix.is_some(), "{refused:?}");
    // A version that can is dropped in, and someone asks for the height.
    drop_in(&path("plugins"), "b.wasm", &version("1.0.1"));
    progress(&log, |status| status.detector.version == "1.0.1").await;
    log.publish(vec![request_record("one", "repair", RequestKind::Backfill { from: 13, to: 13 })]).await.unwrap();
    let status = progress(&log, |status| status.covered.len() == 1).await;
    assert_eq!(around(&status)[0].0, 10, "{status:?}");
    shutdown.trigger();
    running.await.unwrap().unwrap();
}

/// Nothing in the sandbox lets a component be otherwise; every scan is run twice here to see that it stays so.
#[tokio::test]
async fn the_same_answers_give_the_same_output() {
    let imports = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
    // Live, the chain has no endpoint, which is an answer like any other; its length becomes the block's time.
    let scan = "(local.set $at (call $alloc (i32.const 64)))
        (call $send (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 32)))
        (local.set $i (call $one_block (local.get $first)))
        (i64.store offset=40 (i32.load offset=8 (local.get $i))
            (i64.load32_u offset=20 (i32.load offset=32 (local.get $at))))
        (local.get $i)";
    let twice = "id = \"one\"\nplugin = \"wat\"\n[policy]\ntwice_in = 1\n";
    let plugin = Recipe { imports, scan, ..Recipe::default() }.build();
    let mut case = Case::new(&[("plugins/a.wasm", &plugin)], twice).await;
    for height in 5..9 {
        assert_ne!(case.scan(height, height).await.unwrap().blocks[0].timestamp_ms, 0);
    }
    assert!(case.cassettes().await.is_empty());
}

#[tokio::test]
async fn too_slow_twice_is_judged_under_fuel() {
    let endless = Recipe { scan: "(loop $f (br $f)) (unreachable)", ..Recipe::default() }.build();
    let text = "id = \"one\"\nplugin = \"wat\"\n[policy]\nstrikes = 1\n[limits]\ncompute_ms = 50\n";
    let mut case = Case::new(&[("plugins/a.wasm", &endless)], text).await;
    let Err(Failure::Unreadable { why, .. }) = case.scan(5, 5).await else { unreachable!() };
    assert!(why.contains("all fuel consumed"), "{why}");
    assert_eq!(case.cassettes().await.len(), 1);
}
