//! A chain of scripted views, a tape in memory and a clock that counts looks: what the tests of the story stand on.

use ingest_domain::follow::Witness;
use ingest_domain::{
    Ask, Beginning, Block, Chain, Clock, Coverage, Cursor, End, Failure, Journal, Lease, Outcome, Plan, Range, Request,
    Scanned, State, Step, Tape, Tip, follow,
};
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
        attributes: std::collections::BTreeMap::new(),
        valuation: None,
        detector: Arc::new(Detector { plugin: "t".into(), version: "1".into(), digest: "d".into() }),
    }
}

/// One moment of a node: the branch each height is on, the head, and how deep finality lies.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) branches: BTreeMap<u64, u64>,
    pub(crate) finalized: Option<u64>,
    pub(crate) network: &'static str,
    /// Digest of the code that scans it.
    pub(crate) code: &'static str,
    /// Another endpoint is as far, and shows what the next view shows.
    pub(crate) disputed: bool,
}

impl View {
    fn id(&self, height: u64) -> Option<BlockId> {
        self.branches.get(&height).map(|branch| BlockId { height, hash: hash(*branch, height) })
    }

    pub(crate) fn block(&self, height: u64) -> Option<Block> {
        let id = self.id(height)?;
        let parent = height
            .checked_sub(1)
            .map(|below| self.id(below).unwrap_or(BlockId { height: below, hash: hash(0, below) }));
        let trades = (0..2).map(|index| trade(&id, index)).collect();
        Some(Block { id, parent, timestamp_ms: height, trades, unbacked: 1, proof: "test".into() })
    }

    pub(crate) fn latest(&self) -> u64 {
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
        Ok(Scanned {
            blocks: (first..=last).filter_map(|height| view.block(height)).collect(),
            through: last,
            digest: view.code.into(),
        })
    }

    async fn still_has(&mut self, block: &BlockId, _tip: &Tip) -> Result<bool, Failure> {
        if self.view().disputed {
            self.blame("another endpoint shows something else");
        }
        Ok(self.view().id(block.height).as_ref() == Some(block))
    }

    fn blame(&mut self, _why: &str) {
        self.looks.fetch_add(LOOKS, Ordering::Relaxed);
    }
}

/// A tape in memory that sometimes forgets to say that an append went through.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Kept>>);

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) events: Vec<(Status, Trade)>,
    pub(crate) cursor: Option<Cursor>,
    journal: BTreeMap<u64, (BlockId, Vec<Trade>)>,
    pub(crate) parked: Option<String>,
    pub(crate) ranges: BTreeMap<u32, Range>,
    /// What is asked, and at which look it is noticed.
    pub(crate) asked: Vec<(u64, Request)>,
    looks: Arc<AtomicU64>,
    appends: u64,
    silent_every: u64,
}

impl Tape for Memory {
    type Lease = Self;

    async fn claim(&self, _chain: &str) -> Result<(Self, Journal), Unavailable> {
        let kept = self.0.lock().unwrap();
        let blocks = kept.journal.values().map(|(id, _)| id.clone()).collect();
        let ranges = kept.ranges.iter().map(|(number, range)| (*number, range.clone())).collect();
        Ok((self.clone(), Journal { cursor: kept.cursor.clone(), blocks, ranges }))
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
            for (number, range) in &step.ranges {
                match range {
                    Some(range) => kept.ranges.insert(*number, range.clone()),
                    None => kept.ranges.remove(number),
                };
            }
            kept.asked.retain(|(_, request)| !step.answered.contains(&request.id));
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

    async fn recall(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let kept = self.0.lock().unwrap();
        let mut live: BTreeMap<BlockId, Vec<Trade>> = BTreeMap::new();
        for trade in settled(&kept.events).into_values().filter(|trade| trade.block.id.height > height) {
            live.entry(trade.block.id.clone()).or_default().push(trade);
        }
        for trades in live.values_mut() {
            trades.sort_by_key(Trade::place);
        }
        Ok(live.into_iter().rev().collect())
    }

    fn requests(&mut self) -> Vec<Request> {
        let kept = self.0.lock().unwrap();
        let look = kept.looks.load(Ordering::Relaxed);
        kept.asked.iter().filter(|(from, _)| *from <= look).map(|(_, request)| request.clone()).collect()
    }
}

/// A clock that stops the story once the node's last view has been looked at enough.
struct Watch(Arc<AtomicU64>, u64);

impl Clock for Watch {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn pause(&self, _ms: u64) {}

    fn draw(&self, bound: u64) -> u64 {
        bound
    }

    fn stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) > self.1 * LOOKS
    }
}

struct Nobody;

impl Witness for Nobody {
    fn waits(&self, _chain: &str, _why: &str, _ms: u64) {}
    fn reorged(&self, _chain: &str, _ancestor: u64, _blocks: usize) {}
    fn rewound(&self, _chain: &str, _to: u64, _blocks: usize) {}
}

/// Follows the views and answers how it ended and what was kept.
pub(crate) fn followed(views: Vec<View>, silent_every: u64) -> (End, Memory) {
    followed_from(Beginning::Height(0), views, silent_every)
}

pub(crate) fn followed_from(beginning: Beginning, views: Vec<View>, silent_every: u64) -> (End, Memory) {
    asked(beginning, views, silent_every, &[])
}

/// The same with things asked for, each from the view of that number on. A chain that parks is looked at again, as its
/// owner does, as long as something is asked that may cure it.
pub(crate) fn asked(beginning: Beginning, views: Vec<View>, silent_every: u64, asks: &[(usize, Ask)]) -> (End, Memory) {
    let looks = Arc::new(AtomicU64::new(0));
    let watch = Watch(Arc::clone(&looks), views.len() as u64);
    let memory = Memory::default();
    let request = |(number, (view, ask)): (usize, &(usize, Ask))| {
        (*view as u64 * LOOKS, Request { id: format!("{number:04}"), ask: *ask })
    };
    {
        let mut kept = memory.0.lock().unwrap();
        kept.silent_every = silent_every;
        kept.looks = Arc::clone(&looks);
        kept.asked = asks.iter().enumerate().map(request).collect();
    }
    let plan = Plan { chain: "c".into(), beginning, span: 9, poll_ms: 1, step_changes: 6, step_bytes: 1 << 20 };
    let mut node = Node { views, looks: Arc::clone(&looks) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let end = runtime.block_on(follow(&mut node, &memory, &watch, &Nobody, &plan));
        let more = !memory.0.lock().unwrap().asked.is_empty();
        if !matches!(end, End::Parked(_)) || !more {
            return (end, memory);
        }
        looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is live once the events have been applied by their rule; per trade, coming and going must alternate.
pub(crate) fn settled(events: &[(Status, Trade)]) -> BTreeMap<String, Trade> {
    let mut live = BTreeMap::new();
    for (status, trade) in events {
        let before = match status {
            Status::Observed | Status::Finalized => live.insert(trade.id(), trade.clone()),
            Status::Reverted => live.remove(&trade.id()),
        };
        assert_eq!(before.is_some(), *status == Status::Reverted, "{status:?} of {}", trade.id());
    }
    live
}

/// The heights that the journal says are covered, each once.
pub(crate) fn covered(kept: &Kept) -> Vec<u64> {
    let mut ranges = Coverage::of(kept.ranges.clone()).ascending();
    ranges.extend(kept.cursor.as_ref().and_then(Cursor::followed));
    let mut heights: Vec<u64> = ranges.iter().flat_map(|range| range.from..=range.to).collect();
    heights.sort_unstable();
    let all = heights.len();
    heights.dedup();
    assert_eq!(heights.len(), all, "a height is covered twice: {ranges:?}");
    heights
}

/// Applies the events by their rule and answers what is live; every revert must undo the newest live trade.
pub(crate) fn live(events: &[(Status, Trade)]) -> Vec<String> {
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

pub(crate) fn expected(view: &View) -> Vec<String> {
    expected_from(0, view)
}

pub(crate) fn expected_from(first: u64, view: &View) -> Vec<String> {
    let heights = first..=view.latest();
    heights.filter_map(|height| view.block(height)).flat_map(|block| block.trades).map(|trade| trade.id()).collect()
}

/// A chain of `length` blocks on branch 0, then forks: (depth, new length above the fork). A branch that only ends
/// earlier cannot be told from a node that lags, so every fork brings at least one block.
pub(crate) fn views(length: u64, forks: &[(u64, u64)], finality: u64) -> Vec<View> {
    let mut branches: BTreeMap<u64, u64> = (0..=length).map(|height| (height, 0)).collect();
    let mut floor = 0;
    let mut views = vec![];
    let mut snapshot = |branches: &BTreeMap<u64, u64>, floor: &mut u64| {
        let latest = *branches.last_key_value().unwrap().0;
        *floor = (*floor).max(latest.saturating_sub(finality));
        views.push(View {
            branches: branches.clone(),
            finalized: Some(*floor),
            network: "n",
            code: "a",
            disputed: false,
        });
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
