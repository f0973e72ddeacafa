//! Amplifiers: components that hand the host a little and make it hold a lot, one for each import and each list. Each
//! runs in a process of its own, whose resident memory must not grow by more than the call's limits and 64 MiB.
#![cfg(target_os = "linux")]

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use chain_ingestor::cache::Cache;
use chain_ingestor::cassette::{Cassette, Recorder};
use chain_ingestor::chainfile::{Limits, NodeProxy};
use chain_ingestor::plugin::v1;
use chain_ingestor::plugin::{AnswerSource, CallContext, CallResources, Engine, Gate, admit};
use chain_ingestor::upstream::{Endpoint, Upstream};
use guests::Recipe;
use guests::hostile::{CACHE, ONE_FACT, amplifier_of_one_key};
use std::process::Command;
use std::sync::Arc;

const MIB: usize = 1 << 20;
/// What may be held beside the limits of a call.
const SLACK_BYTES: usize = 64 * MIB;
/// Names the amplifier that the process of a test runs.
const AMPLIFIER: &str = "CHAINTAPE_TEST_AMPLIFIER";

const SEND: &str = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
const WRITE: &str = r#"(import "chaintape:plugin/log@CONTRACT" "write" (func $write (param i32 i32 i32)))"#;
/// `$entries` puts 60,000 entries of one byte, each under a key of four bytes that no other round has.
const MANY_ENTRIES: &str = "
    (func $entries (param $list i32) (param $keys i32) (param $round i32)
        (local $i i32) (local $one i32) (local $key i32)
        (loop $more
            (local.set $one (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 16))))
            (local.set $key (i32.add (local.get $keys) (i32.mul (local.get $i) (i32.const 4))))
            (i32.store (local.get $key)
                (i32.add (i32.and (local.get $i) (i32.const 0x7f))
                (i32.add (i32.shl (i32.and (local.get $i) (i32.const 0x3f80)) (i32.const 1))
                (i32.add (i32.shl (i32.and (local.get $i) (i32.const 0x1fc000)) (i32.const 2))
                    (i32.shl (local.get $round) (i32.const 24))))))
            (i32.store (local.get $one) (local.get $key)) (i32.store offset=4 (local.get $one) (i32.const 4))
            (i32.store offset=8 (local.get $one) (i32.const 384)) (i32.store offset=12 (local.get $one) (i32.const 1))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 60000))))
        (call $put (local.get $list) (i32.const 60000)))";

/// `$requests` is a list of so many requests to the endpoint itself; with a size, all with one body of so many bytes.
const REQUESTS: &str = "
    (func $requests (param $count i32) (param $size i32) (result i32)
        (local $list i32) (local $body i32) (local $one i32) (local $i i32)
        (local.set $list (call $alloc (i32.mul (local.get $count) (i32.const 32))))
        (local.set $body (call $alloc (local.get $size)))
        (loop $more
            (local.set $one (i32.add (local.get $list) (i32.mul (local.get $i) (i32.const 32))))
            (i32.store8 offset=16 (local.get $one) (i32.ne (local.get $size) (i32.const 0)))
            (i32.store offset=20 (local.get $one) (local.get $body))
            (i32.store offset=24 (local.get $one) (local.get $size))
            (i32.store offset=28 (local.get $one) (i32.const 1))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (local.get $count))))
        (local.get $list))";

/// What the process does with an amplifier.
#[derive(Clone, Copy)]
enum Run {
    /// Admit it only.
    Admit,
    /// Scan with live answers.
    Scan,
    /// Scan, with its answers recorded.
    Record,
    /// Scan, with recorded answers.
    Replay,
}

fn cache(functions: &str, scan: &'static str) -> Recipe {
    Recipe { imports: CACHE, functions: functions.to_owned(), scan, ..Recipe::default() }
}

fn send(scan: &'static str) -> Recipe {
    Recipe { imports: SEND, functions: REQUESTS.to_owned(), scan, ..Recipe::default() }
}

fn plain(scan: &'static str) -> Recipe {
    Recipe { scan, ..Recipe::default() }
}

/// The component, how it is run, and what its outcome says.
fn amplifier(name: &str) -> (Recipe, Run, &'static str) {
    of_cache(name).or_else(|| of_upstream(name)).or_else(|| of_output(name)).unwrap()
}

fn of_cache(name: &str) -> Option<(Recipe, Run, &'static str)> {
    Some(match name {
        "one key again and again" => {
            let says = "with its answers of the cache: raise `call_bytes` of the chain's `[limits]`";
            (amplifier_of_one_key(), Run::Scan, says)
        }
        "too many keys" => {
            let scan = "(local.set $at (call $keys (i32.const 60000)))
                (loop $more (call $get (local.get $at) (i32.const 60000) (call $alloc (i32.const 8))) (br $more))
                (unreachable)";
            let says = "more than 100000 keys in one call: raise `cache_keys` of the chain's `[limits]`";
            (cache(ONE_FACT, scan), Run::Scan, says)
        }
        "keys while recorded" => {
            // A MiB at a time, into memory that the plugin uses again.
            let scan = "(call $fact) (local.set $at (call $keys (i32.const 16)))
                (loop $more
                    (global.set $next (i32.const 1048576))
                    (call $get (local.get $at) (i32.const 16) (i32.const 786432))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $i) (i32.const 400))))
                (call $one_block (local.get $first))";
            (Recipe { pages: 64, ..cache(ONE_FACT, scan) }, Run::Record, "through 7")
        }
        "many small entries" => {
            let scan = "(local.set $at (call $alloc (i32.const 1200000)))
                (loop $rounds
                    (call $entries (local.get $at) (i32.add (local.get $at) (i32.const 960000)) (local.get $i))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $rounds (i32.lt_u (local.get $i) (i32.const 100))))
                (call $one_block (local.get $first))";
            (cache(MANY_ENTRIES, scan), Run::Scan, "through 7")
        }
        "one large entry again and again" => {
            let scan = "(local.set $at (call $alloc (i32.const 16384)))
                (local.set $settings (call $alloc (i32.const 16777216)))
                (loop $more
                    (local.set $settings_len (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 16))))
                    (i32.store offset=8 (local.get $settings_len) (local.get $settings))
                    (i32.store offset=12 (local.get $settings_len) (i32.const 16777216))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $i) (i32.const 1024))))
                (call $put (local.get $at) (i32.const 1024)) (call $one_block (local.get $first))";
            (cache(ONE_FACT, scan), Run::Scan, "raise `output_bytes` of the chain's `[limits]`")
        }
        _ => return None,
    })
}

fn of_upstream(name: &str) -> Option<(Recipe, Run, &'static str)> {
    let thousand = "(call $send (call $requests (i32.const 1000) (i32.const 0)) (i32.const 1000)
        (call $alloc (i32.const 8))) (call $one_block (local.get $first))";
    Some(match name {
        "large responses" => (send(thousand), Run::Scan, "through 7"),
        "large responses while recorded" => (send(thousand), Run::Record, "through 7"),
        "one recorded answer again and again" => {
            let scan = "(call $send (call $requests (i32.const 5000) (i32.const 0)) (i32.const 5000)
                (call $alloc (i32.const 8))) (call $one_block (local.get $first))";
            // The plugin has no memory for all that the host may hold.
            (send(scan), Run::Replay, "more than 67108864 bytes of memory")
        }
        "one body again and again" => {
            let scan = "(call $send (call $requests (i32.const 1000) (i32.const 1048576)) (i32.const 1000)
                (call $alloc (i32.const 8))) (call $one_block (local.get $first))";
            (send(scan), Run::Scan, "raise `output_bytes` of the chain's `[limits]`")
        }
        "as many bodies as may be handed over" => {
            let scan = "(call $send (call $requests (i32.const 14) (i32.const 1048576)) (i32.const 14)
                (call $alloc (i32.const 8))) (call $one_block (local.get $first))";
            (send(scan), Run::Scan, "through 7")
        }
        "many requests" => {
            let scan = "(call $send (call $requests (i32.const 10001) (i32.const 0)) (i32.const 10001)
                (call $alloc (i32.const 8))) (unreachable)";
            (send(scan), Run::Scan, "more than 10000 requests in one call: raise `requests` of the chain's `[limits]`")
        }
        "many headers" => {
            // Refused as a request: the plugin sees that, and the host is not stopped by it.
            let scan = "(local.set $at (call $requests (i32.const 1) (i32.const 0)))
                (i32.store offset=8 (local.get $at) (call $alloc (i32.const 3200000)))
                (i32.store offset=12 (local.get $at) (i32.const 200000))
                (call $send (local.get $at) (i32.const 1) (call $alloc (i32.const 8)))
                (call $one_block (local.get $first))";
            (send(scan), Run::Scan, "through 7")
        }
        _ => return None,
    })
}

fn of_output(name: &str) -> Option<(Recipe, Run, &'static str)> {
    Some(match name {
        "long lines" => {
            let scan = "(local.set $at (call $alloc (i32.const 1048576)))
                (memory.fill (local.get $at) (i32.const 97) (i32.const 1048576))
                (loop $more (call $write (i32.const 1) (local.get $at) (i32.const 1048576))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $i) (i32.const 200))))
                (call $one_block (local.get $first))";
            (Recipe { imports: WRITE, ..plain(scan) }, Run::Scan, "through 7")
        }
        "a long failure" => {
            let scan = "(local.set $at (call $alloc (i32.const 64)))
                (i32.store8 (local.get $at) (i32.const 1)) (i32.store8 offset=8 (local.get $at) (i32.const 6))
                (local.set $i (call $alloc (i32.const 15728640)))
                (memory.fill (local.get $i) (i32.const 97) (i32.const 15728640))
                (i32.store offset=16 (local.get $at) (local.get $i))
                (i32.store offset=20 (local.get $at) (i32.const 15728640)) (local.get $at)";
            (plain(scan), Run::Scan, "bad data: aaaa")
        }
        "one hash in many blocks" => {
            let scan = "(local.set $at (call $alloc (i32.const 65536)))
                (local.set $settings (call $alloc (i32.const 1048576)))
                (loop $more
                    (local.set $settings_len (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 64))))
                    (i32.store offset=8 (local.get $settings_len) (local.get $settings))
                    (i32.store offset=12 (local.get $settings_len) (i32.const 1048576))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $i) (i32.const 1024))))
                (local.set $i (call $alloc (i32.const 64)))
                (i32.store offset=8 (local.get $i) (local.get $at)) (i32.store offset=12 (local.get $i) (i32.const 1024))
                (local.get $i)";
            (plain(scan), Run::Scan, "raise `output_bytes` of the chain's `[limits]`")
        }
        "many trades" => {
            // Zeroed memory is a list of empty trades, which the tape does not take.
            let scan = "(local.set $i (call $one_block (local.get $first)))
                (local.set $at (i32.load offset=8 (local.get $i)))
                (i32.store offset=48 (local.get $at) (call $alloc (i32.const 12000000)))
                (i32.store offset=52 (local.get $at) (i32.const 20000)) (local.get $i)";
            (plain(scan), Run::Scan, "the plugin delivered")
        }
        "many attributes" => {
            let scan = "(local.set $i (call $one_block (local.get $first)))
                (local.set $at (i32.load offset=8 (local.get $i)))
                (i32.store offset=56 (local.get $at) (call $alloc (i32.const 5000000)))
                (i32.store offset=60 (local.get $at) (i32.const 300000)) (local.get $i)";
            (plain(scan), Run::Scan, "through 7")
        }
        "a long schema" => {
            let schema: &'static str = format!("[{}1]", "1,".repeat(400_000)).leak();
            (Recipe { schema, pages: 40, ..Recipe::default() }, Run::Admit, "settings schema")
        }
        _ => return None,
    })
}

fn limits() -> Limits {
    let (memory_bytes, call_bytes) = (64 * MIB, 64 * MIB);
    Limits { memory_bytes, call_bytes, output_bytes: 16 * MIB, compute_ms: 60_000, ..Limits::default() }
}

/// Resident bytes: now (`VmRSS:`), or the most since that was reset (`VmHWM:`).
fn resident(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// Not a test of its own: the process in which one amplifier runs.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(name) = std::env::var(AMPLIFIER) else { return };
    environment::install_crypto();
    let (recipe, run, _) = amplifier(&name);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("amplifier.wasm");
    std::fs::write(&path, recipe.build()).unwrap();
    let engine = Engine::new(1).unwrap();
    let node = node().await;
    let mut before = resident("VmRSS:");
    let outcome = match admit(&engine, &Gate::default(), &path).await {
        Err(refusal) => refusal.verdict.to_string(),
        Ok(_) if matches!(run, Run::Admit) => "admitted".to_owned(),
        Ok(plugin) => {
            // What compiling took does not count.
            std::fs::write("/proc/self/clear_refs", "5").unwrap();
            before = resident("VmRSS:");
            let answers = match run {
                Run::Record => AnswerSource::Recorded(Recorder::default()),
                Run::Replay => AnswerSource::Replayed(cassette().replay()),
                Run::Scan | Run::Admit => AnswerSource::Live,
            };
            let endpoint = Endpoint::all(&[(&*node).into()], &NodeProxy::Direct, &limits()).unwrap().remove(0);
            let upstream = Some(Upstream::Node(endpoint));
            let resources = CallResources { chain: "c".into(), upstream, cache: Cache::default(), limits: limits() };
            let context = CallContext { settings: "{}".into(), now_ms: 0, ..CallContext::default() };
            let network: Arc<str> = "n".into();
            let scan = v1::scan_with(&engine, &plugin, resources, answers, None, &context, &network, (7, 7)).await;
            scan.0.map_or_else(|error| error.to_string(), |scanned| format!("through {}", scanned.through))
        }
    };
    let outcome: String = outcome.chars().take(400).collect();
    println!("\nAMPLIFIER {} {outcome}", resident("VmHWM:").saturating_sub(before));
}

/// A node that answers 4 MiB to everything, always the same memory.
async fn node() -> String {
    let body = Bytes::from(vec![b'x'; 4 * MIB]);
    let answer = move || std::future::ready(body.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(any(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn cassette() -> Cassette {
    let body = "x".repeat(MIB);
    let text = serde_json::json!({ "chain": "c", "network": "n", "settings": {}, "nowMs": 0, "first": 7, "last": 7,
        "exchanges": [{ "path": "", "answer": { "body": { "text": body } } }] });
    serde_json::from_value(text).unwrap()
}

/// Runs an amplifier in a process of its own.
fn run(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "amplifiers::in_a_process_of_its_own", "--nocapture"])
        .env(AMPLIFIER, name)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("AMPLIFIER "));
    let Some((bytes, outcome)) = line.and_then(|line| line.split_once(' ')) else {
        unreachable!("{name}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    };
    let (_, _, expected) = amplifier(name);
    assert!(outcome.contains(expected), "{name}: expected `{expected}`, got `{outcome}`");
    let (grown, limits) = (bytes.parse::<usize>().unwrap(), limits());
    let ceiling = limits.memory_bytes + limits.call_bytes + SLACK_BYTES;
    println!("{name}: {} MiB of {}: {outcome}", grown / MIB, ceiling / MIB);
    assert!(grown <= ceiling, "{name}: {} MiB more than before, at most {}: {outcome}", grown / MIB, ceiling / MIB);
}

#[test]
fn the_cache_is_no_amplifier() {
    for name in [
        "one key again and again",
        "too many keys",
        "keys while recorded",
        "many small entries",
        "one large entry again and again",
    ] {
        run(name);
    }
}

#[test]
fn upstream_is_no_amplifier() {
    for name in [
        "large responses",
        "large responses while recorded",
        "one recorded answer again and again",
        "one body again and again",
        "as many bodies as may be handed over",
        "many requests",
        "many headers",
    ] {
        run(name);
    }
}

#[test]
fn neither_the_log_nor_the_output_is_an_amplifier() {
    for name in ["long lines", "a long failure", "one hash in many blocks", "many trades", "many attributes"] {
        run(name);
    }
}

#[test]
fn a_description_is_no_amplifier() {
    run("a long schema");
}
