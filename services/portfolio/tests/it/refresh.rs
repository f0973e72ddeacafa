//! Refreshing on real stores: retries, giving up, and a fallback between providers.

use crate::feed::{ManualClock, ScriptedFeed, rules};
use crate::stores;
use crate::trades::{event, trade};
use portfolio::store::Store;
use portfolio_domain::{
    Balance, Circuits, Clock, Committed, Decoration, Followed, Follower, Holdings, KnownBefore, Ledger, Provider,
    ProviderError, Refreshed, Snapshot, Step, Tracking, VolumeRanking, Wallet, refresh_next,
};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Partition, Raw, Status, Unavailable};

/// A provider with a list of results.
struct ScriptedProvider(&'static str, Mutex<VecDeque<Result<Snapshot, ProviderError>>>);

impl Provider for ScriptedProvider {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn snapshot(&self, _: &Wallet) -> Result<Snapshot, ProviderError> {
        self.1.lock().unwrap().pop_front().unwrap()
    }
}

fn scripted(results: impl IntoIterator<Item = Result<Snapshot, ProviderError>>) -> ScriptedProvider {
    named("scripted", results)
}

fn named(name: &'static str, results: impl IntoIterator<Item = Result<Snapshot, ProviderError>>) -> ScriptedProvider {
    ScriptedProvider(name, Mutex::new(results.into_iter().collect()))
}

fn balance(asset: &str, raw: u64, decoration: Decoration) -> Balance {
    Balance { asset: asset.to_owned(), raw: Raw::from(raw), decoration, kept: false, price: None }
}

fn snapshot(raw: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.add(balance("coin", raw, Decoration::default()));
    snapshot
}

async fn waiting_wallet() -> Store {
    let store = Store::Memory(std::sync::Arc::default());
    let events = vec![event(&trade("0xa", 1), Status::Observed)];
    let mut follower = Follower::new(ScriptedFeed::new(events));
    let clock = ManualClock::default();
    while !matches!(follower.step(&store, &Tracking::All, &rules(), &clock).await.unwrap(), Followed::Lost(_)) {}
    store
}

#[tokio::test]
async fn a_failing_provider_is_retried_after_growing_waits() {
    let store = waiting_wallet().await;
    let down = || Err(Unavailable::new("ask", "down").into());
    let limited = Err(ProviderError::Limited { after_ms: 60_000 });
    let denied = Err(ProviderError::Denied("no".to_owned()));
    let provider = scripted([down(), down(), limited, denied, down(), Ok(snapshot(5))]);
    let circuits = Circuits::default();
    let clock = ManualClock(AtomicU64::new(10));
    let first = rules().first_retry_ms;
    for expected in [first, 2 * first, 60_000 + first, rules().refused_retry_ms, 8 * first] {
        match refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap() {
            Refreshed::Postponed { wait_ms, .. } => assert_eq!(wait_ms, expected),
            other => panic!("{other:?}"),
        }
        let early = refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap();
        let soon = clock.now_ms() + expected;
        assert!(matches!(early, Refreshed::Idle { next_due: Some(due) } if (clock.now_ms()..=soon).contains(&due)));
        clock.0.fetch_add(expected, Ordering::Relaxed);
    }
    match refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap() {
        Refreshed::Replaced { changes, .. } => assert_eq!(changes.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap(),
        Refreshed::Idle { next_due: None }
    ));
}

#[tokio::test]
async fn a_wallet_that_fails_for_good_is_given_up_until_it_trades_again() {
    let (store, circuits) = (waiting_wallet().await, Circuits::default());
    let provider = scripted([Err(ProviderError::Rejected("no such wallet".to_owned()))]);
    let clock = ManualClock(AtomicU64::new(10));
    assert!(matches!(
        refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap(),
        Refreshed::GivenUp { .. }
    ));
}

#[tokio::test]
async fn a_wallet_that_always_fails_is_asked_for_ever_more_rarely() {
    let (store, circuits) = (waiting_wallet().await, Circuits::default());
    let provider = scripted((0..20).map(|_| Err(ProviderError::Malformed("nonsense".to_owned()))));
    let clock = ManualClock(AtomicU64::new(10));
    let mut last_wait = 0;
    for attempt in 1..=20 {
        let refreshed =
            refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap();
        let Refreshed::Postponed { wait_ms, .. } = refreshed else { panic!("{attempt}: {refreshed:?}") };
        assert!(wait_ms == (2 * last_wait).clamp(rules().first_retry_ms, rules().max_retry_ms), "{attempt}: {wait_ms}");
        last_wait = wait_ms;
        clock.0.fetch_add(wait_ms, Ordering::Relaxed);
    }
    assert_eq!(last_wait, rules().max_retry_ms);
    assert_eq!(store.balances_from(&Wallet::new("mock", "0xa"), "scripted").await.unwrap(), []);
}

/// The wallet traded at height 1; two snapshots are of height 0.
#[tokio::test]
async fn a_snapshot_below_the_newest_trade_is_shown_and_asked_for_again() {
    let (store, circuits) = (waiting_wallet().await, Circuits::default());
    let of_height = |raw, as_of| {
        let mut snapshot = snapshot(raw);
        snapshot.as_of = as_of;
        Ok(snapshot)
    };
    let provider = scripted([of_height(3, Some(0)), of_height(4, Some(0)), of_height(5, Some(1))]);
    let clock = ManualClock(AtomicU64::new(10));
    for (raw, late, wait_ms) in [(3, true, 30_000), (4, true, 120_000), (5, false, 0)] {
        let refreshed =
            refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap();
        assert!(matches!(refreshed, Refreshed::Replaced { is_late, .. } if is_late == late), "{raw}: {refreshed:?}");
        let shown = store.shown(&Wallet::new("mock", "0xa")).await.unwrap().balances;
        assert_eq!(shown[0].raw, Raw::from(raw));
        let expected = late.then(|| clock.now_ms() + wait_ms);
        let idle = refresh_next(&store, std::slice::from_ref(&provider), &circuits, &rules(), &clock).await.unwrap();
        assert!(matches!(idle, Refreshed::Idle { next_due } if next_due == expected), "{raw}: {idle:?}");
        clock.0.fetch_add(wait_ms, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_fallback_does_not_change_the_balances_of_the_first_provider() {
    for fresh in stores::fresh().await.into_iter().map(Some).chain([None]) {
        let memory = Store::Memory(std::sync::Arc::default());
        let store = fresh.as_ref().map_or(&memory, |fresh| &fresh.store);
        let wallet = Wallet::new("mock", "0xa");
        let clock = ManualClock(AtomicU64::new(10));
        let two = |coin: u64| {
            let mut both = snapshot(coin);
            both.add(balance("usd", 9, Decoration { spam: Some(true), ..Decoration::default() }));
            both
        };
        let down = || Err(Unavailable::new("ask", "down").into());
        let providers = [named("first", [Ok(two(5)), down()]), named("second", [Ok(snapshot(7))])];
        let mut replaced = vec![];
        for at in 0..2 {
            let events = vec![event(&trade("0xa", 1 + at), Status::Observed)];
            let mut follower = Follower::new(ScriptedFeed::new(events));
            // The wallet trades anew each time; each feed is a partition of its own, so the positions do not matter.
            while !matches!(
                follower.step(&WithoutPositions(store), &Tracking::All, &rules(), &clock).await.unwrap(),
                Followed::Lost(_)
            ) {}
            clock.0.fetch_add(1_000, Ordering::Relaxed);
            match refresh_next(store, &providers, &Circuits::default(), &rules(), &clock).await.unwrap() {
                Refreshed::Replaced { changes, failed_before, .. } => {
                    let text = |c: &portfolio_domain::BalanceChange| format!("{} {}->{}", c.asset, c.before, c.after);
                    replaced.push((failed_before, changes.iter().map(text).collect::<Vec<_>>()));
                }
                other => panic!("{other:?}"),
            }
        }
        let first = vec!["coin 0->5".to_owned(), "usd 0->9".to_owned()];
        let second = vec!["coin 5->7".to_owned(), "usd 9->0".to_owned()];
        assert_eq!(replaced, [(0, first), (1, second)], "changes are relative to what was shown");
        let texts =
            |balances: Vec<Balance>| balances.iter().map(|b| format!("{} {}", b.asset, b.raw)).collect::<Vec<_>>();
        assert_eq!(
            texts(store.balances_from(&wallet, "first").await.unwrap()),
            ["coin 5", "usd 9"],
            "the first provider's balances stay"
        );
        assert_eq!(texts(store.shown(&wallet).await.unwrap().balances), ["coin 7"]);
        if let Some(fresh) = fresh {
            fresh.remove().await;
        }
    }
}

/// The first provider calls an asset spam; then it fails, and the second tells another ticker and nothing of spam.
#[tokio::test]
async fn a_fallback_forgets_nothing_and_what_is_said_anew_is_a_change() {
    for fresh in stores::fresh().await {
        let (store, clock) = (&fresh.store, ManualClock(AtomicU64::new(10)));
        let said = |symbol: &str, spam| {
            let decoration = Decoration { symbol: Some(symbol.to_owned()), spam, ..Decoration::default() };
            let mut snapshot = Snapshot::default();
            snapshot.add(balance("coin", 5, decoration));
            snapshot
        };
        let down = || Err(Unavailable::new("ask", "down").into());
        let first = [Ok(said("CLAIM", Some(true))), down(), Ok(said("CLAIM", Some(false)))];
        let providers = [named("first", first), named("second", [Ok(said("S", None))])];
        let mut told = vec![];
        for height in 1..=3 {
            let mut follower = Follower::new(ScriptedFeed::new(vec![event(&trade("0xa", height), Status::Observed)]));
            while !matches!(
                follower.step(&WithoutPositions(store), &Tracking::All, &rules(), &clock).await.unwrap(),
                Followed::Lost(_)
            ) {}
            clock.0.fetch_add(1_000, Ordering::Relaxed);
            let refreshed = refresh_next(store, &providers, &Circuits::default(), &rules(), &clock).await.unwrap();
            let Refreshed::Replaced { changes, .. } = refreshed else { panic!("{refreshed:?}") };
            let shown = store.shown(&Wallet::new("mock", "0xa")).await.unwrap().balances.remove(0).decoration;
            told.push((changes.len(), shown.symbol.unwrap_or_default(), shown.spam));
        }
        let expected = [(1, Some(true)), (0, Some(true)), (1, Some(false))];
        assert_eq!(told, expected.map(|(changes, spam)| (changes, "CLAIM".to_owned(), spam)), "{}", fresh.name);
        fresh.remove().await;
    }
}

/// A ledger whose reader always starts at the beginning.
struct WithoutPositions<'a>(&'a Store);

impl Ledger for WithoutPositions<'_> {
    async fn position(&self, _: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(None)
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        self.0.known_before(wallets, trades).await
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        self.0.volume_ranking(wallets, limit).await
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let from = self.0.position(&step.partition).await?;
        self.0.commit(&Step { from, ..step.clone() }).await
    }
}
