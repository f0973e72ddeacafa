//! Following on real stores: a ledger that fails at any call, and the tracking policy `top:N`.

use crate::feed::{ManualClock, ScriptedFeed, rules};
use crate::stores;
use crate::trades::{event, trade};
use portfolio::store::Store;
use portfolio_domain::{
    Committed, Followed, Follower, Holdings, KnownBefore, Ledger, Queue, Step, Taken, Tracking, VolumeRanking, Wallet,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Event, Partition, Status, Unavailable};

/// A ledger that fails at each call whose bit is set in `faults`, before or after doing what was asked.
struct FailingLedger<'a> {
    store: &'a Store,
    faults: u64,
    calls: AtomicU64,
}

impl FailingLedger<'_> {
    fn is_faulty(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        call < 64 && self.faults >> call & 1 == 1
    }

    fn fail<T>() -> Result<T, Unavailable> {
        Err(Unavailable::new("reach the store", "torn cable"))
    }
}

impl Ledger for FailingLedger<'_> {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        if self.is_faulty() { Self::fail() } else { self.store.position(partition).await }
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        if self.is_faulty() { Self::fail() } else { self.store.known_before(wallets, trades).await }
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        if self.is_faulty() { Self::fail() } else { self.store.volume_ranking(wallets, limit).await }
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        if self.is_faulty() {
            return Self::fail();
        }
        let committed = self.store.commit(step).await?;
        // The step is stored, but the reader gets an error: it cannot know the outcome.
        if self.is_faulty() { Self::fail() } else { Ok(committed) }
    }
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
async fn check_nets(store: &Store, faults: u64) {
    let ledger = FailingLedger { store, faults, calls: AtomicU64::new(0) };
    let mut follower = Follower::new(ScriptedFeed::new(history()));
    let mut failures = 0;
    loop {
        match follower.step(&ledger, &Tracking::All, &rules(), &ManualClock::default()).await {
            Ok(Followed::Lost(_)) => break,
            Ok(_) => {}
            Err(_) => failures += 1,
        }
        assert!(failures <= 64, "following comes to an end");
    }
    let nets = store.nets(&Wallet::new("mock", "0xa")).await.unwrap();
    let nets: Vec<_> = nets.iter().map(|net| (net.asset.as_str(), i64::try_from(&net.raw).unwrap())).collect();
    assert_eq!(nets, [("coin", 16), ("usd", -40)], "faults {faults:b}");
}

#[tokio::test]
async fn each_trade_counts_once_whichever_calls_fail() {
    for faults in 0..(1 << 10) {
        check_nets(&Store::Memory(std::sync::Arc::default()), faults).await;
    }
    for fresh in stores::fresh().await {
        check_nets(&fresh.store, 0b1010_0110_1001_0101).await;
        fresh.remove().await;
    }
}

/// Three wallets trade; the first by volume is put into the queue, and so is one that overtakes it.
#[tokio::test]
async fn with_top_n_only_leaders_are_put_into_the_queue() {
    let valued = |trader: &str, height: u64, dollars: &str| {
        let mut one = trade(trader, height);
        let notional = tape::Usd::parse(dollars).unwrap();
        one.valuation = Some(tape::Valuation { notional, fee: None, source: "test".to_owned() });
        event(&one, Status::Observed)
    };
    for fresh in stores::fresh().await {
        let (store, clock) = (&fresh.store, ManualClock::default());
        // The feed has batches of two events; the ranking is computed after each.
        let events = vec![
            valued("0xa", 1, "5"),
            valued("0xb", 2, "7"),
            valued("0xa", 3, "1"),
            valued("0xc", 4, "1"),
            valued("0xc", 5, "6.01"),
            valued("0xb", 6, "0"),
        ];
        let mut follower = Follower::new(ScriptedFeed::new(events));
        while !matches!(follower.step(store, &Tracking::Top(1), &rules(), &clock).await.unwrap(), Followed::Lost(_)) {}
        let mut queued = vec![];
        while let Taken::Job(job) = store.take(1_000, 50, &[]).await.unwrap() {
            queued.push(job.wallet.address.to_string());
        }
        assert_eq!(queued, ["0xc", "0xb"], "{}: the newest trader is first; 0xa was never a leader", fresh.name);
        assert_eq!(store.nets(&Wallet::new("mock", "0xa")).await.unwrap().len(), 2, "{}", fresh.name);
        fresh.remove().await;
    }
}
