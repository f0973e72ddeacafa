//! The sandbox: how each kind of hostile plugin is stopped, and that other plugins go on meanwhile.

use chain_ingestor::cache::Cache;
use chain_ingestor::chainfile::Limits;
use chain_ingestor::plugin::v1::{self, CallError};
use chain_ingestor::plugin::{Admitted, CallContext, CallResources, Engine, Gate, admit};
use guests::{ONE_BLOCK, Recipe};
use ingest_domain::Scanned;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) async fn admitted(engine: &Engine, recipe: &Recipe) -> Admitted {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.wasm");
    std::fs::write(&path, recipe.build()).unwrap();
    admit(engine, &Gate::default(), &path).await.unwrap()
}

fn limits() -> Limits {
    Limits { compute_ms: 300, memory_bytes: 64 << 20, requests: 1_000, ..Limits::default() }
}

pub(crate) async fn scan(engine: &Engine, plugin: &Admitted, cache: &Cache) -> Result<Scanned, CallError> {
    scan_within(engine, plugin, cache, limits()).await
}

async fn scan_within(engine: &Engine, plugin: &Admitted, cache: &Cache, limits: Limits) -> Result<Scanned, CallError> {
    let resources = CallResources { chain: "hostile".into(), upstream: None, cache: cache.clone(), limits };
    let context = CallContext { settings: "{}".into(), now_ms: 0, ..CallContext::default() };
    let network: Arc<str> = "n".into();
    v1::scan(engine, plugin, resources, &context, &network, (7, 7)).await
}

async fn error_of_scan(recipe: Recipe) -> String {
    let engine = Engine::new(2).unwrap();
    let plugin = admitted(&engine, &recipe).await;
    let error = scan(&engine, &plugin, &Cache::default()).await.unwrap_err().to_string();
    // The engine is as good as new for the next call.
    let good = admitted(&engine, &Recipe::default()).await;
    assert_eq!(scan(&engine, &good, &Cache::default()).await.unwrap().through, 7);
    error
}

#[tokio::test]
async fn an_endless_loop_is_too_slow() {
    let error =
        error_of_scan(Recipe { scan: "(loop $for_ever (br $for_ever)) (unreachable)", ..Recipe::default() }).await;
    assert!(error.contains("computed for more than 300 ms"), "{error}");
}

#[tokio::test]
async fn allocation_without_end_meets_the_memory_limit() {
    let scan = "(loop $more (drop (memory.grow (memory.size))) (br $more)) (unreachable)";
    let error = error_of_scan(Recipe { scan, ..Recipe::default() }).await;
    assert!(error.contains("asked for more than 67108864 bytes of memory"), "{error}");
}

#[tokio::test]
async fn the_error_names_both_sizes_where_a_plugin_begins_with_more_memory_than_its_chain_allows() {
    let engine = Engine::new(1).unwrap();
    let plugin = admitted(&engine, &Recipe::default()).await;
    let limits = Limits { memory_bytes: 1_000, ..limits() };
    let error = scan_within(&engine, &plugin, &Cache::default(), limits).await.unwrap_err().to_string();
    assert!(error.contains("begins with 131072 bytes of memory, the chain allows 1000"), "{error}");
}

#[tokio::test]
async fn a_recursion_without_end_exhausts_its_own_stack_only() {
    let functions = "(func $down (param i64) (result i64) (i64.add (call $down (local.get 0)) (i64.const 1)))".into();
    let scan = "(drop (call $down (local.get $first))) (unreachable)";
    let error = error_of_scan(Recipe { functions, scan, ..Recipe::default() }).await;
    assert!(error.contains("call stack exhausted"), "{error}");
}

#[tokio::test]
async fn a_trap_is_named() {
    let error = error_of_scan(Recipe { scan: "(unreachable)", ..Recipe::default() }).await;
    assert!(error.contains("unreachable"), "{error}");
}

#[tokio::test]
async fn a_gigabyte_of_output_is_not_taken() {
    // 64 blocks whose hash is the same 16 MiB of memory.
    let scan = "(local.set $at (call $alloc (i32.const 16777216)))
        (local.set $at (call $alloc (i32.const 8192)))
        (loop $next
            (i64.store (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 64))) (i64.extend_i32_u (local.get $i)))
            (i32.store offset=12 (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 64))) (i32.const 16777216))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 64))))
        (i32.store offset=4104 (local.get $at) (local.get $at)) (i32.store offset=4108 (local.get $at) (i32.const 64))
        (i32.add (local.get $at) (i32.const 4096))";
    let error = error_of_scan(Recipe { scan, ..Recipe::default() }).await;
    assert!(error.contains("fuel") && !error.contains("out of fuel"), "{error}");
}

const SEND: &str = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
const PUT: &str = r#"(import "chaintape:plugin/cache@CONTRACT" "put" (func $put (param i32 i32)))"#;
const WRITE: &str = r#"(import "chaintape:plugin/log@CONTRACT" "write" (func $write (param i32 i32 i32)))"#;

#[tokio::test]
async fn a_million_requests_are_too_many() {
    // Zeroed memory is a list of empty requests.
    let scan = "(local.set $at (call $alloc (i32.const 32000000)))
        (call $send (local.get $at) (i32.const 1000000) (call $alloc (i32.const 8))) (unreachable)";
    let error = error_of_scan(Recipe { imports: SEND, scan, ..Recipe::default() }).await;
    assert!(error.contains("too much data is being copied"), "not even lifted: {error}");
}

#[tokio::test]
async fn a_million_requests_one_by_one_are_too_many_as_well() {
    let scan = "(local.set $at (call $alloc (i32.const 64)))
        (loop $more (call $send (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 32))) (br $more))
        (unreachable)";
    let error = error_of_scan(Recipe { imports: SEND, scan, ..Recipe::default() }).await;
    assert!(error.contains("sent more than 1000 requests in one call"), "{error}");
}

#[tokio::test]
async fn a_huge_fact_is_not_kept() {
    let engine = Engine::new(1).unwrap();
    let scan_text = "(local.set $at (call $alloc (i32.const 16)))
        (i32.store (local.get $at) (i32.const 256)) (i32.store offset=4 (local.get $at) (i32.const 3))
        (i32.store offset=8 (local.get $at) (call $alloc (i32.const 8388608)))
        (i32.store offset=12 (local.get $at) (i32.const 8388608))
        (call $put (local.get $at) (i32.const 1)) (call $one_block (local.get $first))";
    let plugin = admitted(&engine, &Recipe { imports: PUT, scan: scan_text, ..Recipe::default() }).await;
    let cache = Cache::default();
    assert_eq!(scan(&engine, &plugin, &cache).await.unwrap().through, 7, "the scan goes on without it");
    assert_eq!(cache.get(&["wat".to_owned()]), [None]);
}

#[tokio::test]
async fn a_flood_of_lines_is_dropped_and_ends_with_the_time() {
    let few = "(loop $more (call $write (i32.const 1) (i32.const 256) (i32.const 3))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 2000))))
        (call $one_block (local.get $first))";
    let engine = Engine::new(1).unwrap();
    let plugin = admitted(&engine, &Recipe { imports: WRITE, scan: few, ..Recipe::default() }).await;
    assert_eq!(scan(&engine, &plugin, &Cache::default()).await.unwrap().through, 7);
    let endless = "(loop $more (call $write (i32.const 1) (i32.const 256) (i32.const 3)) (br $more)) (unreachable)";
    let error = error_of_scan(Recipe { imports: WRITE, scan: endless, ..Recipe::default() }).await;
    assert!(error.contains("computed for more than 300 ms"), "{error}");
}

#[tokio::test]
async fn what_the_contract_does_not_allow_is_not_lifted() {
    let scan = "(call $one_block (i64.add (local.get $last) (i64.const 1)))";
    let error = error_of_scan(Recipe { scan, ..Recipe::default() }).await;
    assert!(error.contains("block 8 outside of or unordered in 7..=7"), "{error}");
}

/// Endless loops on every slot but one: the neighbour still gets its answers. The bound is wide on purpose: it would be
/// broken only by a neighbour that waits for the loops to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_goes_on_while_others_loop() {
    let engine = Engine::new(8).unwrap();
    let endless = admitted(&engine, &Recipe { scan: "(loop $f (br $f)) (unreachable)", ..Recipe::default() }).await;
    let good = admitted(&engine, &Recipe { scan: ONE_BLOCK, ..Recipe::default() }).await;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (engine, endless) = (engine.clone(), endless.clone());
        loops.spawn(async move {
            let resources = CallResources {
                chain: "hostile".into(),
                upstream: None,
                cache: Cache::default(),
                limits: Limits { compute_ms: 20_000, ..limits() },
            };
            let context = CallContext { settings: "{}".into(), now_ms: 0, ..CallContext::default() };
            v1::scan(&engine, &endless, resources, &context, &"n".into(), (7, 7)).await
        });
    }
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(scan(&engine, &good, &Cache::default()).await.unwrap().through, 7);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // Those who wait no longer end the calls.
    loops.abort_all();
}
