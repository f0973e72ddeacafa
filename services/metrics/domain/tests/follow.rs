//! Follows two topics that fail while another reader moves the read positions: every event counts once.
#![expect(clippy::unwrap_used, reason = "tests")]

use metrics_domain::memory::MemoryStore;
use metrics_domain::{
    Accounts, BookFacts, BookKey, BookRules, BookToRefold, CommitOutcome, DecodedTrade, Limits, Store, StoredTrade,
    Tail, TradeKey, UserKey, follow,
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
    /// A batch of one topic: which topic, and how many events.
    Deliver(usize, usize),
    /// A batch is read and then lost by a failure of the feed.
    Break(usize, usize),
    /// The partitions are lost and gained again.
    Rebalance,
}

/// Live trades and history, one partition of each.
type Logs = [Vec<Event>; 2];

/// Each trade is on one topic, decided by its height.
fn logs(events: &[Event]) -> Logs {
    let (history, live) = events.iter().cloned().partition(|event| event.trade.block.id.height < 2);
    [live, history]
}

/// A feed of two topics: it does what the turns say, and then reads to the ends.
struct Tape<'a> {
    logs: &'a Logs,
    ends: [usize; 2],
    turns: Vec<Turn>,
    at: [Option<usize>; 2],
    pending: Vec<Delivery<DecodedTrade>>,
}

impl<'a> Tape<'a> {
    fn new(logs: &'a Logs, mut turns: Vec<Turn>) -> Self {
        turns.reverse();
        Self { logs, ends: [logs[0].len(), logs[1].len()], turns, at: [None; 2], pending: gained() }
    }

    fn read(&mut self, log: usize, count: usize) -> Batch<DecodedTrade> {
        let at = self.at[log].unwrap();
        let end = (at + count).min(self.ends[log]);
        self.at[log] = Some(end);
        let decoded = |at: usize| {
            TradeRecord { position: at as u64, event: self.logs[log][at].clone(), text: String::new() }.into()
        };
        let events = (at..end).map(decoded).collect();
        Batch { partition: partition(log), events, next: end as u64, trace: None }
    }

    fn is_behind(&self, log: usize) -> bool {
        self.at[log].unwrap() < self.ends[log]
    }
}

impl Feed<DecodedTrade> for Tape<'_> {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        if let Some(delivery) = self.pending.pop() {
            return Ok(delivery);
        }
        match self.turns.pop() {
            Some(Turn::Deliver(log, count)) if self.is_behind(log) => Ok(Delivery::Batch(self.read(log, count))),
            Some(Turn::Deliver(log, count) | Turn::Break(log, count)) => {
                self.read(log, count);
                Err(Unavailable::new("read", "broken"))
            }
            Some(Turn::Rebalance) => {
                self.pending = gained();
                self.pending.push(Delivery::Lost(partition(0)));
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
fn gained() -> Vec<Delivery<DecodedTrade>> {
    vec![Delivery::Gained(partition(1)), Delivery::Gained(partition(0))]
}

/// A store in which another reader commits before every n-th commit, on one topic or the other.
struct Contended<'a> {
    inner: &'a MemoryStore,
    logs: &'a Logs,
    every: usize,
    commits: AtomicUsize,
}

impl Store for Contended<'_> {
    fn rules(&self) -> &BookRules {
        self.inner.rules()
    }

    async fn read_position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        self.inner.read_position(partition).await
    }

    async fn read_floors(&self) -> Result<metrics_domain::Floors, Unavailable> {
        self.inner.read_floors().await
    }

    async fn load_accounts(&self, users: &[UserKey], books: &[BookKey]) -> Result<Accounts, Unavailable> {
        self.inner.load_accounts(users, books).await
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<StoredTrade>, Unavailable> {
        self.inner.load_trades(trades).await
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<Tail>, Unavailable> {
        let tails = self.inner.load_tails(books).await?;
        for (refold, tail) in books.iter().zip(&tails) {
            // This count tells a store that it has read enough: if it were wrong, every book would be read as a whole.
            assert_eq!(refold.trades, tail.trades_before + tail.trades.len() as u64, "trades of {refold:?}");
        }
        Ok(tails)
    }

    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_multiple_of(self.every) {
            let mut other = Tape::new(self.logs, vec![]);
            for log in 0..2 {
                other.ends[log] =
                    usize::try_from(self.inner.read_position(&partition(log)).await?.unwrap_or(0)).unwrap();
            }
            let log = number / self.every % 2;
            other.ends[log] = (other.ends[log] + 1).min(self.logs[log].len());
            run(other, self.inner, 1);
        }
        self.inner.commit(facts).await
    }
}

fn run(tape: Tape<'_>, store: &impl Store, piece: usize) {
    let mut following = pin!(follow(tape, store, Limits { events: piece, remembered: 1_000 }));
    assert!(following.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
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
        steps in vec((0..6_u8, any::<bool>(), 1..4_u8, prop::bool::weighted(0.7)), 1..40),
        turns in vec(turn(), 0..20),
        every in 1..6_usize,
        piece in 1..4_usize,
    ) {
        let events: Vec<Event> = steps.iter().enumerate()
            .map(|(at, (height, buys, raw, present))| event(at, *height, *buys, *raw, *present)).collect();
        let logs = logs(&events);
        let calm = MemoryStore::default();
        run(Tape::new(&logs, vec![]), &calm, 100);
        let inner = MemoryStore::default();
        let contended = Contended { inner: &inner, logs: &logs, every, commits: AtomicUsize::new(0) };
        run(Tape::new(&logs, turns), &contended, piece);
        let (calm, rough) = (calm.state(), inner.state());
        prop_assert_eq!(&rough.positions, &calm.positions);
        prop_assert_eq!(&rough.books, &calm.books);
        let totals = |state: &metrics_domain::memory::MemoryState| -> Vec<_> {
            state.users.values().map(|user| user.totals.clone()).filter(|totals| *totals != metrics_domain::Totals::default()).collect()
        };
        prop_assert_eq!(totals(&rough), totals(&calm));
    }
}
