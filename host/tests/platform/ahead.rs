//! Scanning ahead: several spans at once while a chain is far below its final head, handed over in order, and never across a
//! failure, a change of version, or what is not final.

use crate::live::{RunningCatalog, version};
use chain_ingestor::source::{FailureLog, Source};
use guests::Recipe;
use ingest_domain::{ChainReader, Failure, Scanned};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Asks its endpoint, then has one block at `$first`; at a height where the endpoint refuses, it asks to be asked again.
const SCAN: &str = "(local.set $at (call $alloc (i32.const 64)))
    (call $send (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 32)))
    (local.set $i (i32.load offset=20 (i32.load offset=32 (local.get $at))))
    (if (i32.eq (i32.load8_u (local.get $i)) (i32.const 1))
        (then
            (local.set $at (call $alloc (i32.const 64)))
            (i32.store8 (local.get $at) (i32.const 1))
            (i32.store8 offset=8 (local.get $at) (i32.const 0))
            (i64.store offset=16 (local.get $at) (i64.const 0))
            (i32.store offset=32 (local.get $at) (i32.const 256)) (i32.store offset=36 (local.get $at) (i32.const 3))
            (return (local.get $at))))
    (call $one_block (local.get $first))";

fn plugin() -> Vec<u8> {
    let imports = r#"(import "chaintape:plugin/upstream@CONTRACT" "send" (func $send (param i32 i32 i32)))"#;
    Recipe { imports, scan: SCAN, ..Recipe::default() }.build()
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
    /// One request in so many is refused; 0 is none.
    refused_in: AtomicU64,
    /// One request in so many is too many, and a second is to be waited; 0 is none.
    limited_in: AtomicU64,
    /// Requests that came within the second.
    early: AtomicU64,
    paused_since: Mutex<Option<Instant>>,
}

/// An endpoint that takes a while, as over a network.
async fn distant_endpoint() -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::<Counts>::default();
    let shared = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counts = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut request = vec![];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                let asked = counts.asked.fetch_add(1, Ordering::Relaxed) + 1;
                let limited_in = counts.limited_in.load(Ordering::Relaxed);
                let paused_since = *counts.paused_since.lock().unwrap();
                if paused_since.is_some_and(|since| since.elapsed() < Duration::from_millis(900)) {
                    // What was under way already may come.
                    let is_late = paused_since.is_some_and(|since| since.elapsed() > Duration::from_millis(500));
                    counts.early.fetch_add(u64::from(is_late), Ordering::Relaxed);
                }
                if limited_in != 0 && asked.is_multiple_of(limited_in) {
                    *counts.paused_since.lock().unwrap() = Some(Instant::now());
                    let too_many = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\
                        connection: close\r\n\r\n";
                    let _ = stream.write_all(too_many).await;
                    return;
                }
                let open = counts.open.fetch_add(1, Ordering::Relaxed) + 1;
                counts.most_open.fetch_max(open, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                let refused_in = counts.refused_in.load(Ordering::Relaxed);
                let answer = [u8::from(refused_in != 0 && asked.is_multiple_of(refused_in)), 0];
                counts.open.fetch_sub(1, Ordering::Relaxed);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n").await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    (address, counts)
}

struct DistantChain {
    catalog: RunningCatalog,
    source: Source,
    counts: Arc<Counts>,
}

impl DistantChain {
    async fn with_limits(limits: &str) -> Self {
        let (endpoint, counts) = distant_endpoint().await;
        let chain =
            format!("id = \"one\"\nplugin = \"wat\"\nendpoints = [\"{endpoint}\"]\nsockets = []\n[limits]\n{limits}");
        let plugin = plugin();
        let files = [("plugins/wat-1.0.0.wasm", plugin.as_slice()), ("chains/one.toml", chain.as_bytes())];
        let catalog = RunningCatalog::with(&files, &[]).await;
        let source = Source::new(&catalog.engine, catalog.catalog.subscribe("one"), FailureLog::default());
        Self { catalog, source, counts }
    }

    /// Scans heights one after another, as the domain does.
    async fn follow(&mut self, heights: std::ops::RangeInclusive<u64>, finalized: Option<u64>) -> Vec<Scanned> {
        let mut all = vec![];
        for height in heights {
            loop {
                self.source.head().await.unwrap();
                match self.source.scan(height, height, finalized).await {
                    Ok(scanned) => {
                        all.push(scanned);
                        break;
                    }
                    Err(Failure::Retry { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
        all
    }

    fn most_open(&self) -> u64 {
        self.counts.most_open.load(Ordering::Relaxed)
    }
}

fn heights(scanned: &[Scanned]) -> Vec<u64> {
    scanned.iter().flat_map(|scanned| &scanned.blocks).map(|block| block.id.height).collect()
}

#[tokio::test]
async fn far_below_the_final_head_several_spans_are_scanned_at_once_and_come_in_order() {
    let mut chain = DistantChain::with_limits("ahead = 6").await;
    let scanned = chain.follow(100..=140, Some(1_000)).await;
    assert_eq!(heights(&scanned), (100..=140).collect::<Vec<_>>());
    assert!((2..=7).contains(&chain.most_open()), "{} at once", chain.most_open());
    let asked = chain.counts.asked.load(Ordering::Relaxed);
    assert!((41..=41 + 6).contains(&asked), "no span is scanned twice: {asked}");
}

#[tokio::test]
async fn what_is_not_final_is_never_scanned_ahead_and_zero_is_none() {
    let mut at_head = DistantChain::with_limits("ahead = 6").await;
    at_head.follow(100..=110, None).await;
    at_head.follow(111..=120, Some(110)).await;
    assert_eq!((at_head.most_open(), at_head.counts.asked.load(Ordering::Relaxed)), (1, 21));
    let mut without = DistantChain::with_limits("ahead = 0").await;
    without.follow(100..=110, Some(1_000)).await;
    assert_eq!((without.most_open(), without.counts.asked.load(Ordering::Relaxed)), (1, 11));
}

#[tokio::test]
async fn a_refusal_ahead_loses_and_reorders_nothing() {
    let mut chain = DistantChain::with_limits("ahead = 6").await;
    chain.counts.refused_in.store(5, Ordering::Relaxed);
    let scanned = chain.follow(100..=130, Some(1_000)).await;
    assert_eq!(heights(&scanned), (100..=130).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_new_version_drops_what_the_old_one_scanned_ahead() {
    let mut chain = DistantChain::with_limits("ahead = 6").await;
    let old = chain.follow(100..=120, Some(1_000)).await;
    chain.catalog.drop_plugin("wat-2.0.0.wasm", &version("2.0.0"));
    chain.catalog.until_version("one", "2.0.0").await;
    let new = chain.follow(121..=125, Some(1_000)).await;
    assert_eq!(heights(&new), [121, 122, 123, 124, 125]);
    assert!(new.iter().all(|scanned| scanned.digest != old[0].digest), "nothing of the old version is handed over");
}

#[tokio::test]
async fn an_endpoint_that_is_asked_too_often_is_left_alone_by_every_span() {
    let mut chain = DistantChain::with_limits("ahead = 6").await;
    chain.follow(100..=110, Some(1_000)).await;
    chain.counts.limited_in.store(9, Ordering::Relaxed);
    let scanned = chain.follow(111..=130, Some(1_000)).await;
    assert_eq!(heights(&scanned), (111..=130).collect::<Vec<_>>());
    assert!(chain.counts.paused_since.lock().unwrap().is_some());
    assert_eq!(chain.counts.early.load(Ordering::Relaxed), 0, "requests within the pause");
}
