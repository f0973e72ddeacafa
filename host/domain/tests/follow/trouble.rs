//! A height that cannot be read: what lies before it is published, and the observer is told instead of nobody.

use crate::world::{MemoryTape, Node, ReadClock, View, covered, views};
use ingest_domain::{
    Beginning, ChainReader, End, Failure, FollowObserver, Plan, Request, RequestKind, Scanned, Tip, follow,
};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tape::BlockId;

/// A node that lacks one height; like the real reader, it asks for a narrower span where others come first.
struct Lacking {
    node: Node,
    height: u64,
    failure: Failure,
}

impl ChainReader for Lacking {
    async fn head(&mut self) -> Result<Tip, Failure> {
        self.node.head().await
    }

    async fn scan(&mut self, first: u64, last: u64, finalized: Option<u64>) -> Result<Scanned, Failure> {
        match self.height.checked_sub(first).filter(|_| self.height <= last) {
            Some(0) => Err(self.failure.clone()),
            Some(before) => Err(Failure::TooWide(before)),
            None => self.node.scan(first, last, finalized).await,
        }
    }

    async fn still_has(&mut self, block: &BlockId, tip: &Tip) -> Result<bool, Failure> {
        self.node.still_has(block, tip).await
    }

    fn blame(&mut self, why: &str) {
        self.node.blame(why);
    }
}

#[derive(Default)]
struct Recording(Mutex<Vec<String>>);

impl FollowObserver for Recording {
    fn retrying(&self, _chain: &str, why: &str, _ms: u64) {
        self.0.lock().unwrap().push(why.to_owned());
    }
    fn reorged(&self, _chain: &str, _ancestor: u64, _blocks: usize) {}
    fn rewinding(&self, _chain: &str, _to: u64, _blocks: usize) {}
}

/// Follows a chain that lacks height 7; returns the heights that are covered, and what the observer was told.
fn follow_lacking(beginning: u64, failure: Failure, requests: &[RequestKind]) -> (Vec<u64>, Vec<String>) {
    let reads = Arc::<AtomicU64>::default();
    let views: Vec<View> = views(20, &[], 5);
    let clock = ReadClock(Arc::clone(&reads), views.len() as u64);
    let (memory, observer) = (MemoryTape::default(), Recording::default());
    let request = |kind: &RequestKind| (0, Request { id: "0".into(), kind: *kind });
    memory.0.lock().unwrap().requests = requests.iter().map(request).collect();
    let beginning = Beginning::Height(beginning);
    let plan = Plan { chain: "c".into(), beginning, span: 9, poll_ms: 1, step_changes: 6, step_bytes: 1 << 20 };
    let mut chain = Lacking { node: Node { views, reads }, height: 7, failure };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(follow(&mut chain, &memory, &clock, &observer, &plan));
    assert_eq!(end, End::Stopped);
    let covered = covered(&memory.0.lock().unwrap());
    (covered, observer.0.into_inner().unwrap())
}

fn failures() -> [Failure; 3] {
    [Failure::NotYet(7), Failure::Reorged, Failure::Retry { after_ms: None, why: "endpoint 0: it is broken".into() }]
}

#[test]
fn what_lies_before_a_height_that_fails_is_published_and_the_reason_is_told() {
    for failure in failures() {
        let (covered, told) = follow_lacking(0, failure.clone(), &[]);
        assert_eq!(covered, (0..=6).collect::<Vec<_>>(), "{failure}");
        assert!(told.contains(&failure.to_string()), "{failure}: {told:?}");
    }
}

#[test]
fn a_backfill_that_cannot_go_on_says_why_and_live_goes_on() {
    for failure in failures() {
        let (covered, told) = follow_lacking(10, failure.clone(), &[RequestKind::Backfill { from: 2, to: 9 }]);
        assert_eq!(covered, (2..=6).chain(10..=20).collect::<Vec<_>>(), "{failure}");
        assert!(told.contains(&format!("the backfill cannot go on: {failure}")), "{failure}: {told:?}");
    }
}
