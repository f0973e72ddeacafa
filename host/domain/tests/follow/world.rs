//! What these tests run on: a node with scripted views, a tape in memory and a clock that counts reads of the head.

use ingest_domain::{
    AppendOutcome, Beginning, Block, ChainReader, ChainState, Clock, Coverage, Cursor, DroppedCounts, End, Failure,
    FollowObserver, Journal, Lease, Plan, Progress, Range, Request, RequestKind, Scanned, Step, Tape, Tip, follow,
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
    /// Below this height it gives one height at a time.
    pub(crate) narrow_below: u64,
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
        Some(Block {
            id,
            parent,
            timestamp_ms: height,
            trades,
            unbacked: 1,
            dropped: DroppedCounts::default(),
            proof: "test".into(),
        })
    }

    pub(crate) fn latest(&self) -> u64 {
        *self.branches.last_key_value().unwrap().0
    }
}

/// A node that shows its views one after another, each until its head was read often enough.
pub(crate) struct Node {
    pub(crate) views: Vec<View>,
    pub(crate) reads: Arc<AtomicU64>,
}

const READS_PER_VIEW: u64 = 40;

impl Node {
    fn view(&self) -> &View {
        let at = usize::try_from(self.reads.load(Ordering::Relaxed) / READS_PER_VIEW).unwrap();
        &self.views[at.min(self.views.len() - 1)]
    }
}

impl ChainReader for Node {
    async fn head(&mut self) -> Result<Tip, Failure> {
        self.reads.fetch_add(1, Ordering::Relaxed);
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
        if first < view.narrow_below && last > first {
            return Err(Failure::TooWide(1));
        }
        let last = last.min(view.latest());
        Ok(Scanned {
            blocks: (first..=last).filter_map(|height| view.block(height)).collect(),
            through: last,
            digest: view.code.into(),
        })
    }

    fn has_ready(&self, first: u64) -> bool {
        !first.is_multiple_of(3)
    }

    async fn still_has(&mut self, block: &BlockId, _tip: &Tip) -> Result<bool, Failure> {
        if self.view().disputed {
            self.blame("another endpoint shows something else");
        }
        Ok(self.view().id(block.height).as_ref() == Some(block))
    }

    fn blame(&mut self, _why: &str) {
        self.reads.fetch_add(READS_PER_VIEW, Ordering::Relaxed);
    }
}

/// A tape in memory on which some appends end without an answer, half of them after they went through.
#[derive(Clone, Default)]
pub(crate) struct MemoryTape(pub(crate) Arc<Mutex<Content>>);

#[derive(Default)]
pub(crate) struct Content {
    pub(crate) events: Vec<(Status, Trade)>,
    pub(crate) cursor: Option<Cursor>,
    journal: BTreeMap<u64, (BlockId, Vec<Trade>)>,
    pub(crate) parked: Option<String>,
    pub(crate) ranges: BTreeMap<u32, Range>,
    /// The requests, and the read of the head from which each is seen.
    pub(crate) requests: Vec<(u64, Request)>,
    reads: Arc<AtomicU64>,
    /// Appends that were tried.
    appends: u64,
    /// Steps with trades that were appended.
    pub(crate) trade_steps: u64,
    /// How often all of the tape was read.
    pub(crate) tape_reads: u64,
    silent_every: u64,
    /// Which record of the journal cannot be read.
    pub(crate) unreadable: Option<String>,
    /// The height whose trades are too large.
    pub(crate) too_large: Option<u64>,
    /// What was published without a step, and the cursor that it went with.
    pub(crate) announced: Vec<(Option<u64>, Progress)>,
    /// The state of each step.
    pub(crate) states: Vec<ChainState>,
}

impl Tape for MemoryTape {
    type Lease = Self;

    async fn claim(&self, _chain: &str) -> Result<(Self, Journal), Unavailable> {
        let content = self.0.lock().unwrap();
        let blocks = content.journal.values().map(|(id, _)| id.clone()).collect();
        let ranges = content.ranges.iter().map(|(number, range)| (*number, range.clone())).collect();
        let unreadable = content.unreadable.clone();
        Ok((self.clone(), Journal { cursor: content.cursor.clone(), blocks, ranges, unreadable }))
    }
}

impl Lease for MemoryTape {
    async fn append(&mut self, step: &Step) -> AppendOutcome {
        let mut content = self.0.lock().unwrap();
        let expected = content.cursor.as_ref().map_or(1, |cursor| cursor.step + 1);
        assert_eq!(step.cursor.step, expected, "steps are numbered without holes");
        if step.changes.iter().any(|(_, trade)| Some(trade.block.id.height) == content.too_large) {
            return AppendOutcome::Refused(Unavailable::new("append", "a record of 9 bytes is too large"));
        }
        content.appends += 1;
        content.trade_steps += u64::from(!step.changes.is_empty());
        content.states.push(step.progress.state.clone());
        let lost = content.silent_every != 0 && content.appends.is_multiple_of(content.silent_every);
        let really = !lost || content.appends.is_multiple_of(2);
        if really {
            content.events.extend(step.changes.iter().cloned());
            for height in step.popped.iter().chain(&step.settled) {
                content.journal.remove(height);
            }
            for block in &step.pushed {
                content.journal.insert(block.id.height, (block.id.clone(), block.trades.clone()));
            }
            for (number, range) in &step.ranges {
                match range {
                    Some(range) => content.ranges.insert(*number, range.clone()),
                    None => content.ranges.remove(number),
                };
            }
            content.requests.retain(|(_, request)| !step.fulfilled.contains(&request.id));
            content.cursor = Some(step.cursor.clone());
            if let ChainState::Parked(why) = &step.progress.state {
                content.parked = Some(why.clone());
            }
        }
        if lost { AppendOutcome::Unknown(Unavailable::new("append", "the test says so")) } else { AppendOutcome::Done }
    }

    async fn announce(&mut self, cursor: Option<&Cursor>, progress: &Progress) -> AppendOutcome {
        let mut content = self.0.lock().unwrap();
        content.announced.push((cursor.map(|cursor| cursor.step), progress.clone()));
        AppendOutcome::Done
    }

    async fn journalled_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let content = self.0.lock().unwrap();
        Ok(content.journal.range(height + 1..).rev().map(|(_, block)| block.clone()).collect())
    }

    async fn live_above(&mut self, height: u64) -> Result<Vec<(BlockId, Vec<Trade>)>, Unavailable> {
        let mut content = self.0.lock().unwrap();
        content.tape_reads += 1;
        let mut live: BTreeMap<BlockId, Vec<Trade>> = BTreeMap::new();
        for trade in live_trades(&content.events).into_values().filter(|trade| trade.block.id.height > height) {
            live.entry(trade.block.id.clone()).or_default().push(trade);
        }
        for trades in live.values_mut() {
            trades.sort_by_key(Trade::place);
        }
        Ok(live.into_iter().rev().collect())
    }

    fn requests(&mut self) -> Vec<Request> {
        let content = self.0.lock().unwrap();
        let read = content.reads.load(Ordering::Relaxed);
        content.requests.iter().filter(|(from, _)| *from <= read).map(|(_, request)| request.clone()).collect()
    }
}

/// A clock that stops once the node's last view was read often enough.
pub(crate) struct ReadClock(pub(crate) Arc<AtomicU64>, pub(crate) u64);

impl Clock for ReadClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn pause(&self, _ms: u64) {}

    fn draw(&self, bound: u64) -> u64 {
        bound
    }

    fn stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) > self.1 * READS_PER_VIEW
    }
}

struct NoObserver;

impl FollowObserver for NoObserver {
    fn retrying(&self, _chain: &str, _why: &str, _ms: u64) {}
    fn reorged(&self, _chain: &str, _ancestor: u64, _blocks: usize) {}
    fn rewinding(&self, _chain: &str, _to: u64, _blocks: usize) {}
}

/// A plan whose steps are full with one span.
pub(crate) fn plan(beginning: Beginning) -> Plan {
    let (chain, command) = ("c".into(), "the-program".into());
    Plan { chain, beginning, span: 9, poll_ms: 1, step_changes: 6, step_bytes: 1 << 20, command }
}

/// A plan whose steps hold several spans.
pub(crate) fn plan_of_large_steps() -> Plan {
    Plan { step_changes: 100, ..plan(Beginning::Height(0)) }
}

/// Follows the views; returns how that ended, and the tape.
pub(crate) fn followed(views: Vec<View>, silent_every: u64) -> (End, MemoryTape) {
    followed_from(Beginning::Height(0), views, silent_every)
}

pub(crate) fn followed_from(beginning: Beginning, views: Vec<View>, silent_every: u64) -> (End, MemoryTape) {
    followed_with_requests(beginning, views, silent_every, &[])
}

/// The same with requests, each from the view of that number on. A chain that parks is followed again, as its holder
/// does, as long as there is a request that may cure it.
pub(crate) fn followed_with_requests(
    beginning: Beginning,
    views: Vec<View>,
    silent_every: u64,
    requests: &[(usize, RequestKind)],
) -> (End, MemoryTape) {
    followed_by_plan(&plan(beginning), views, silent_every, requests)
}

/// The same by another plan.
pub(crate) fn followed_by_plan(
    plan: &Plan,
    views: Vec<View>,
    silent_every: u64,
    requests: &[(usize, RequestKind)],
) -> (End, MemoryTape) {
    let reads = Arc::new(AtomicU64::new(0));
    let clock = ReadClock(Arc::clone(&reads), views.len() as u64);
    let memory = MemoryTape::default();
    let request = |(number, (view, kind)): (usize, &(usize, RequestKind))| {
        (*view as u64 * READS_PER_VIEW, Request { id: format!("{number:04}"), kind: *kind })
    };
    {
        let mut content = memory.0.lock().unwrap();
        content.silent_every = silent_every;
        content.reads = Arc::clone(&reads);
        content.requests = requests.iter().enumerate().map(request).collect();
    }
    let mut node = Node { views, reads: Arc::clone(&reads) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let end = runtime.block_on(follow(&mut node, &memory, &clock, &NoObserver, plan));
        let more = !memory.0.lock().unwrap().requests.is_empty();
        if !matches!(end, End::Parked(_)) || !more {
            return (end, memory);
        }
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// The trades that are live after the events; for each trade, applies and reverts must alternate.
pub(crate) fn live_trades(events: &[(Status, Trade)]) -> BTreeMap<String, Trade> {
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

/// The heights that are covered according to the journal, each once.
pub(crate) fn covered(content: &Content) -> Vec<u64> {
    let mut ranges = Coverage::from_ranges(content.ranges.clone()).ascending();
    ranges.extend(content.cursor.as_ref().and_then(Cursor::followed));
    let mut heights: Vec<u64> = ranges.iter().flat_map(|range| range.from..=range.to).collect();
    heights.sort_unstable();
    let all = heights.len();
    heights.dedup();
    assert_eq!(heights.len(), all, "a height is covered twice: {ranges:?}");
    heights
}

/// The ids of the trades that are live after the events, in order; every revert must undo the newest live trade.
pub(crate) fn live_in_order(events: &[(Status, Trade)]) -> Vec<String> {
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
            narrow_below: 0,
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
