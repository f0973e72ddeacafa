//! The tests of the store's ports, run on memory, SQLite and PostgreSQL.

use crate::stores;
use num_bigint::BigInt;
use portfolio::store::Store;
use portfolio_domain::{
    Balance, Committed, Decoration, Failure, Holdings, Job, Ledger, NetChange, Postponement, Queue, Refresh, Replaced,
    Snapshot, Step, Taken, TouchedWallet, Wallet, WalletFacts, balance_changes,
};
use std::collections::HashSet;
use tape::{Partition, Raw};
use tape_log::guard::{KnownPartition, NotedPartition, TapeMemory};
use wire::v1::portfolio::PortfolioUpdated;

fn partition() -> Partition {
    Partition { topic: "trades.executed.v1".into(), index: 3 }
}

fn wallet(address: &str) -> Wallet {
    Wallet::new("mock", address)
}

fn net(address: &str, asset: &str, delta: BigInt) -> NetChange {
    let (wallet, asset) = (wallet(address), asset.to_owned());
    NetChange { wallet, asset, symbol: Some("SYM".to_owned()), decimals: Some(6), delta }
}

/// A step that touches these wallets at these times.
fn step(from: Option<u64>, next: u64, touched: &[(&str, u64)]) -> Step {
    let touch = |&(address, last_trade_at): &(&str, u64)| TouchedWallet {
        wallet: wallet(address),
        last_trade_at,
        last_trade_height: last_trade_at,
    };
    let facts = WalletFacts { touched: touched.iter().map(touch).collect(), ..WalletFacts::default() };
    Step { partition: partition(), from, next, companions: vec![], facts, due_at: 100, max_queued: 1000 }
}

async fn job(store: &Store, now: u64) -> Job {
    match store.take(now, 50, &[]).await.unwrap() {
        Taken::Job(job) => job,
        Taken::Idle { next_due } => panic!("nothing is due at {now}, but at {next_due:?}"),
    }
}

fn balance(asset: &str, raw: Raw) -> Balance {
    let decoration = Decoration {
        symbol: Some("SYM".to_owned()),
        decimals: Some(18),
        spam: (asset != "unknown").then_some(asset == "spam"),
        verified: (asset == "verified").then_some(true),
    };
    Balance { asset: asset.to_owned(), raw, decoration, kept: false, price: None }
}

async fn refresh(store: &Store, job: Job, provider: &'static str, taken_at: u64, rows: &[(&str, u64)]) -> Refresh {
    let mut snapshot = Snapshot::default();
    for (asset, raw) in rows {
        snapshot.add(balance(asset, Raw::from(*raw)));
    }
    let before = store.balances_from(&job.wallet, provider).await.unwrap();
    let changes = balance_changes(&before, &snapshot);
    let again_at = taken_at + 100;
    Refresh { job, provider, taken_at, snapshot, changes, is_completeness_news: false, late_again_at: None, again_at }
}

async fn held(store: &Store, wallet: &Wallet, provider: &str) -> Vec<(String, u64)> {
    let rows = store.balances_from(wallet, provider).await.unwrap();
    rows.into_iter().map(|row| (row.asset, row.raw.to())).collect()
}

fn rows(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|&(asset, raw)| (asset.to_owned(), raw)).collect()
}

#[tokio::test]
async fn a_step_counts_once_whoever_commits_it() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        assert_eq!(store.position(&partition()).await.unwrap(), None, "{name}");
        let mut first = step(None, 5, &[("0xa", 1)]);
        first.facts.arrived = vec!["t1".to_owned(), "t2".to_owned()];
        first.facts.nets = vec![net("0xa", "coin", 4.into()), net("0xa", "usd", (-10).into())];
        let done = Committed::Done { dropped: 0 };
        assert_eq!(store.commit(&first).await.unwrap(), done, "{name}");
        assert_eq!(store.commit(&first).await.unwrap(), Committed::Moved, "{name}: committed again");
        let stale = Step { from: Some(4), next: 9, ..first.clone() };
        assert_eq!(store.commit(&stale).await.unwrap(), Committed::Moved, "{name}: from another position");
        let mut second = step(Some(5), 6, &[("0xa", 2)]);
        second.facts.gone = vec!["t2".to_owned()];
        // Far beyond what a float or 128 bits hold.
        let large: BigInt =
            "-115792089237316195423570985008687907853269984665640564039457584007913129639935".parse().unwrap();
        second.facts.nets = vec![net("0xa", "coin", large.clone())];
        assert_eq!(store.commit(&second).await.unwrap(), done, "{name}");
        assert_eq!(store.position(&partition()).await.unwrap(), Some(6), "{name}");
        let nets = store.nets(&wallet("0xa")).await.unwrap();
        let sums: Vec<_> = nets.into_iter().map(|net| (net.asset, net.raw, net.decimals)).collect();
        let expected = [("coin", large + 4), ("usd", (-10).into())].map(|(a, raw)| (a.to_owned(), raw, Some(6)));
        assert_eq!(sums, expected, "{name}");
        let wallets = [wallet("0xa"), wallet("0xb"), Wallet::new("other", "0xa")];
        let known = store.known_before(&wallets, &["t1", "t2", "t3"].map(str::to_owned)).await.unwrap();
        assert_eq!(known.tracked, HashSet::from([wallet("0xa")]), "{name}");
        assert_eq!(known.live, HashSet::from(["t1".to_owned()]), "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_store_knows_the_tape_of_its_positions() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 7, &[])).await.unwrap();
        let known = |tape: Option<&str>, first, next| {
            vec![KnownPartition { partition: partition(), tape: tape.map(str::to_owned), first, next }]
        };
        assert_eq!(store.known_partitions().await.unwrap(), known(None, 0, Some(7)), "{name}");
        let noted = |tape: &str, first| [NotedPartition { partition: partition(), tape: tape.into(), first }];
        store.note_partitions(&noted("a", 0)).await.unwrap();
        assert_eq!(store.known_partitions().await.unwrap(), known(Some("a"), 0, Some(7)), "{name}");
        store.adopt_partitions(&noted("b", 3), &[partition()]).await.unwrap();
        assert_eq!(store.known_partitions().await.unwrap(), known(Some("b"), 3, None), "{name}");
        assert_eq!(store.position(&partition()).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn a_step_builds_on_the_positions_of_all_topics_with_its_index() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        let done = Committed::Done { dropped: 0 };
        assert_eq!(store.commit(&step(None, 3, &[])).await.unwrap(), done, "{name}");
        let history = Partition { topic: "trades.history.v1".into(), ..partition() };
        let blind = Step { partition: history.clone(), ..step(None, 7, &[]) };
        assert_eq!(store.commit(&blind).await.unwrap(), Committed::Moved, "{name}: the live topic was read meanwhile");
        let aware = Step { companions: vec![(partition(), 3)], ..blind };
        assert_eq!(store.commit(&aware).await.unwrap(), done, "{name}");
        let stale = step(Some(3), 4, &[("0xa", 1)]);
        assert_eq!(store.commit(&stale).await.unwrap(), Committed::Moved, "{name}: history was read meanwhile");
        assert_eq!(store.position(&partition()).await.unwrap(), Some(3), "{name}");
        let fresh_step = Step { companions: vec![(history, 7)], ..stale };
        assert_eq!(store.commit(&fresh_step).await.unwrap(), done, "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn volumes_and_nets_are_kept_of_wallets_that_are_not_refreshed() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        let mut first = step(None, 1, &[]);
        first.facts.arrived = vec!["t1".to_owned()];
        first.facts.nets = vec![net("0xb", "coin", 4.into())];
        first.facts.volumes =
            [("0xa", 700), ("0xb", 900), ("0xc", 900), ("0xd", 0)].map(|(a, c)| (wallet(a), c)).into();
        store.commit(&first).await.unwrap();
        assert_eq!(
            store.take(1000, 50, &[]).await.unwrap(),
            Taken::Idle { next_due: None },
            "{name}: the queue is empty"
        );
        assert_eq!(store.nets(&wallet("0xb")).await.unwrap().len(), 1, "{name}");
        let mut second = step(Some(1), 2, &[]);
        second.facts.gone = vec!["t1".to_owned()];
        second.facts.volumes = vec![(wallet("0xb"), 100)];
        store.commit(&second).await.unwrap();
        let ranking = store.volume_ranking(&[wallet("0xb"), wallet("0xz")], 2).await.unwrap();
        assert_eq!(ranking.volumes, [(wallet("0xb"), 100)].into(), "{name}");
        assert_eq!(ranking.leaders, [(wallet("0xc"), 900), (wallet("0xa"), 700)], "{name}");
        assert!(store.known_before(&[], &["t1".to_owned()]).await.unwrap().live.is_empty(), "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_wallet_waits_once_and_the_newest_trader_is_next() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 7), ("0xb", 3)])).await.unwrap();
        store.commit(&step(Some(1), 2, &[("0xb", 9)])).await.unwrap();
        assert_eq!(
            store.take(99, 50, &[]).await.unwrap(),
            Taken::Idle { next_due: Some(100) },
            "{name}: the wallets wait"
        );
        let first = job(store, 100).await;
        assert_eq!((&first.wallet, first.generation), (&wallet("0xb"), 2), "{name}");
        let second = job(store, 100).await;
        assert_eq!(second.wallet, wallet("0xa"), "{name}");
        assert_eq!(
            store.take(100, 50, &[]).await.unwrap(),
            Taken::Idle { next_due: Some(150) },
            "{name}: all are leased"
        );
        let unasked = |due_at, attempts| Postponement { due_at, attempts, late: 0, asked_at: None, failure: None };
        store.postpone(&second, &unasked(300, 4)).await.unwrap();
        let again = job(store, 150).await;
        assert_eq!(again.wallet, wallet("0xb"), "{name}: its lease ran out");
        store.abandon(&first, Failure::WalletRejected).await.unwrap();
        store.postpone(&first, &unasked(1, 1)).await.unwrap();
        assert_eq!(
            store.take(151, 50, &[]).await.unwrap(),
            Taken::Idle { next_due: Some(200) },
            "{name}: leased to another worker"
        );
        store.abandon(&again, Failure::WalletRejected).await.unwrap();
        assert_eq!(store.take(299, 50, &[]).await.unwrap(), Taken::Idle { next_due: Some(300) }, "{name}: given up");
        let third = job(store, 300).await;
        assert_eq!((third.wallet, third.attempts), (wallet("0xa"), 4), "{name}");
        fresh.remove().await;
    }
}

/// A step that touches wallets of any network: `network/address` at a time.
fn step_of_networks(from: Option<u64>, next: u64, touched: &[(&str, u64)]) -> Step {
    let mut step = step(from, next, &[]);
    let touch = |&(name, last_trade_at): &(&str, u64)| {
        let (chain, address) = name.split_once('/').unwrap();
        TouchedWallet { wallet: Wallet::new(chain, address), last_trade_at, last_trade_height: last_trade_at }
    };
    step.facts.touched = touched.iter().map(touch).collect();
    step
}

#[tokio::test]
async fn networks_take_turns_and_those_that_rest_are_passed_over() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        let touched = [("a/1", 9), ("a/2", 8), ("a/3", 7), ("b/1", 2), ("c/1", 1)];
        store.commit(&step_of_networks(None, 1, &touched)).await.unwrap();
        let resting = ["c".into()];
        let mut taken = vec![];
        while let Taken::Job(job) = store.take(100, 50, &resting).await.unwrap() {
            taken.push(job.wallet.to_string());
        }
        assert_eq!(taken, ["a/1", "b/1", "a/2", "a/3"], "{name}");
        let all = ["a".into(), "b".into(), "c".into()];
        assert_eq!(store.take(100, 50, &all).await.unwrap(), Taken::Idle { next_due: None }, "{name}: all rest");
        assert_eq!(job(store, 100).await.wallet, Wallet::new("c", "1"), "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn wallets_that_were_never_asked_for_come_first_and_those_that_failed_last() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("failed", 9), ("told", 8), ("limited", 7), ("old", 6)])).await.unwrap();
        let [failed, told, limited, old] =
            [job(store, 100).await, job(store, 100).await, job(store, 100).await, job(store, 100).await];
        let to = |due_at, asked_at: Option<u64>| {
            let failure = asked_at.map(|_| Failure::Unavailable);
            Postponement { due_at, attempts: u32::from(asked_at.is_some()), late: 0, asked_at, failure }
        };
        store.postpone(&failed, &to(200, Some(101))).await.unwrap();
        store.postpone(&limited, &to(200, None)).await.unwrap();
        for (job, taken_at) in [(told, 103), (old, 102)] {
            let refresh = refresh(store, job, "mock", taken_at, &[("coin", 1)]).await;
            store.replace(&refresh).await.unwrap();
        }
        store.commit(&step(Some(1), 2, &[("told", 20), ("old", 19), ("new", 1)])).await.unwrap();
        let mut taken = vec![];
        while let Taken::Job(job) = store.take(200, 50, &[]).await.unwrap() {
            taken.push(job.wallet.address.to_string());
        }
        assert_eq!(taken, ["limited", "new", "old", "told", "failed"], "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_wallet_whose_snapshot_is_late_waits_again_until_it_trades() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 7)])).await.unwrap();
        let first = job(store, 100).await;
        assert_eq!((first.last_trade_height, first.late), (7, 0), "{name}");
        let mut late = refresh(store, first, "mock", 100, &[("coin", 1)]).await;
        (late.snapshot.as_of, late.late_again_at) = (Some(6), Some(30_100));
        store.replace(&late).await.unwrap();
        let told = store.outgoing(1).await.unwrap().remove(0).message.payload;
        assert_eq!(wire::v1::portfolio::decode(&told).unwrap().as_of, Some(6), "{name}");
        assert_eq!(store.take(30_099, 50, &[]).await.unwrap(), Taken::Idle { next_due: Some(30_100) }, "{name}");
        let second = job(store, 30_100).await;
        assert_eq!((second.last_trade_height, second.late), (7, 1), "{name}");
        let to = Postponement { due_at: 99_999, attempts: 0, late: 2, asked_at: None, failure: None };
        store.postpone(&second, &to).await.unwrap();
        // A trade makes it due as ever, and begins anew.
        store.commit(&step(Some(1), 2, &[("0xa", 9)])).await.unwrap();
        let third = job(store, 100).await;
        assert_eq!((third.last_trade_height, third.late), (9, 0), "{name}");
        let done = refresh(store, third, "mock", 200, &[("coin", 2)]).await;
        store.replace(&done).await.unwrap();
        assert_eq!(store.take(999_999, 50, &[]).await.unwrap(), Taken::Idle { next_due: None }, "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_full_queue_drops_those_that_traded_longest_ago() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        let of_two = |step: Step| Step { max_queued: 2, ..step };
        store.commit(&of_two(step(None, 1, &[("0xa", 1), ("0xb", 2)]))).await.unwrap();
        let committed = store.commit(&of_two(step(Some(1), 2, &[("0xa", 5), ("0xc", 4), ("0xd", 3)]))).await.unwrap();
        assert_eq!(committed, Committed::Done { dropped: 2 }, "{name}");
        let taken = [job(store, 100).await.wallet, job(store, 100).await.wallet];
        assert_eq!(taken, [wallet("0xa"), wallet("0xc")], "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_snapshot_replaces_its_providers_balances_and_publishes_the_changes() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 1)])).await.unwrap();
        let first = refresh(store, job(store, 100).await, "mock", 100, &[("coin", 4), ("spam", 1)]).await;
        assert_eq!(store.replace(&first).await.unwrap(), Replaced::Done, "{name}");
        assert_eq!(store.replace(&first).await.unwrap(), Replaced::Lost, "{name}: the job is ended");
        assert_eq!(store.take(9999, 50, &[]).await.unwrap(), Taken::Idle { next_due: None }, "{name}");

        store.commit(&step(Some(1), 2, &[("0xa", 2)])).await.unwrap();
        let other = refresh(store, job(store, 200).await, "other", 200, &[("usd", 8)]).await;
        store.replace(&other).await.unwrap();
        assert_eq!(held(store, &wallet("0xa"), "mock").await, rows(&[("coin", 4), ("spam", 1)]), "{name}");

        store.commit(&step(Some(2), 3, &[("0xa", 3)])).await.unwrap();
        let last = refresh(store, job(store, 300).await, "mock", 300, &[("coin", 6)]).await;
        store.replace(&last).await.unwrap();
        assert_eq!(held(store, &wallet("0xa"), "mock").await, rows(&[("coin", 6), ("spam", 0)]), "{name}");
        assert_eq!(held(store, &wallet("0xa"), "other").await, rows(&[("usd", 8)]), "{name}");

        let outgoing = store.outgoing(10).await.unwrap();
        let updates: Vec<PortfolioUpdated> =
            outgoing.iter().map(|outgoing| wire::v1::portfolio::decode(&outgoing.message.payload).unwrap()).collect();
        assert_eq!(updates.iter().map(|update| update.taken_at).collect::<Vec<_>>(), [100, 200, 300], "{name}");
        let changes: Vec<_> = updates[2]
            .changes
            .iter()
            .map(|c| (c.asset.as_str(), c.before.as_str(), c.after.as_str(), c.spam))
            .collect();
        assert_eq!(changes, [("coin", "4", "6", Some(false)), ("spam", "1", "0", Some(true))], "{name}");
        assert_eq!(outgoing[2].message.key, "mock/0xa", "{name}");
        store.sent(&[outgoing[0].id, outgoing[1].id]).await.unwrap();
        let left = store.outgoing(10).await.unwrap();
        assert_eq!(left, outgoing[2..], "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_trade_during_a_refresh_makes_the_wallet_wait_again_and_a_lost_lease_changes_nothing() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 1)])).await.unwrap();
        let slow = job(store, 100).await;
        store.commit(&step(Some(1), 2, &[("0xa", 2)])).await.unwrap();
        let quick = job(store, 150).await;
        let late = refresh(store, slow, "mock", 100, &[("coin", 1)]).await;
        assert_eq!(store.replace(&late).await.unwrap(), Replaced::Lost, "{name}");
        assert_eq!(held(store, &wallet("0xa"), "mock").await, [], "{name}");
        assert_eq!(store.outgoing(10).await.unwrap(), [], "{name}");
        store.commit(&step(Some(2), 3, &[("0xa", 3)])).await.unwrap();
        let refresh = refresh(store, quick, "mock", 150, &[("coin", 2)]).await;
        assert_eq!(store.replace(&refresh).await.unwrap(), Replaced::Done, "{name}");
        assert_eq!(store.take(249, 50, &[]).await.unwrap(), Taken::Idle { next_due: Some(250) }, "{name}: waits again");
        assert_eq!(job(store, 250).await.generation, 3, "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn the_largest_amounts_and_the_longest_lists_are_stored_exactly() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 1)])).await.unwrap();
        let mut snapshot = Snapshot::default();
        snapshot.add(balance("all", Raw::MAX));
        for asset in ["unknown", "verified"] {
            snapshot.add(balance(asset, Raw::from(1)));
        }
        for number in 0..1500 {
            snapshot.add(balance(&format!("coin{number:04}"), Raw::from(number + 1)));
        }
        let changes = balance_changes(&[], &snapshot);
        let job = job(store, 100).await;
        let refresh = Refresh {
            job,
            provider: "mock",
            taken_at: 100,
            snapshot,
            changes,
            is_completeness_news: false,
            late_again_at: None,
            again_at: 0,
        };
        store.replace(&refresh).await.unwrap();
        let rows = store.balances_from(&wallet("0xa"), "mock").await.unwrap();
        assert!(rows.iter().eq(refresh.snapshot.balances()), "{name}");
        let outgoing = store.outgoing(10).await.unwrap();
        assert_eq!(outgoing.len(), 2, "{name}: split into messages that fit into a record");
        assert_ne!(outgoing[0].message.event_id, outgoing[1].message.event_id, "{name}");
        assert!(outgoing.iter().all(|outgoing| outgoing.message.payload.len() < 512 * 1024), "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn what_is_left_out_is_stored_with_the_balances_that_are_kept() {
    for fresh in stores::fresh().await {
        let (store, name) = (&fresh.store, fresh.name);
        store.commit(&step(None, 1, &[("0xa", 1)])).await.unwrap();
        let first = refresh(store, job(store, 100).await, "mock", 100, &[("broken", 4), ("coin", 1)]).await;
        store.replace(&first).await.unwrap();
        assert_eq!(store.shown(&wallet("0xa")).await.unwrap().left_out, None, "{name}");

        store.commit(&step(Some(1), 2, &[("0xa", 2)])).await.unwrap();
        let mut second = refresh(store, job(store, 200).await, "mock", 200, &[("coin", 1)]).await;
        second.snapshot.leave_out_balance("broken".to_owned(), "no answer".to_owned());
        second.snapshot.keep_untold(&store.shown(&wallet("0xa")).await.unwrap().balances);
        (second.changes, second.is_completeness_news) = (vec![], true);
        store.replace(&second).await.unwrap();
        let shown = store.shown(&wallet("0xa")).await.unwrap();
        assert_eq!(shown.left_out.as_ref(), second.snapshot.left_out(), "{name}");
        let kept: Vec<_> = shown.balances.iter().map(|one| (one.asset.as_str(), one.raw.to(), one.kept)).collect();
        assert_eq!(kept, [("broken", 4_u64, true), ("coin", 1, false)], "{name}");
        let drift = store.drift(&wallet("0xa")).await.unwrap();
        assert_eq!(drift.iter().map(|one| one.asset.as_str()).collect::<Vec<_>>(), ["coin"], "{name}");
        let outgoing = store.outgoing(10).await.unwrap();
        let told = wire::v1::portfolio::decode(&outgoing[1].message.payload).unwrap();
        assert_eq!((told.incomplete, told.left_out, told.changes.len()), (true, Some(1), 0), "{name}");

        store.commit(&step(Some(2), 3, &[("0xa", 3)])).await.unwrap();
        let third = refresh(store, job(store, 300).await, "mock", 300, &[("coin", 1)]).await;
        store.replace(&third).await.unwrap();
        let shown = store.shown(&wallet("0xa")).await.unwrap();
        assert_eq!(shown.left_out, None, "{name}");
        assert!(shown.balances.iter().all(|one| !one.kept), "{name}");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    for fresh in stores::fresh().await {
        let Some(database) = &fresh.database else { continue };
        fresh.store.commit(&step(None, 7, &[("0xa", 1)])).await.unwrap();
        let again = Store::open(database).await.unwrap();
        assert_eq!(again.position(&partition()).await.unwrap(), Some(7), "{}", fresh.name);
        assert_eq!(job(&again, 100).await.wallet, wallet("0xa"), "{}", fresh.name);
        drop(again);
        fresh.remove().await;
    }
}

#[tokio::test]
async fn two_workers_never_hold_the_same_wallet() {
    let Some(url) = stores::postgres_url() else {
        println!("skipped: DATABASE_URL names no server");
        return;
    };
    let fresh = stores::postgres(&url).await;
    let addresses: Vec<String> = (0..40).map(|number| format!("0x{number}")).collect();
    let touched: Vec<(&str, u64)> = addresses.iter().map(|address| (address.as_str(), 1)).collect();
    fresh.store.commit(&step(None, 1, &touched)).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = fresh.store.clone();
        workers.spawn(async move {
            let mut taken = vec![];
            while let Taken::Job(job) = store.take(100, 50_000, &[]).await.unwrap() {
                taken.push(job.wallet);
            }
            taken
        });
    }
    let taken: Vec<Wallet> = workers.join_all().await.into_iter().flatten().collect();
    let distinct: HashSet<&Wallet> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (40, 40));
    fresh.remove().await;
}
