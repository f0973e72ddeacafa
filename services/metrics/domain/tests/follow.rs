//! Following two logs that break and a store that another reader moves: every event counts once.
#![expect(clippy::unwrap_used, reason = "tests")]

use metrics_domain::memory::Memory;
use metrics_domain::{
    BookKey, Facts, Heads, Heard, Late, Limits, Method, Outcome, Store, Stored, Tail, TradeKey, UserKey, follow,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use tape::{
    Batch, BlockId, BlockRef, Delivery, Detector, Event, Feed, Partition, Raw, Side, Start, Status, Trade, TradeRecord,
    Trader, Transaction, Unavailable, Usd, Valuation,
};

/// What happens at the next call of the feed.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// So many events of one log.
    Deliver(usize, usize),
    /// A batch is read and then lost to a failure.
    Break(usize, usize),
    /// The partitions go away and come back.
    Rebalance,
}

/// Live trades and history, one partition of each.
type Logs = [Vec<Event>; 2];

/// Each trade lies on one log, decided by its height.
fn logs(events: &[Event]) -> Logs {
    let (history, live) = events.iter().cloned().partition(|event| event.trade.block.id.height < 2);
    [live, history]
}

/// Two logs, read as the turns say and then to their ends.
struct Tape<'a> {
    logs: &'a Logs,
    ends: [usize; 2],
    turns: Vec<Turn>,
    at: [Option<usize>; 2],
    to_tell: Vec<Delivery<Heard>>,
}

impl<'a> Tape<'a> {
    fn new(logs: &'a Logs, mut turns: Vec<Turn>) -> Self {
        turns.reverse();
        Self { logs, ends: [logs[0].len(), logs[1].len()], turns, at: [None; 2], to_tell: gained() }
    }

    fn read(&mut self, log: usize, count: usize) -> Batch<Heard> {
        let at = self.at[log].unwrap();
        let end = (at + count).min(self.ends[log]);
        self.at[log] = Some(end);
        let told = |at: usize| {
            TradeRecord { position: at as u64, event: self.logs[log][at].clone(), text: String::new() }.into()
        };
        let events = (at..end).map(told).collect();
        Batch { partition: partition(log), events, next: end as u64, trace: None }
    }

    fn is_behind(&self, log: usize) -> bool {
        self.at[log].unwrap() < self.ends[log]
    }
}

impl Feed<Heard> for Tape<'_> {
    async fn next(&mut self) -> Result<Delivery<Heard>, Unavailable> {
        if let Some(delivery) = self.to_tell.pop() {
            return Ok(delivery);
        }
        match self.turns.pop() {
            Some(Turn::Deliver(log, count)) if self.is_behind(log) => Ok(Delivery::Batch(self.read(log, count))),
            Some(Turn::Deliver(log, count) | Turn::Break(log, count)) => {
                self.read(log, count);
                Err(Unavailable::new("read", "broken"))
            }
            Some(Turn::Rebalance) => {
                self.to_tell = gained();
                self.to_tell.push(Delivery::Lost(partition(0)));
                Ok(Delivery::Lost(partition(1)))
            }
            None => match (0..2).find(|log| self.is_behind(*log)) {
                Some(log) => Ok(Delivery::Batch(self.read(log, 3))),
                None => pending().await,
            },
        }
    }

    async fn seek(&mut self, which: &Partition, start: Start) -> Result<(), Unavailable> {
        let log = (0..2).find(|log| partition(*log) == *which).unwrap();
        self.at[log] = Some(match start {
            Start::Beginning => 0,
            Start::At(position) => usize::try_from(position).unwrap(),
        });
        Ok(())
    }
}

/// Both partitions are gained, the live one first.
fn gained() -> Vec<Delivery<Heard>> {
    vec![Delivery::Gained(partition(1)), Delivery::Gained(partition(0))]
}

/// A store that another reader of the same logs moves before every n-th commit, in one log or the other.
struct Meddled<'a> {
    inner: &'a Memory,
    logs: &'a Logs,
    every: usize,
    commits: AtomicUsize,
}

impl Store for Meddled<'_> {
    fn method(&self) -> Method {
        self.inner.method()
    }

    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        self.inner.position(partition).await
    }

    async fn floors(&self) -> Result<metrics_domain::Floors, Unavailable> {
        self.inner.floors().await
    }

    async fn heads(&self, users: &[UserKey], books: &[BookKey]) -> Result<Heads, Unavailable> {
        self.inner.heads(users, books).await
    }

    async fn stored(&self, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
        self.inner.stored(trades).await
    }

    async fn tails(&self, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
        let tails = self.inner.tails(late).await?;
        for (late, tail) in late.iter().zip(&tails) {
            // What a store proves by that it has read enough: a wrong count would have it read every book whole.
            assert_eq!(late.trades, tail.before + tail.trades.len() as u64, "trades of {late:?}");
        }
        Ok(tails)
    }

    async fn commit(&self, facts: &Facts) -> Result<Outcome, Unavailable> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_multiple_of(self.every) {
            let mut other = Tape::new(self.logs, vec![]);
            for log in 0..2 {
                other.ends[log] = usize::try_from(self.inner.position(&partition(log)).await?.unwrap_or(0)).unwrap();
            }
            let log = number / self.every % 2;
            other.ends[log] = (other.ends[log] + 1).min(self.logs[log].len());
            run(other, self.inner, 1);
        }
        self.inner.commit(facts).await
    }
}

fn run(tape: Tape<'_>, store: &impl Store, piece: usize) {
    let mut story = pin!(follow(tape, store, Limits { events: piece, remembered: 1_000 }));
    assert!(story.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn partition(log: usize) -> Partition {
    Partition { topic: ["trades.executed.v1", "trades.history.v1"][log].into(), index: 3 }
}

/// One user buys and sells one token, so that every event moves the same book.
fn event(at: usize, height: u8, buys: bool, raw: u8, present: bool) -> Event {
    let side =
        |asset: &str, quote| Side { asset: asset.to_owned(), raw: Raw::from(raw), decimals: None, symbol: None, quote };
    let (sold, bought) = if buys { (true, false) } else { (false, true) };
    let name = |quote: bool| if quote { "cash" } else { "token" };
    let trade = Trade {
        kind: Trade::SWAP.to_owned(),
        chain: "chain".into(),
        network: "network".into(),
        block: BlockRef {
            id: BlockId { height: height.into(), hash: format!("block{height}").into() },
            timestamp_ms: u64::from(height),
        },
        transaction: Transaction {
            hash: format!("{height}-{buys}-{raw}").into(),
            index: 0,
            from: "f".into(),
            to: None,
        },
        ordinal: 0,
        trader: Trader { address: "user".into(), evidence: "tx-sender".into() },
        sold: side(name(sold), sold),
        bought: side(name(bought), bought),
        legs: vec![],
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: Some(Valuation { notional: Usd(Usd::ONE.0 * 7), fee: None, source: "stable-leg".into() }),
        detector: Arc::new(Detector { plugin: "p".into(), version: "1".into(), digest: "d".into() }),
    };
    let status = if present { Status::Observed } else { Status::Reverted };
    Event { id: format!("chain/{at}/0"), status, trade: Box::new(trade) }
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => (0..2_usize, 1..5_usize).prop_map(|(log, count)| Turn::Deliver(log, count)),
        1 => (0..2_usize, 1..5_usize).prop_map(|(log, count)| Turn::Break(log, count)),
        1 => Just(Turn::Rebalance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn faults_lose_and_double_nothing(
        story in vec((0..6_u8, any::<bool>(), 1..4_u8, prop::bool::weighted(0.7)), 1..40),
        turns in vec(turn(), 0..20),
        every in 1..6_usize,
        piece in 1..4_usize,
    ) {
        let events: Vec<Event> = story.iter().enumerate()
            .map(|(at, (height, buys, raw, present))| event(at, *height, *buys, *raw, *present)).collect();
        let logs = logs(&events);
        let calm = Memory::default();
        run(Tape::new(&logs, vec![]), &calm, 100);
        let inner = Memory::default();
        let meddled = Meddled { inner: &inner, logs: &logs, every, commits: AtomicUsize::new(0) };
        run(Tape::new(&logs, turns), &meddled, piece);
        let (calm, rough) = (calm.kept(), inner.kept());
        prop_assert_eq!(&rough.positions, &calm.positions);
        prop_assert_eq!(&rough.books, &calm.books);
        let totals = |kept: &metrics_domain::memory::Kept| -> Vec<_> {
            kept.users.values().map(|user| user.totals.clone()).filter(|totals| *totals != metrics_domain::Totals::default()).collect()
        };
        prop_assert_eq!(totals(&rough), totals(&calm));
    }
}
