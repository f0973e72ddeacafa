//! An endpoint that fails for one height: after a few tries the next endpoint is asked, and where none has the height,
//! the heights before it are still scanned.

use crate::live::RunningCatalog;
use chain_ingestor::source::{FailureLog, Source};
use guests::Recipe;
use ingest_domain::{ChainReader, Failure, Scanned};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Numbers of the contract's failures.
const RETRY: u8 = 0;
const ELSEWHERE: u8 = 1;
const NOT_YET: u8 = 3;
const REORGED: u8 = 4;
const BAD_DATA: u8 = 6;
const OTHER: u8 = 7;

/// Asks its endpoint, which says in two bytes at which height to fail and how; else there is one block at `$first`.
const SCAN: &str = "(local.set $at (call $alloc (i32.const 64)))
    (call $send (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 32)))
    (local.set $i (i32.load offset=20 (i32.load offset=32 (local.get $at))))
    (if (i32.and (i64.le_u (local.get $first) (i64.load8_u (local.get $i)))
            (i64.ge_u (local.get $last) (i64.load8_u (local.get $i))))
        (then
            (local.set $at (call $alloc (i32.const 64)))
            (i32.store8 (local.get $at) (i32.const 1))
            (i32.store8 offset=8 (local.get $at) (i32.load8_u offset=1 (local.get $i)))
            (i32.store offset=16 (local.get $at) (i32.const 256)) (i32.store offset=20 (local.get $at) (i32.const 3))
            (i32.store offset=24 (local.get $at) (i32.const 256)) (i32.store offset=28 (local.get $at) (i32.const 3))
            (i32.store offset=32 (local.get $at) (i32.const 256)) (i32.store offset=36 (local.get $at) (i32.const 3))
            (if (i32.eqz (i32.load8_u offset=1 (local.get $i)))
                (then (i64.store offset=16 (local.get $at) (i64.const 0))))
            (if (i32.eq (i32.load8_u offset=1 (local.get $i)) (i32.const 3))
                (then (i64.store offset=16 (local.get $at) (i64.load8_u (local.get $i)))))
            (return (local.get $at))))
    (call $one_block (local.get $first))";

fn plugin() -> Vec<u8> {
    let imports = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
    Recipe { imports, scan: SCAN, ..Recipe::default() }.build()
}

/// An endpoint that answers every request with these bytes; its address, and how often it was asked.
async fn endpoint(answer: [u8; 2]) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::<AtomicU64>::default();
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            counting.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n").await;
            let _ = stream.write_all(&answer).await;
        }
    });
    (address, count)
}

fn chain(endpoints: &[&str]) -> String {
    format!("id = \"one\"\nplugin = \"wat\"\nendpoints = {endpoints:?}\nsockets = []\n[policy]\nstrikes = 3\n")
}

/// Scans as the domain does after `Retry` and `Reorged`.
async fn scan(source: &mut Source, first: u64, last: u64) -> Result<Scanned, Failure> {
    for _ in 0..10 {
        source.head().await?;
        match source.scan(first, last, None).await {
            Err(Failure::Reorged | Failure::Retry { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return answer,
        }
    }
    source.scan(first, last, None).await
}

#[tokio::test]
async fn whatever_fails_at_one_endpoint_is_asked_of_the_next() {
    let plugin = plugin();
    for (failure, most) in [(RETRY, 3), (ELSEWHERE, 1), (NOT_YET, 3), (REORGED, 3), (BAD_DATA, 2), (OTHER, 3)] {
        let ((bad, bad_asked), (good, good_asked)) = (endpoint([13, failure]).await, endpoint([0, 0]).await);
        let chain = chain(&[&bad, &good]);
        let files = [("plugins/a.wasm", plugin.as_slice()), ("chains/one.toml", chain.as_bytes())];
        let catalog = RunningCatalog::with(&files, &[]).await;
        let mut source = Source::new(&catalog.engine, catalog.catalog.subscribe("one"), FailureLog::default());
        assert_eq!(scan(&mut source, 12, 12).await.unwrap().through, 12);
        assert_eq!((bad_asked.load(Ordering::Relaxed), good_asked.load(Ordering::Relaxed)), (1, 0));
        assert_eq!(scan(&mut source, 13, 13).await.unwrap().through, 13, "failure {failure}");
        assert_eq!(scan(&mut source, 14, 14).await.unwrap().through, 14);
        let (bad_asked, good_asked) = (bad_asked.load(Ordering::Relaxed), good_asked.load(Ordering::Relaxed));
        assert!(bad_asked <= 1 + most && good_asked == 2, "failure {failure}: {bad_asked}, {good_asked}");
    }
}

#[tokio::test]
async fn where_no_endpoint_has_a_height_the_heights_before_it_are_scanned_and_each_reason_is_named() {
    let ((one, _), (other, _)) = (endpoint([13, NOT_YET]).await, endpoint([13, RETRY]).await);
    let (plugin, chain) = (plugin(), chain(&[&one, &other]));
    let files = [("plugins/a.wasm", plugin.as_slice()), ("chains/one.toml", chain.as_bytes())];
    let catalog = RunningCatalog::with(&files, &[]).await;
    let mut source = Source::new(&catalog.engine, catalog.catalog.subscribe("one"), FailureLog::default());
    source.head().await.unwrap();
    assert_eq!(source.scan(10, 17, None).await, Err(Failure::TooWide(3)), "10 to 12 can be scanned");
    assert_eq!(source.scan(12, 13, None).await, Err(Failure::TooWide(1)));
    assert_eq!(source.scan(12, 12, None).await.unwrap().through, 12);
    let Err(Failure::Retry { why, .. }) = source.scan(13, 13, None).await else { unreachable!() };
    assert!(why.contains("endpoint 0: height 13 is not there, though the chain is at 1000000"), "{why}");
    assert!(why.contains("endpoint 1: wat"), "{why}");
}

#[tokio::test]
async fn the_command_scan_walks_on_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (file, chain_file) = (folder.path().join("wat-1.0.0.wasm"), folder.path().join("chain.toml"));
    std::fs::write(&file, plugin()).unwrap();
    for failure in [RETRY, NOT_YET, REORGED, BAD_DATA] {
        let ((bad, _), (good, asked)) = (endpoint([13, failure]).await, endpoint([0, 0]).await);
        std::fs::write(&chain_file, chain(&[&bad, &good])).unwrap();
        let (strings, mut out): (HashMap<String, String>, Vec<u8>) = (HashMap::new(), vec![]);
        let scanned = chain_ingestor::scan::scan(&file, &chain_file, (12, 14), &strings, &mut out).await;
        assert!(scanned.is_ok() && asked.load(Ordering::Relaxed) > 0, "failure {failure}: {scanned:?}");
        std::fs::write(&chain_file, chain(&[&bad])).unwrap();
        let refused = chain_ingestor::scan::scan(&file, &chain_file, (12, 14), &strings, &mut out).await;
        assert!(refused.is_err(), "failure {failure}");
    }
}
