//! The story of the domain on real stores: following a feed that misbehaves, refreshing from a provider that does.

use crate::stores;
use crate::trades::{event, trade};
use portfolio::Settings;
use portfolio::store::Store;
use portfolio_domain::app::{Followed, Follower, Refreshed, Rules, refresh};
use portfolio_domain::{
    Balance, Clock, Committed, Holdings, Known, Ledger, Provider, ProviderError, Queue, Snapshot, Standings, Step,
    Taken, Tracking, Wallet,
};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Batch, Delivery, Event, Feed, Partition, Raw, Start, Status, TradeRecord, Unavailable};

/// A partition of a log in memory, read in batches of two.
struct Script {
    events: Vec<Event>,
    at: Option<usize>,
    gained: bool,
}

fn partition() -> Partition {
    Partition { topic: "trades.executed.v1".into(), index: 0 }
}

impl Feed for Script {
    async fn next(&mut self) -> Result<Delivery, Unavailable> {
        if !self.gained {
            self.gained = true;
            return Ok(Delivery::Gained(partition()));
        }
        let Some(at) = self.at else { panic!("read before a seek") };
        let end = self.events.len().min(at + 2);
        if at == end {
            return Ok(Delivery::Lost(partition()));
        }
        self.at = Some(end);
        let told = |at: usize| TradeRecord { position: at as u64, event: self.events[at].clone(), text: String::new() };
        let events = (at..end).map(told).collect();
        Ok(Delivery::Batch(Batch { partition: partition(), events, next: end as u64, trace: None }))
    }

    async fn seek(&mut self, _: &Partition, start: Start) -> Result<(), Unavailable> {
        self.at = Some(match start {
            Start::Beginning => 0,
            Start::At(position) => usize::try_from(position).unwrap(),
        });
        Ok(())
    }
}

/// A ledger that fails at the calls whose numbers have this bit set, before or after having done what was asked.
struct Failing<'a> {
    store: &'a Store,
    faults: u64,
    calls: AtomicU64,
}

impl Failing<'_> {
    fn faulty(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        call < 64 && self.faults >> call & 1 == 1
    }

    fn fail<T>() -> Result<T, Unavailable> {
        Err(Unavailable::new("reach the store", "torn cable"))
    }
}

impl Ledger for Failing<'_> {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        if self.faulty() { Self::fail() } else { self.store.position(partition).await }
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
        if self.faulty() { Self::fail() } else { self.store.known(wallets, trades).await }
    }

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        if self.faulty() { Self::fail() } else { self.store.standings(wallets, most).await }
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        if self.faulty() {
            return Self::fail();
        }
        let committed = self.store.commit(step).await?;
        // Kept, but nobody is told: the outcome is unknown to the reader.
        if self.faulty() { Self::fail() } else { Ok(committed) }
    }
}

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn draw(&self, bound: u64) -> u64 {
        bound
    }
}

fn rules() -> Rules {
    Rules { debounce_ms: 10, ..Settings::rules() }
}

/// Six trades of one wallet, of which 1, 2, 4 and 5 live in the end.
fn history() -> Vec<Event> {
    let trades: Vec<_> = (0..6).map(|height| trade("0xa", height)).collect();
    let mut events: Vec<_> = trades.iter().map(|trade| event(trade, Status::Observed)).collect();
    events.extend([0, 3, 3].map(|at| event(&trades[at], Status::Reverted)));
    events.push(event(&trades[1], Status::Finalized));
    events
}

/// Follows the history to its end through a ledger with these faults, and checks the nets.
async fn check(store: &Store, faults: u64) {
    let ledger = Failing { store, faults, calls: AtomicU64::new(0) };
    let mut follower = Follower::new(Script { events: history(), at: None, gained: false });
    let mut failures = 0;
    loop {
        match follower.step(&ledger, &Tracking::All, &rules(), &Hand::default()).await {
            Ok(Followed::Lost(_)) => break,
            Ok(_) => {}
            Err(_) => failures += 1,
        }
        assert!(failures <= 64, "it comes to an end");
    }
    let nets = store.nets(&Wallet::new("mock", "0xa")).await.unwrap();
    let nets: Vec<_> = nets.iter().map(|net| (net.asset.as_str(), i64::try_from(&net.raw).unwrap())).collect();
    assert_eq!(nets, [("coin", 16), ("usd", -40)], "faults {faults:b}");
}

#[tokio::test]
async fn whatever_fails_and_whenever_each_trade_counts_once() {
    for faults in 0..(1 << 10) {
        check(&Store::Memory(std::sync::Arc::default()), faults).await;
    }
    for fresh in stores::fresh().await {
        check(&fresh.store, 0b1010_0110_1001_0101).await;
        fresh.remove().await;
    }
}

/// A provider that answers as it is told.
struct Scripted(&'static str, Mutex<VecDeque<Result<Snapshot, ProviderError>>>);

impl Provider for Scripted {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn snapshot(&self, _: &Wallet) -> Result<Snapshot, ProviderError> {
        self.1.lock().unwrap().pop_front().unwrap()
    }
}

fn told(answers: impl IntoIterator<Item = Result<Snapshot, ProviderError>>) -> Scripted {
    named("told", answers)
}

fn named(name: &'static str, answers: impl IntoIterator<Item = Result<Snapshot, ProviderError>>) -> Scripted {
    Scripted(name, Mutex::new(answers.into_iter().collect()))
}

fn snapshot(raw: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let asset = "coin".to_owned();
    snapshot.add(Balance { asset, symbol: None, decimals: None, raw: Raw::from(raw), spam: false }).unwrap();
    snapshot
}

async fn waiting_wallet() -> Store {
    let store = Store::Memory(std::sync::Arc::default());
    let events = vec![event(&trade("0xa", 1), Status::Observed)];
    let mut follower = Follower::new(Script { events, at: None, gained: false });
    let clock = Hand::default();
    while !matches!(follower.step(&store, &Tracking::All, &rules(), &clock).await.unwrap(), Followed::Lost(_)) {}
    store
}

#[tokio::test]
async fn a_failing_provider_is_asked_again_later_and_later() {
    let store = waiting_wallet().await;
    let down = || Err(Unavailable::new("ask", "down").into());
    let limited = Err(ProviderError::Limited { after_ms: Some(60_000) });
    let denied = Err(ProviderError::Denied("no".to_owned()));
    let provider = told([down(), down(), limited, denied, down(), Ok(snapshot(5))]);
    let clock = Hand(AtomicU64::new(10));
    let first = rules().first_retry_ms;
    for expected in [first, 2 * first, 60_000 + first, rules().most_retry_ms, 4 * first] {
        match refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap() {
            Refreshed::Postponed { wait_ms, .. } => assert_eq!(wait_ms, expected),
            other => panic!("{other:?}"),
        }
        let early = refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap();
        assert!(matches!(early, Refreshed::Idle { next_due: Some(due) } if due == clock.now_ms() + expected));
        clock.0.fetch_add(expected, Ordering::Relaxed);
    }
    match refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap() {
        Refreshed::Replaced { changes, .. } => assert_eq!(changes.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap(),
        Refreshed::Idle { next_due: None }
    ));
}

#[tokio::test]
async fn a_wallet_that_cannot_be_told_is_given_up_until_it_trades_again() {
    let store = waiting_wallet().await;
    let provider = told([Err(ProviderError::Rejected("no such wallet".to_owned()))]);
    let clock = Hand(AtomicU64::new(10));
    assert!(matches!(
        refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap(),
        Refreshed::GivenUp { .. }
    ));

    let store = waiting_wallet().await;
    let provider = told((0..8).map(|_| Err(ProviderError::Malformed("nonsense".to_owned()))));
    for attempt in 1..=rules().attempts_max {
        let refreshed = refresh(&store, std::slice::from_ref(&provider), &rules(), &clock).await.unwrap();
        let given_up = matches!(refreshed, Refreshed::GivenUp { .. });
        assert_eq!(given_up, attempt == rules().attempts_max, "{refreshed:?}");
        clock.0.fetch_add(rules().most_retry_ms, Ordering::Relaxed);
    }
    assert_eq!(store.balances(&Wallet::new("mock", "0xa"), "told").await.unwrap(), []);
}

#[tokio::test]
async fn another_provider_steps_in_and_zeroes_nothing_that_the_first_saw() {
    for fresh in stores::fresh().await.into_iter().map(Some).chain([None]) {
        let memory = Store::Memory(std::sync::Arc::default());
        let store = fresh.as_ref().map_or(&memory, |fresh| &fresh.store);
        let wallet = Wallet::new("mock", "0xa");
        let clock = Hand(AtomicU64::new(10));
        let two = |coin: u64| {
            let mut both = snapshot(coin);
            let usd = Balance { asset: "usd".to_owned(), symbol: None, decimals: None, raw: Raw::from(9), spam: true };
            both.add(usd).unwrap();
            both
        };
        let down = || Err(Unavailable::new("ask", "down").into());
        let providers = [named("first", [Ok(two(5)), down()]), named("second", [Ok(snapshot(7))])];
        let mut changed = vec![];
        for at in 0..2 {
            let events = vec![event(&trade("0xa", 1 + at), Status::Observed)];
            let mut follower = Follower::new(Script { events, at: None, gained: false });
            // Each time the wallet trades anew; the script is a partition of its own, so positions are of no account.
            while !matches!(
                follower.step(&Unpositioned(store), &Tracking::All, &rules(), &clock).await.unwrap(),
                Followed::Lost(_)
            ) {}
            clock.0.fetch_add(1_000, Ordering::Relaxed);
            match refresh(store, &providers, &rules(), &clock).await.unwrap() {
                Refreshed::Replaced { changes, fallbacks, .. } => {
                    let moved = |c: &portfolio_domain::BalanceChange| format!("{} {}->{}", c.asset, c.before, c.after);
                    changed.push((fallbacks, changes.iter().map(moved).collect::<Vec<_>>()));
                }
                other => panic!("{other:?}"),
            }
        }
        let first = vec!["coin 0->5".to_owned(), "usd 0->9".to_owned()];
        let second = vec!["coin 5->7".to_owned(), "usd 9->0".to_owned()];
        assert_eq!(changed, [(0, first), (1, second)], "what differs from what was shown");
        let of = |balances: Vec<Balance>| balances.iter().map(|b| format!("{} {}", b.asset, b.raw)).collect::<Vec<_>>();
        assert_eq!(of(store.balances(&wallet, "first").await.unwrap()), ["coin 5", "usd 9"], "its rows stand");
        assert_eq!(of(store.shown(&wallet).await.unwrap()), ["coin 7"]);
        if let Some(fresh) = fresh {
            fresh.remove().await;
        }
    }
}

/// Three wallets trade; the one that is first is asked for, and whoever overtakes it is too, once it does.
#[tokio::test]
async fn of_the_first_by_volume_balances_are_asked_for() {
    let valued = |trader: &str, height: u64, dollars: &str| {
        let mut one = trade(trader, height);
        let notional = tape::Usd::parse(dollars).unwrap();
        one.valuation = Some(tape::Valuation { notional, fee: None, source: "test".to_owned() });
        event(&one, Status::Observed)
    };
    for fresh in stores::fresh().await {
        let (store, clock) = (&fresh.store, Hand::default());
        // Read in batches of two: who is first is found after each.
        let events = vec![
            valued("0xa", 1, "5"),
            valued("0xb", 2, "7"),
            valued("0xa", 3, "1"),
            valued("0xc", 4, "1"),
            valued("0xc", 5, "6.01"),
            valued("0xb", 6, "0"),
        ];
        let mut follower = Follower::new(Script { events, at: None, gained: false });
        while !matches!(follower.step(store, &Tracking::Top(1), &rules(), &clock).await.unwrap(), Followed::Lost(_)) {}
        let mut asked = vec![];
        while let Taken::Job(job) = store.take(1_000, 50).await.unwrap() {
            asked.push(job.wallet.address.to_string());
        }
        assert_eq!(asked, ["0xc", "0xb"], "{}: newest trader first, 0xa never led", fresh.name);
        assert_eq!(store.nets(&Wallet::new("mock", "0xa")).await.unwrap().len(), 2, "{}", fresh.name);
        fresh.remove().await;
    }
}

/// A ledger that is always at its beginning.
struct Unpositioned<'a>(&'a Store);

impl Ledger for Unpositioned<'_> {
    async fn position(&self, _: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(None)
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
        self.0.known(wallets, trades).await
    }

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        self.0.standings(wallets, most).await
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let from = self.0.position(&step.partition).await?;
        self.0.commit(&Step { from, ..step.clone() }).await
    }
}
