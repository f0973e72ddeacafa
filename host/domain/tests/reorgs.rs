//! Whatever branches a chain shows, the tape ends with the winning one, and every revert undoes an apply, newest first.
#![expect(clippy::unwrap_used, reason = "tests")]

use ingest_domain::follow::Witness;
use ingest_domain::{
    Beginning, Block, Chain, Clock, Cursor, End, Failure, Journal, Lease, Outcome, Plan, Scanned, State, Step, Tape,
    Tip, follow,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tape::{AssetAmount, BlockId, BlockRef, Detector, Leg, Raw, Side, Status, Trade, Trader, Transaction, Unavailable};

fn hash(branch: u64, height: u64) -> Arc<str> {
    format!("0x{branch:04x}{height:08x}").into()
}

fn trade(id: &BlockId, index: u32) -> Trade {
    let side =
        |asset: &str| Side { asset: asset.into(), raw: Raw::from(1), decimals: None, symbol: None, quote: false };
    let amount = |asset: &str| AssetAmount { asset: asset.into(), raw: Raw::from(1) };
    let leg = Leg { venue: "v".into(), pool: "p".into(), sold: amount("a"), bought: amount("b"), ordinal: 0 };
    Trade {
        kind: Trade::SWAP.into(),
        chain: "c".into(),
        network: "n".into(),
        block: BlockRef { id: id.clone(), timestamp_ms: id.height },
        transaction: Transaction { hash: format!("{}-{index}", id.hash).into(), index, from: "f".into(), to: None },
        ordinal: 0,
        trader: Trader { address: "f".into(), evidence: "tx-sender".into() },
        sold: side("a"),
        bought: side("b"),
        legs: vec![leg],
        fees: vec![],
        platform: None,
        valuation: None,
        detector: Arc::new(Detector { plugin: "t".into(), version: "1".into(), digest: "d".into() }),
    }
}

/// One moment of a node: the branch each height is on, the head, and how deep finality lies.
#[derive(Clone, Debug)]
struct View {
    branches: BTreeMap<u64, u64>,
    finalized: Option<u64>,
    network: &'static str,
}

impl View {
    fn id(&self, height: u64) -> Option<BlockId> {
        self.branches.get(&height).map(|branch| BlockId { height, hash: hash(*branch, height) })
    }

    fn block(&self, height: u64) -> Option<Block> {
        let id = self.id(height)?;
        let parent = height
            .checked_sub(1)
            .map(|below| self.id(below).unwrap_or(BlockId { height: below, hash: hash(0, below) }));
        let trades = (0..2).map(|index| trade(&id, index)).collect();
        Some(Block { id, parent, timestamp_ms: height, trades, unbacked: 1, proof: "test".into() })
    }

    fn latest(&self) -> u64 {
        *self.branches.last_key_value().unwrap().0
    }
}

/// A node that shows its views one after another, each until it has been looked at often enough.
struct Node {
    views: Vec<View>,
    looks: Arc<AtomicU64>,
}

const LOOKS: u64 = 40;

impl Node {
    fn view(&self) -> &View {
        let at = usize::try_from(self.looks.load(Ordering::Relaxed) / LOOKS).unwrap();
        &self.views[at.min(self.views.len() - 1)]
    }
}

impl Chain for Node {
    async fn head(&mut self) -> Result<Tip, Failure> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let view = self.view();
        Ok(Tip {
            network: view.network.into(),
            latest: view.id(view.latest()).unwrap(),
            finalized: view.finalized.and_then(|height| view.id(height)),
        })
    }

    async fn scan(&mut self, first: u64, last: u64, _finalized: Option<u64>) -> Result<Scanned, Failure> {
        if last - first >= 5 {
            return Err(Failure::TooWide(5));
        }
        let view = self.view();
        let last = last.min(view.latest());
        Ok(Scanned { blocks: (first..=last).filter_map(|height| view.block(height)).collect(), through: last })
    }

    fn blame(&mut self, _why: &str) {
        self.looks.fetch_add(LOOKS, Ordering::Relaxed);
    }
}

/// A tape in memory that sometimes forgets to say that an append went through.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    events: Vec<(Status, Trade)>,
    cursor: Option<Cursor>,
    journal: BTreeMap<u64, (BlockId, Vec<Trade>)>,
    parked: Option<String>,
    appends: u64,
    silent_every: u64,
}

impl Tape for Memory {
    type Lease = Self;

    async fn claim(&self, _chain: &str) -> Result<(Self, Journal), Unavailable> {
        let kept = self.0.lock().unwrap();
        let blocks = kept.journal.values().map(|(id, _)| id.clone()).collect();
        Ok((self.clone(), Journal { cursor: kept.cursor.clone(), blocks }))
    }
}

impl Lease for Memory {
    async fn append(&mut self, step: &Step) -> Outcome {
        let mut kept = self.0.lock().unwrap();
        let expected = kept.cursor.as_ref().map_or(1, |cursor| cursor.step + 1);
        assert_eq!(step.cursor.step, expected, "steps are numbered without holes");
        kept.appends += 1;
        let lost = kept.silent_every != 0 && kept.appends.is_multiple_of(kept.silent_every);
        let really = !lost || kept.appends.is_multiple_of(2);
        if really {
            kept.events.extend(step.changes.iter().cloned());
            for height in step.popped.iter().chain(&step.settled) {
                kept.journal.remove(height);
            }
            for block in &step.pushed {
                kept.journal.insert(block.id.height, (block.id.clone(), block.trades.clone()));
            }
            kept.cursor = Some(step.cursor.clone());
            if let State::Parked(why) = &step.progress.state {
                kept.parked = Some(why.clone());
            }
        }
        if lost { Outcome::Unknown(Unavailable::new("append", "the test says so")) } else { Outcome::Done }
    }

    async fn above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let kept = self.0.lock().unwrap();
        Ok(kept.journal.range(height + 1..).rev().map(|(_, block)| block.clone()).collect())
    }
}

/// A clock that stops the story once the node's last view has been looked at enough.
struct Watch(Arc<AtomicU64>, u64);

impl Clock for Watch {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn pause(&self, _ms: u64) {}

    fn stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) > self.1 * LOOKS
    }
}

struct Nobody;

impl Witness for Nobody {
    fn waits(&self, _chain: &str, _why: &str, _ms: u64) {}
    fn reorged(&self, _chain: &str, _ancestor: u64, _blocks: usize) {}
}

/// Follows the views and answers how it ended and what was kept.
fn followed(views: Vec<View>, silent_every: u64) -> (End, Memory) {
    followed_from(Beginning::Height(0), views, silent_every)
}

fn followed_from(beginning: Beginning, views: Vec<View>, silent_every: u64) -> (End, Memory) {
    let looks = Arc::new(AtomicU64::new(0));
    let watch = Watch(Arc::clone(&looks), views.len() as u64);
    let memory = Memory::default();
    memory.0.lock().unwrap().silent_every = silent_every;
    let plan = Plan { chain: "c".into(), beginning, span: 4, poll_ms: 1, step_changes: 6 };
    let mut node = Node { views, looks };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(follow(&mut node, &memory, &watch, &Nobody, &plan));
    (end, memory)
}

/// Applies the events by their rule and answers what is live; every revert must undo the newest live trade.
fn live(events: &[(Status, Trade)]) -> Vec<String> {
    let mut live: Vec<String> = vec![];
    for (status, trade) in events {
        let id = trade.id();
        match status {
            Status::Observed | Status::Finalized => {
                assert!(!live.contains(&id), "applied twice: {id}");
                live.push(id);
            }
            Status::Reverted => assert_eq!(live.pop().as_ref(), Some(&id), "reverts come newest first"),
        }
    }
    live
}

fn expected(view: &View) -> Vec<String> {
    expected_from(0, view)
}

fn expected_from(first: u64, view: &View) -> Vec<String> {
    let heights = first..=view.latest();
    heights.filter_map(|height| view.block(height)).flat_map(|block| block.trades).map(|trade| trade.id()).collect()
}

/// A chain of `length` blocks on branch 0, then forks: (depth, new length above the fork). A branch that only ends
/// earlier cannot be told from a node that lags, so every fork brings at least one block.
fn views(length: u64, forks: &[(u64, u64)], finality: u64) -> Vec<View> {
    let mut branches: BTreeMap<u64, u64> = (0..=length).map(|height| (height, 0)).collect();
    let mut floor = 0;
    let mut views = vec![];
    let mut snapshot = |branches: &BTreeMap<u64, u64>, floor: &mut u64| {
        let latest = *branches.last_key_value().unwrap().0;
        *floor = (*floor).max(latest.saturating_sub(finality));
        views.push(View { branches: branches.clone(), finalized: Some(*floor), network: "n" });
    };
    snapshot(&branches, &mut floor);
    for (number, (depth, grown)) in forks.iter().enumerate() {
        let latest = *branches.last_key_value().unwrap().0;
        let ancestor = latest.saturating_sub(*depth).max(floor);
        branches.retain(|height, _| *height <= ancestor);
        branches.extend((ancestor + 1..=ancestor + grown).map(|height| (height, number as u64 + 1)));
        snapshot(&branches, &mut floor);
    }
    views
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_as_its_winning_branch(
        length in 1_u64..20,
        forks in prop::collection::vec((0_u64..12, 1_u64..12), 0..6),
        silent_every in 0_u64..5,
    ) {
        let views = views(length, &forks, 8);
        let last = views.last().unwrap().clone();
        let (end, memory) = followed(views, if silent_every == 1 { 0 } else { silent_every });
        prop_assert_eq!(end, End::Stopped);
        let kept = memory.0.lock().unwrap();
        prop_assert_eq!(live(&kept.events), expected(&last));
        prop_assert_eq!(kept.cursor.as_ref().unwrap().through, last.latest());
    }
}

#[test]
fn a_branch_left_below_where_all_began_is_given_back_whole() {
    let mut views = views(10, &[(8, 9)], 30);
    for view in &mut views {
        view.finalized = None;
    }
    let last = views[1].clone();
    let (end, memory) = followed_from(Beginning::Height(6), views, 0);
    assert_eq!(end, End::Stopped);
    assert_eq!(live(&memory.0.lock().unwrap().events), expected_from(6, &last));
}

#[test]
fn a_branch_left_below_finality_parks_the_chain_with_the_cure() {
    let mut views = views(20, &[], 5);
    let mut other = views[0].clone();
    other.branches = (0..=25).map(|height| (height, u64::from(height > 10))).collect();
    other.finalized = Some(20);
    views.push(other);
    let (end, memory) = followed(views, 0);
    let End::Parked(why) = end else { unreachable!("{end:?}") };
    assert!(why.contains("chain-ingestor rewind --chain c"), "{why}");
    assert_eq!(memory.0.lock().unwrap().parked.as_ref(), Some(&why), "readers see the sentence");
}

#[test]
fn an_endpoint_of_another_network_is_refused_and_one_that_lags_is_no_reorg() {
    let mut views = views(10, &[], 5);
    let mut foreign = views[0].clone();
    foreign.network = "other";
    foreign.branches = (0..=30).map(|height| (height, 9)).collect();
    let mut lagging = views[0].clone();
    lagging.branches.retain(|height, _| *height <= 6);
    let whole = views[0].clone();
    views.extend([foreign, lagging, whole.clone()]);
    let (end, memory) = followed(views, 0);
    assert_eq!(end, End::Stopped);
    let kept = memory.0.lock().unwrap();
    assert_eq!(live(&kept.events), expected(&whole));
    assert!(kept.events.iter().all(|(status, _)| *status != Status::Reverted), "nothing was taken back");
}

/// Found by the property above: a final block published in a step before the last, then an unknown commit.
#[test]
fn what_was_published_as_final_is_never_published_again() {
    let views = views(8, &[(3, 2), (4, 3), (6, 9), (8, 1)], 8);
    let last = views.last().unwrap().clone();
    let (end, memory) = followed(views, 2);
    assert_eq!(end, End::Stopped);
    assert_eq!(live(&memory.0.lock().unwrap().events), expected(&last));
}
