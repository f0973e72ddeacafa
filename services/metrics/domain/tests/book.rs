//! Whatever comes, goes, repeats or arrives late, in whatever batches: the book is the fold of what is present.
#![expect(clippy::unwrap_used, reason = "tests")]

use metrics_domain::memory::{Kept, Memory};
use metrics_domain::{Book, BookKey, Dollars, Entry, FeeKey, FeeMove, Limits, Quantity, Totals, UserKey, follow};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tape::{
    Batch, BlockId, BlockRef, Delivery, Detector, Event, Feed, Raw, Share, Side, Start, Status, Trade, Trader,
    Transaction, Unavailable, Usd, Valuation,
};

/// What may be random about a trade.
#[derive(Clone, Debug)]
struct Sketch {
    user: u8,
    chain: u8,
    height: u64,
    index: u32,
    branch: u8,
    cycle: bool,
    sold: (u8, u32),
    bought: (u8, u32),
    notional: Option<u32>,
    fee: Option<u32>,
    platform: bool,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let who = (0..2_u8, 0..2_u8, 0..5_u64, 0..3_u32, 0..2_u8, prop::bool::weighted(0.1));
    let what = ((0..4_u8, 0..20_u32), (0..4_u8, 0..20_u32), prop::option::weighted(0.8, 0..1_000_u32));
    let rest = (prop::option::weighted(0.3, 0..9_u32), any::<bool>());
    (who, what, rest).prop_map(
        |((user, chain, height, index, branch, cycle), (sold, bought, notional), (fee, platform))| Sketch {
            user,
            chain,
            height,
            index,
            branch,
            cycle,
            sold,
            bought,
            notional,
            fee,
            platform,
        },
    )
}

/// Assets 0 and 1 are cash. `again` is the same trade, valued differently by a newer detector.
fn trade(sketch: &Sketch, number: usize, again: bool) -> Trade {
    let side = |(asset, raw): (u8, u32)| Side {
        asset: format!("asset{asset}"),
        raw: Raw::from(raw),
        decimals: Some(6),
        symbol: Some(format!("A{asset}")),
        quote: asset < 2,
    };
    let worth = |n: u32| Usd(Usd::ONE.0 * i128::from(n) / 7 + i128::from(again));
    Trade {
        kind: if sketch.cycle { Trade::CYCLE } else { Trade::SWAP }.to_owned(),
        chain: format!("chain{}", sketch.chain).into(),
        network: "network".into(),
        block: BlockRef {
            id: BlockId { height: sketch.height, hash: format!("block{}-{}", sketch.height, sketch.branch).into() },
            timestamp_ms: sketch.height * 50_000_000,
        },
        transaction: Transaction {
            hash: format!("tx{number}").into(),
            index: sketch.index,
            from: "sender".to_owned(),
            to: None,
        },
        ordinal: 0,
        trader: Trader { address: format!("user{}", sketch.user), evidence: "tx-sender".to_owned() },
        sold: side(sketch.sold),
        bought: side(((sketch.bought.0 + u8::from(again)) % 4, sketch.bought.1)),
        legs: vec![],
        fees: vec![],
        platform: sketch.platform.then(|| "shop".to_owned()),
        valuation: sketch.notional.map(|notional| Valuation {
            notional: worth(notional),
            fee: sketch.fee.map(worth),
            source: "stable-leg".to_owned(),
        }),
        detector: Arc::new(Detector { plugin: "p".into(), version: "1".into(), digest: "d".into() }),
    }
}

fn event(trade: Trade, present: bool, at: usize) -> Event {
    let status = if present { Status::Observed } else { Status::Reverted };
    Event { id: format!("chain/{at}/0"), status, trade }
}

/// Hands out what it is given, then waits for ever.
struct Script(VecDeque<Delivery>);

impl Feed for Script {
    async fn next(&mut self) -> Result<Delivery, Unavailable> {
        match self.0.pop_front() {
            Some(delivery) => Ok(delivery),
            None => pending().await,
        }
    }

    async fn seek(&mut self, _: &Share, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// Follows the script to its end; nothing in it waits, so one poll gets there.
fn run(script: Vec<Delivery>, store: &Memory, limits: Limits) {
    let mut story = pin!(follow(Script(script.into()), store, limits));
    assert!(story.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn share() -> Share {
    Share { log: "trades.executed.v1".into(), number: 7 }
}

fn batches(events: &[Event], cuts: &[usize]) -> Vec<Delivery> {
    let mut script = vec![Delivery::Gained(share())];
    let mut at = 0;
    for cut in cuts.iter().copied().chain([events.len()]) {
        let end = (at + cut).min(events.len());
        let part = (at..end).map(|position| (position as u64, events[position].clone())).collect();
        script.push(Delivery::Batch(Batch { share: share(), events: part, next: end as u64 }));
        at = end;
    }
    script
}

/// The trades present after these events, by the rule alone.
fn present(events: &[Event]) -> Vec<Trade> {
    let mut live = BTreeMap::new();
    for event in events {
        if event.status == Status::Reverted {
            live.remove(&event.trade.id());
        } else {
            live.entry(event.trade.id()).or_insert_with(|| event.trade.clone());
        }
    }
    let mut trades: Vec<Trade> = live.into_values().collect();
    trades.sort_by_key(|trade| (trade.place(), trade.id()));
    trades
}

/// A fold from nothing, written plainly.
fn from_scratch(trades: &[Trade]) -> Kept {
    let mut kept = Kept::default();
    for trade in trades {
        let entry = Entry::of(trade);
        let totals = &mut kept.users.entry(entry.user.clone()).or_default().totals;
        if entry.cycle {
            totals.cycles += 1;
            continue;
        }
        totals.swaps += 1;
        totals.unvalued += u64::from(entry.notional.is_none());
        totals.volume += entry.notional.as_ref().unwrap_or(&Dollars::ZERO);
        if let Some(fee) = &entry.fee {
            totals.fees += fee;
            let platform = entry.platform.clone().unwrap_or_default();
            let day = kept.fees.entry(FeeKey { user: entry.user.clone(), platform, day: entry.day() }).or_default();
            day.usd += fee;
            day.trades += 1;
        }
        for (lot, sale) in [(&entry.sold, true), (&entry.bought, false)] {
            let Some(key) = entry.book(lot) else { continue };
            let book = kept.books.entry(key).or_default();
            book.trades += 1;
            book.decorate(lot);
            if sale {
                let realized = book.holding.sell(&lot.raw, entry.notional.as_ref());
                book.realized.add(&realized);
                totals.realized.add(&realized);
            } else {
                book.holding.buy(&lot.raw, entry.notional.as_ref());
            }
        }
    }
    kept
}

type Figures = (BTreeMap<UserKey, Totals>, BTreeMap<BookKey, Book>, BTreeMap<FeeKey, FeeMove>);

/// All that is a function of the trades present.
fn figures(kept: Kept) -> Figures {
    let users = kept.users.into_iter().map(|(key, user)| (key, user.totals));
    (users.filter(|(_, totals)| *totals != Totals::default()).collect(), kept.books, kept.fees)
}

fn check(events: &[Event], cuts: &[usize], limits: Limits) {
    let store = Memory::default();
    run(batches(events, cuts), &store, limits);
    let kept = store.kept();
    let live: Vec<String> = present(events).iter().map(Trade::id).collect();
    let mut stored: Vec<_> =
        kept.trades.values().filter(|stored| stored.live).map(|stored| &stored.entry.order).collect();
    stored.sort();
    assert_eq!(stored.iter().map(|order| order.id.to_string()).collect::<Vec<_>>(), live);
    effects_add_up(&kept);
    assert_eq!(figures(kept), figures(from_scratch(&present(events))));
}

/// What stands beside the trades is what the totals say.
fn effects_add_up(kept: &Kept) {
    let mut sums: BTreeMap<UserKey, metrics_domain::Realized> = BTreeMap::new();
    for stored in kept.trades.values() {
        for effect in [&stored.effects.sold, &stored.effects.bought].into_iter().flatten() {
            sums.entry(stored.entry.user.clone()).or_default().add(&effect.realized);
        }
    }
    for (key, user) in &kept.users {
        assert_eq!(user.totals.realized, sums.remove(key).unwrap_or_default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_is_a_function_of_the_trades_present(
        pool in vec(sketch(), 1..10),
        story in vec((any::<prop::sample::Index>(), prop::bool::weighted(0.6), prop::bool::weighted(0.2)), 0..50),
        cuts in vec(0..9_usize, 0..12),
        piece in 1..7_usize,
        remembered in 0..20_usize,
    ) {
        let events: Vec<Event> = story.iter().enumerate().map(|(at, (which, present, again))| {
            let number = which.index(pool.len());
            event(trade(&pool[number], number, *again), *present, at)
        }).collect();
        check(&events, &cuts, Limits { events: piece, remembered });
    }
}

/// `(sold asset, raw, bought asset, raw, dollars)` at heights 1, 2, …; 0 is cash, 2 and 3 are tokens.
fn history(lines: &[(u8, u32, u8, u32, &str)]) -> Vec<Trade> {
    let line = |(at, (sold, gave, bought, got, usd)): (usize, &(u8, u32, u8, u32, &str))| {
        let sketch = Sketch {
            user: 0,
            chain: 0,
            height: at as u64 + 1,
            index: 0,
            branch: 0,
            cycle: false,
            sold: (*sold, *gave),
            bought: (*bought, *got),
            notional: None,
            fee: None,
            platform: false,
        };
        let notional = Usd::parse(usd).unwrap();
        let valuation = Some(Valuation { notional, fee: None, source: "stable-leg".to_owned() });
        Trade { valuation, ..trade(&sketch, at, false) }
    };
    lines.iter().enumerate().map(line).collect()
}

fn play(events: &[Event]) -> Kept {
    let store = Memory::default();
    run(batches(events, &vec![1; events.len()]), &store, Limits::default());
    store.kept()
}

fn applies(trades: &[Trade]) -> Vec<Event> {
    trades.iter().cloned().enumerate().map(|(at, trade)| event(trade, true, at)).collect()
}

#[test]
fn golden_vector() {
    let trades = history(&[(0, 10, 2, 10, "10"), (2, 4, 0, 8, "8"), (0, 20, 2, 10, "20"), (2, 16, 0, 32, "32")]);
    let kept = play(&applies(&trades));
    let realized: Vec<String> = kept
        .trades
        .values()
        .filter_map(|stored| stored.effects.sold.as_ref())
        .map(|effect| effect.realized.pnl.to_string())
        .collect();
    assert_eq!(realized, ["4", "6"], "the first sale's +4 stays when more is bought later");
    let book = kept.books.values().next().unwrap();
    assert_eq!(book.realized.pnl.to_string(), "10");
    assert_eq!((book.holding.quantity.clone(), book.holding.basis.clone()), (Quantity::ZERO, Dollars::ZERO));
    assert_eq!(kept.users.values().next().unwrap().totals.volume.to_string(), "70");
}

#[test]
fn a_purchase_taken_back_was_never_there() {
    let trades = history(&[(0, 10, 2, 10, "10"), (0, 30, 2, 10, "30"), (2, 4, 0, 12, "12")]);
    let mut events = applies(&trades);
    events.push(event(trades[0].clone(), false, 9));
    let kept = play(&events);
    let book = kept.books.values().next().unwrap();
    let shown = [book.holding.quantity.to_string(), book.holding.basis.to_string(), book.realized.pnl.to_string()];
    assert_eq!(shown, ["6", "18", "0"]);
}

#[test]
fn token_for_token_is_a_sale_and_a_purchase() {
    let kept = play(&applies(&history(&[(0, 10, 2, 10, "10"), (2, 10, 3, 5, "25")])));
    let held: Vec<_> = kept.books.iter().map(|(key, book)| (&*key.asset, book)).collect();
    assert_eq!((held[0].0, held[0].1.realized.pnl.to_string()), ("asset2", "15".to_owned()));
    assert_eq!((held[1].0, held[1].1.holding.basis.to_string()), ("asset3", "25".to_owned()));
    let totals = &kept.users.values().next().unwrap().totals;
    assert_eq!((totals.volume.to_string(), totals.swaps), ("35".to_owned(), 2), "volume counts a trade once");
}

#[test]
fn cash_for_cash_makes_no_position() {
    let kept = play(&applies(&history(&[(0, 10, 1, 10, "10")])));
    assert!(kept.books.is_empty());
    assert_eq!(kept.users.values().next().unwrap().totals.volume.to_string(), "10");
}

#[test]
fn what_came_and_went_in_one_batch_is_kept_as_reverted() {
    let trades = history(&[(0, 10, 2, 10, "10")]);
    let events = [event(trades[0].clone(), true, 0), event(trades[0].clone(), false, 1)];
    let store = Memory::default();
    run(batches(&events, &[2]), &store, Limits::default());
    let kept = store.kept();
    assert_eq!(kept.trades.values().map(|stored| stored.live).collect::<Vec<_>>(), [false]);
    assert_eq!(figures(kept), Figures::default());
}

#[test]
fn what_is_delivered_again_is_committed_once() {
    let events = applies(&history(&[(0, 10, 2, 10, "10"), (2, 4, 0, 8, "8")]));
    let mut script = batches(&events, &[1]);
    script.extend(batches(&events, &[]).split_off(1));
    let store = Memory::default();
    run(script, &store, Limits::default());
    assert_eq!(store.kept(), play(&events));
}
