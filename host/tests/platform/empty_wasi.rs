//! Components that import WASI run with an empty WASI whose clock stands still and whose random bytes repeat.

use crate::hostile::{admitted, scan};
use chain_ingestor::cache::Cache;
use chain_ingestor::plugin::Engine;
use guests::Recipe;

/// As much of WASI as is asked for here.
const WASI: &[&str] = &[
    "package wasi:cli@0.2.3;
    interface environment { get-environment: func() -> list<tuple<string, string>>; }",
    "package wasi:filesystem@0.2.3;
    interface types { resource descriptor; }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }",
    "package wasi:random@0.2.3;
    interface random { get-random-u64: func() -> u64; }",
    "package wasi:clocks@0.2.3;
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
];
const WORLD: &str = "import wasi:cli/environment@0.2.3; import wasi:filesystem/preopens@0.2.3;
    import wasi:random/random@0.2.3; import wasi:clocks/wall-clock@0.2.3;";
const IMPORTS: &str = r#"
    (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
    (import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $directories (param i32)))
    (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
    (import "wasi:clocks/wall-clock@0.2.3" "now" (func $now_is (param i32)))"#;
/// Traps on a directory, a variable or a moving clock; the block's timestamp is a random number.
const SCAN: &str = "(local.set $at (call $alloc (i32.const 64)))
    (call $environment (local.get $at)) (if (i32.load offset=4 (local.get $at)) (then (unreachable)))
    (call $directories (local.get $at)) (if (i32.load offset=4 (local.get $at)) (then (unreachable)))
    (call $now_is (local.get $at)) (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
    (local.set $i (call $one_block (local.get $first)))
    (i64.store offset=40 (i32.load offset=8 (local.get $i)) (i64.shr_u (call $random) (i64.const 8)))
    (local.get $i)";

#[tokio::test]
async fn wasi_is_empty() {
    let engine = Engine::new(1).unwrap();
    let recipe = Recipe { imports: IMPORTS, wit: (WASI, WORLD), scan: SCAN, ..Recipe::default() };
    let plugin = admitted(&engine, &recipe).await;
    let first = scan(&engine, &plugin, &Cache::default()).await.unwrap();
    let second = scan(&engine, &plugin, &Cache::default()).await.unwrap();
    assert_eq!(first, second, "randomness repeats");
    assert_ne!(first.blocks[0].timestamp_ms, 0, "and is no constant zero");
}
