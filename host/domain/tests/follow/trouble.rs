//! A height that cannot be read: what lies before it is published, and the observer is told instead of nobody.

use crate::world::{MemoryTape, Node, ReadClock, View, covered, expected, live_in_order, plan, views};
use ingest_domain::{
    Beginning, ChainReader, ChainState, End, Failure, FollowObserver, Request, RequestKind, Scanned, Tip, follow,
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

    async fn leave_out(&mut self, height: u64, finalized: Option<u64>, _: String) -> Result<Scanned, Failure> {
        let mut scanned = self.node.scan(height, height, finalized).await?;
        scanned.blocks.iter_mut().for_each(|block| block.trades.clear());
        Ok(Scanned { digest: Arc::from(""), ..scanned })
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
    let (memory, told) = tape_of_lacking(beginning, failure, requests);
    let covered = covered(&memory.0.lock().unwrap());
    (covered, told)
}

fn tape_of_lacking(beginning: u64, failure: Failure, requests: &[RequestKind]) -> (MemoryTape, Vec<String>) {
    let (memory, told, end) = end_of_lacking(beginning, failure, requests);
    assert_eq!(end, End::Stopped);
    (memory, told)
}

fn end_of_lacking(beginning: u64, failure: Failure, requests: &[RequestKind]) -> (MemoryTape, Vec<String>, End) {
    let reads = Arc::<AtomicU64>::default();
    let views: Vec<View> = views(20, &[], 5);
    let clock = ReadClock(Arc::clone(&reads), views.len() as u64);
    let (memory, observer) = (MemoryTape::default(), Recording::default());
    let request = |(id, kind): (usize, &RequestKind)| (0, Request { id: id.to_string(), kind: *kind });
    memory.0.lock().unwrap().requests = requests.iter().enumerate().map(request).collect();
    let plan = plan(Beginning::Height(beginning));
    let mut chain = Lacking { node: Node { views, reads }, height: 7, failure };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(follow(&mut chain, &memory, &clock, &observer, &plan));
    (memory, observer.0.into_inner().unwrap(), end)
}

#[test]
fn a_chain_that_cannot_be_read_is_published_as_waiting_once_with_its_reason() {
    for failure in failures() {
        let (memory, _) = tape_of_lacking(0, failure.clone(), &[]);
        let content = memory.0.lock().unwrap();
        let (cursor, progress) = content.announced.first().expect("it was announced");
        assert_eq!(*cursor, content.cursor.as_ref().map(|cursor| cursor.step), "the cursor stays");
        assert_eq!(progress.state, ChainState::Waiting(failure.to_string()));
        assert!(content.announced.len() < 3, "not with every failure: {}", content.announced.len());
    }
    let (memory, _) = tape_of_lacking(7, failures()[2].clone(), &[]);
    let content = memory.0.lock().unwrap();
    assert!(content.cursor.is_none() && content.announced[0].0.is_none(), "also before it has a cursor");
}

/// Follows a chain of 21 blocks on a tape that was prepared.
fn follow_on(prepare: impl Fn(&mut crate::world::Content)) -> (End, MemoryTape) {
    let reads = Arc::<AtomicU64>::default();
    let views: Vec<View> = views(20, &[], 5);
    let (clock, memory) = (ReadClock(Arc::clone(&reads), views.len() as u64), MemoryTape::default());
    prepare(&mut memory.0.lock().unwrap());
    let (mut node, plan) = (Node { views, reads }, plan(Beginning::Height(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(follow(&mut node, &memory, &clock, &Recording::default(), &plan));
    (end, memory)
}

#[test]
fn a_chain_whose_journal_cannot_be_read_parks_with_the_command_that_repairs_it() {
    let (end, memory) = follow_on(|content| content.unreadable = Some("record c cannot be read: it is cut".to_owned()));
    let End::Parked(why) = end else { panic!("{end:?}") };
    assert!(why.contains("record c cannot be read") && why.contains("the-program repair --chain c;"), "{why}");
    let content = memory.0.lock().unwrap();
    assert_eq!(content.announced.last().unwrap().1.state, ChainState::Parked(why));
    assert!(content.events.is_empty());
}

#[test]
fn a_block_that_is_too_large_parks_the_chain_at_its_height_until_it_is_skipped() {
    let (end, memory) = follow_on(|content| content.too_large = Some(7));
    let End::Parked(why) = end else { panic!("{end:?}") };
    assert!(why.contains("block 7 ") && why.contains("the-program repair --chain c --skip 7 --confirm"), "{why}");
    assert_eq!(covered(&memory.0.lock().unwrap()), (0..=6).collect::<Vec<_>>(), "what lies before is published");
    let skip = (0, Request { id: "1".into(), kind: RequestKind::Skip { height: 7 } });
    let (end, memory) = follow_on(|content| {
        content.too_large = Some(7);
        content.requests = vec![skip.clone(), (0, Request { id: "2".into(), kind: RequestKind::Retry })];
    });
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    assert_eq!(covered(&content), (0..=6).chain(8..=20).collect::<Vec<_>>(), "the height is a gap");
    let mut rest = expected(&views(20, &[], 5)[0]);
    rest.retain(|id| !id.contains("00000007/"));
    assert_eq!(live_in_order(&content.events), rest);
    assert!(content.requests.is_empty(), "both are fulfilled");
}

fn unreadable() -> Failure {
    Failure::Unreadable { height: 7, why: "evm 1.0.0 cannot scan block 7: it traps".into() }
}

#[test]
fn a_block_that_cannot_be_read_parks_the_chain_at_its_height_until_it_is_skipped() {
    let (memory, _, end) = end_of_lacking(0, unreadable(), &[]);
    let End::Parked(why) = end else { panic!("{end:?}") };
    assert!(why.contains("block 7: it traps") && why.contains("the-program repair --chain c --skip 7 --confirm"));
    assert_eq!(covered(&memory.0.lock().unwrap()), (0..=6).collect::<Vec<_>>(), "what lies before is published");
    let (memory, _, end) = end_of_lacking(0, unreadable(), &[RequestKind::Skip { height: 7 }]);
    assert_eq!(end, End::Stopped);
    let content = memory.0.lock().unwrap();
    assert_eq!(covered(&content), (0..=6).chain(8..=20).collect::<Vec<_>>(), "the height is a gap");
    assert!(content.requests.is_empty(), "the request is fulfilled");
}

#[test]
fn a_backfill_that_can_never_go_on_stops_neither_the_chain_nor_another_backfill() {
    let hopeless = Failure::Hopeless("the settings of then are refused".to_owned());
    for failure in [unreadable(), hopeless] {
        let requests = [(2, 9), (0, 1)].map(|(from, to)| RequestKind::Backfill { from, to });
        let (covered, told) = follow_lacking(10, failure.clone(), &requests);
        assert_eq!(covered, (0..=6).chain(10..=20).collect::<Vec<_>>(), "{failure}");
        let sentence =
            format!("the backfill cannot go on: {failure}; to give it up: the-program requests --chain c --drop 0");
        assert!(told.contains(&sentence), "{failure}: {told:?}");
    }
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
