//! However trades are applied, reverted, repeated or late, in whatever batches: the book is the fold of the trades
//! present.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use metrics_domain::memory::{MemoryState, MemoryStore};
use metrics_domain::{
    Book, BookKey, BookRules, Dollars, Entry, FeeDelta, FeeKey, HourDelta, HourKey, KnownPart, Limits, Method,
    Quantity, Realized, Sale, Totals, TradeSide, UserKey,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::{Event, Trade, Usd, Valuation};
use trades::{Sketch, batches, event, is_cash, is_implausible, present, run, sketch, strict_rules, trade};

impl Sketch {
    /// A swap of nothing for nothing, to be filled in by the test.
    fn plain() -> Self {
        Self {
            user: 0,
            chain: 0,
            height: 1,
            index: 0,
            branch: 0,
            cycle: false,
            sold: (0, 0),
            bought: (0, 0),
            notional: None,
            fee: None,
            platform: false,
            confidence: 0,
        }
    }
}

/// A fold from nothing, written in the simplest way.
fn from_scratch(trades: &[Trade], method: Method) -> MemoryState {
    let mut state = MemoryState::default();
    for trade in trades {
        let mut entry = Entry::from_trade(trade);
        (entry.sold.quote, entry.bought.quote) = (is_cash(trade, &trade.sold), is_cash(trade, &trade.bought));
        let claimed = is_implausible(trade).then(|| entry.notional.take().max(entry.fee.take()).unwrap());
        let totals = &mut state.users.entry(entry.user.clone()).or_default().totals;
        let hour = state.hours.entry(HourKey { user: entry.user.clone(), hour: entry.hour() }).or_default();
        if entry.cycle {
            totals.cycles += 1;
            hour.cycles += 1;
            continue;
        }
        let worth = entry.notional.as_ref();
        totals.swaps += 1;
        hour.swaps += 1;
        totals.unvalued += u64::from(worth.is_none() && claimed.is_none());
        hour.unvalued += i64::from(worth.is_none() && claimed.is_none());
        totals.implausible += u64::from(claimed.is_some());
        hour.implausible += i64::from(claimed.is_some());
        totals.implausible_usd += claimed.as_ref().unwrap_or(&Dollars::ZERO);
        hour.implausible_usd += claimed.as_ref().unwrap_or(&Dollars::ZERO);
        totals.volume += worth.unwrap_or(&Dollars::ZERO);
        hour.volume += worth.unwrap_or(&Dollars::ZERO);
        for volumes in [&mut totals.by_confidence, &mut hour.by_confidence] {
            let amount = match trade.attributes.get("confidence").map(String::as_str) {
                None => &mut volumes.exact,
                Some("reported") => &mut volumes.reported,
                Some("estimated") => &mut volumes.estimated,
                Some("traced") => &mut volumes.traced,
                Some(_) => continue,
            };
            *amount += worth.unwrap_or(&Dollars::ZERO);
        }
        if let Some(fee) = &entry.fee {
            totals.fees += fee;
            hour.fees += fee;
            let platform = entry.platform.clone().unwrap_or_default();
            let day = state.fees.entry(FeeKey { user: entry.user.clone(), platform, day: entry.day() }).or_default();
            day.usd += fee;
            day.trades += 1;
        }
        let mut released = KnownPart::default();
        for (side, lot) in entry.sides() {
            let key = BookKey { user: entry.user.clone(), asset: Arc::clone(&lot.asset) };
            let book = state.books.entry(key).or_default();
            book.trades += 1;
            if side == TradeSide::Sold {
                let Sale { mut realized, known, .. } = book.holding.sell(method, &lot.raw, worth);
                if worth.is_none() && entry.bought.quote {
                    realized.basis_without_proceeds = known.basis;
                } else if worth.is_none() {
                    released = known;
                }
                book.realized.add(&realized);
                totals.realized.add(&realized);
                hour.realized.add(&realized);
            } else {
                let known = match worth {
                    Some(worth) => KnownPart { quantity: lot.raw.clone(), basis: worth.clone() },
                    None => released.handed_on(&entry.sold.raw, &lot.raw),
                };
                book.holding.buy(method, &entry.order.id, &lot.raw, &known);
                book.bought += known.quantity;
            }
        }
    }
    state
}

type BookFigures =
    (BTreeMap<UserKey, Totals>, BTreeMap<BookKey, Book>, BTreeMap<HourKey, HourDelta>, BTreeMap<FeeKey, FeeDelta>);

/// Everything that is a function of the trades present. Decoration is not: it stays when its trade is reverted.
fn figures(state: MemoryState) -> BookFigures {
    let users = state.users.into_iter().map(|(key, user)| (key, user.totals));
    let books = state.books.into_iter().filter(|(_, book)| book.trades > 0);
    let bare = |book: Book| Book { symbol: None, decimals: None, decorated: None, ..book };
    let books = books.map(|(key, book)| (key, bare(book)));
    let users = users.filter(|(_, totals)| *totals != Totals::default());
    (users.collect(), books.collect(), state.hours, state.fees)
}

fn check(events: &[Event], cuts: &[usize], limits: Limits, method: Method) {
    let store = MemoryStore::with_rules(strict_rules(method));
    run(batches(events, cuts), &store, limits);
    let state = store.state();
    let live: Vec<String> = present(events).iter().map(Trade::id).collect();
    let mut stored: Vec<_> =
        state.trades.values().filter(|stored| stored.live).map(|stored| &stored.entry.order).collect();
    stored.sort();
    assert_eq!(stored.iter().map(|order| order.id.to_string()).collect::<Vec<_>>(), live);
    effects_add_up(&state);
    assert_eq!(figures(state.clone()), figures(from_scratch(&present(events), method)));
    // Everything stored, rows of reverted trades and decoration included, is the same for every split into batches.
    let one_by_one = MemoryStore::with_rules(strict_rules(method));
    run(batches(events, &vec![1; events.len()]), &one_by_one, Limits { events: 1, remembered: 0 });
    assert_eq!(state, one_by_one.state());
}

/// The effects stored with the trades add up to the totals.
fn effects_add_up(state: &MemoryState) {
    let mut sums: BTreeMap<UserKey, Realized> = BTreeMap::new();
    for stored in state.trades.values() {
        for effect in [&stored.effects.sold, &stored.effects.bought].into_iter().flatten() {
            sums.entry(stored.entry.user.clone()).or_default().add(&effect.realized);
        }
    }
    for (key, user) in &state.users {
        assert_eq!(user.totals.realized, sums.remove(key).unwrap_or_default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_is_a_function_of_the_trades_present(
        pool in vec(sketch(), 1..10),
        steps in vec((any::<prop::sample::Index>(), prop::bool::weighted(0.6), prop::bool::weighted(0.2)), 0..50),
        cuts in vec(0..9_usize, 0..12),
        piece in 1..7_usize,
        remembered in 0..20_usize,
        fifo in any::<bool>(),
    ) {
        let events: Vec<Event> = steps.iter().enumerate().map(|(at, (which, present, again))| {
            let number = which.index(pool.len());
            event(trade(&pool[number], number, *again), *present, at)
        }).collect();
        let method = if fifo { Method::Fifo } else { Method::Average };
        check(&events, &cuts, Limits { events: piece, remembered }, method);
    }

    #[test]
    fn many_open_parcels_are_refolded_from_sparse_checkpoints(
        sales in vec((1..90_u64, 1..40_u32), 0..12),
        gone in vec(0..60_usize, 0..6),
        cuts in vec(1..30_usize, 0..6),
    ) {
        let buys = (0..60_u64).map(|at| (at + 1, true, 10 + u32::try_from(at % 7).unwrap()));
        let sales = sales.into_iter().map(|(height, raw)| (height, false, raw));
        let trades: Vec<Trade> = buys.chain(sales).enumerate().map(|(at, (height, buys, raw))| {
            let (token, cash) = ((2, raw), (0, raw * 2));
            let (sold, bought) = if buys { (cash, token) } else { (token, cash) };
            trade(&Sketch { height, sold, bought, notional: Some(raw * 3), ..Sketch::plain() }, at, false)
        }).collect();
        let mut events = applies(&trades);
        events.extend(gone.iter().map(|at| event(trades[*at].clone(), false, 1_000 + at)));
        check(&events, &cuts, Limits { events: 25, remembered: 9 }, Method::Fifo);
    }
}

/// `(sold asset, raw, bought asset, raw, dollars)` at heights 1, 2, …; 0 is cash, 2 and 3 are tokens.
fn history(lines: &[(u8, u32, u8, u32, &str)]) -> Vec<Trade> {
    let line = |(at, (sold, gave, bought, got, usd)): (usize, &(u8, u32, u8, u32, &str))| {
        let sketch = Sketch { height: at as u64 + 1, sold: (*sold, *gave), bought: (*bought, *got), ..Sketch::plain() };
        let notional = Usd::parse(usd).unwrap();
        let valuation = Some(Valuation { notional, fee: None, source: "stable-leg".to_owned() });
        Trade { valuation, ..trade(&sketch, at, false) }
    };
    lines.iter().enumerate().map(line).collect()
}

fn play(events: &[Event]) -> MemoryState {
    played(events, Method::Average)
}

fn played(events: &[Event], method: Method) -> MemoryState {
    let store = MemoryStore::with_method(method);
    run(batches(events, &vec![1; events.len()]), &store, Limits::default());
    store.state()
}

fn applies(trades: &[Trade]) -> Vec<Event> {
    trades.iter().cloned().enumerate().map(|(at, trade)| event(trade, true, at)).collect()
}

#[test]
fn golden_vector_by_either_method() {
    [Method::Average, Method::Fifo].into_iter().for_each(golden_vector);
}

fn golden_vector(method: Method) {
    let trades = history(&[(0, 10, 2, 10, "10"), (2, 4, 0, 8, "8"), (0, 20, 2, 10, "20"), (2, 16, 0, 32, "32")]);
    let state = played(&applies(&trades), method);
    let realized: Vec<String> = state
        .trades
        .values()
        .filter_map(|stored| stored.effects.sold.as_ref())
        .map(|effect| effect.realized.pnl.to_string())
        .collect();
    assert_eq!(realized, ["4", "6"], "the first sale's +4 stays when more is bought later");
    let book = state.books.values().next().unwrap();
    assert_eq!(book.realized.pnl.to_string(), "10");
    assert_eq!((book.holding.quantity.clone(), book.holding.basis.clone()), (Quantity::ZERO, Dollars::ZERO));
    assert_eq!(state.users.values().next().unwrap().totals.volume.to_string(), "70");
}

#[test]
fn a_reverted_purchase_leaves_no_trace() {
    let trades = history(&[(0, 10, 2, 10, "10"), (0, 30, 2, 10, "30"), (2, 4, 0, 12, "12")]);
    let mut events = applies(&trades);
    events.push(event(trades[0].clone(), false, 9));
    let state = play(&events);
    let book = state.books.values().next().unwrap();
    let shown = [book.holding.quantity.to_string(), book.holding.basis.to_string(), book.realized.pnl.to_string()];
    assert_eq!(shown, ["6", "18", "0"]);
}

#[test]
fn methods_differ_where_prices_did() {
    let trades = history(&[(0, 10, 2, 10, "10"), (0, 30, 2, 10, "30"), (2, 10, 0, 40, "40")]);
    let shown = |method| {
        let state = played(&applies(&trades), method);
        let book = state.books.values().next().unwrap();
        [book.realized.pnl.to_string(), book.holding.basis.to_string()]
    };
    assert_eq!(
        (shown(Method::Average), shown(Method::Fifo)),
        (["20", "20"].map(Into::into), ["30", "30"].map(Into::into))
    );
}

#[test]
fn a_wrap_splits_no_pool_and_makes_no_volume() {
    // The native asset goes by its wrapped contract, so a wrap gives and gets one asset.
    let trades = history(&[(0, 10, 2, 10, "10"), (2, 10, 2, 10, "50"), (2, 10, 0, 12, "12")]);
    let state = play(&applies(&trades));
    let totals = &state.users.values().next().unwrap().totals;
    assert_eq!((totals.volume.to_string(), totals.cycles), ("22".to_owned(), 1));
    assert_eq!(totals.realized.pnl.to_string(), "2");
}

#[test]
fn what_arrived_by_transfer_is_sold_without_basis() {
    let state = play(&applies(&history(&[(0, 10, 2, 10, "10"), (2, 40, 0, 80, "80")])));
    let realized = &state.users.values().next().unwrap().totals.realized;
    let shown = [&realized.pnl, &realized.proceeds, &realized.without_basis].map(ToString::to_string);
    assert_eq!(shown, ["10", "20", "60"], "no profit on what arrived unseen");
}

#[test]
fn hours_hold_what_was_realized_in_them() {
    let mut trades = history(&[(0, 10, 2, 10, "10"), (2, 4, 0, 8, "8"), (2, 6, 0, 3, "3")]);
    trades[0].block.timestamp_ms = 0;
    trades[1].block.timestamp_ms = 3_600_000;
    trades[2].block.timestamp_ms = 2 * 3_600_000 - 1;
    let shown = |state: &MemoryState| -> Vec<(u64, i64, String)> {
        state.hours.iter().map(|(key, hour)| (key.hour, hour.swaps, hour.realized.pnl.to_string())).collect()
    };
    let mut events = applies(&trades);
    assert_eq!(shown(&play(&events)), [(0, 1, "0".to_owned()), (1, 2, "1".to_owned())]);
    events.push(event(trades[0].clone(), false, 9));
    assert_eq!(shown(&play(&events)), [(1, 2, "0".to_owned())], "an hour without trades is deleted");
}

#[test]
fn token_for_token_is_a_sale_and_a_purchase() {
    let state = play(&applies(&history(&[(0, 10, 2, 10, "10"), (2, 10, 3, 5, "25")])));
    let held: Vec<_> = state.books.iter().map(|(key, book)| (&*key.asset, book)).collect();
    assert_eq!((held[0].0, held[0].1.realized.pnl.to_string()), ("asset2", "15".to_owned()));
    assert_eq!((held[1].0, held[1].1.holding.basis.to_string()), ("asset3", "25".to_owned()));
    let totals = &state.users.values().next().unwrap().totals;
    assert_eq!((totals.volume.to_string(), totals.swaps), ("35".to_owned(), 2), "volume counts a trade once");
}

/// A history in which trades with an empty text of dollars are not valued.
fn partly_valued(lines: &[(u8, u32, u8, u32, &str)]) -> Vec<Trade> {
    let valued = lines.iter().map(|(a, b, c, d, usd)| (*a, *b, *c, *d, if usd.is_empty() { "0" } else { *usd }));
    let mut trades = history(&valued.collect::<Vec<_>>());
    for (trade, (.., usd)) in trades.iter_mut().zip(lines) {
        trade.valuation = trade.valuation.take().filter(|_| !usd.is_empty());
    }
    trades
}

/// Realized PnL, proceeds, proceeds without basis and basis without proceeds of the only user.
fn realized(state: &MemoryState) -> [String; 4] {
    let one = &state.users.values().next().unwrap().totals.realized;
    [&one.pnl, &one.proceeds, &one.without_basis, &one.basis_without_proceeds].map(ToString::to_string)
}

#[test]
fn an_unvalued_swap_hands_its_basis_on() {
    for method in [Method::Average, Method::Fifo] {
        let shown = |lines: &[(u8, u32, u8, u32, &str)]| realized(&played(&applies(&partly_valued(lines)), method));
        let direct = shown(&[(0, 1, 2, 100, "1000"), (2, 100, 0, 1, "10")]);
        assert_eq!(direct, ["-990", "10", "0", "0"]);
        let through_one = shown(&[(0, 1, 2, 100, "1000"), (2, 100, 3, 7, ""), (3, 7, 0, 1, "10")]);
        assert_eq!(through_one, direct, "the loss stays");
        let back = [(0, 1, 2, 100, "1000"), (2, 100, 3, 7, ""), (3, 7, 2, 9, ""), (2, 9, 0, 1, "10")];
        assert_eq!(shown(&back), direct, "through two, and back into the first");
        let half = shown(&[(0, 1, 2, 50, "1000"), (2, 100, 3, 10, ""), (3, 10, 0, 1, "10")]);
        assert_eq!(half, ["-995", "5", "5", "0"], "half of what was sold had no basis");
        let for_cash = shown(&[(0, 1, 2, 100, "1000"), (2, 100, 1, 1, "")]);
        assert_eq!(for_cash, ["0", "0", "0", "1000"], "nothing takes it over, and it is counted");
        let dust = shown(&[(0, 1, 2, 100, "1000"), (2, 100, 3, 0, ""), (3, 5, 0, 1, "10")]);
        assert_eq!(dust, ["-1000", "0", "10", "0"], "a purchase of nothing");
    }
}

#[test]
fn a_late_or_reverted_purchase_changes_what_was_handed_on() {
    for method in [Method::Average, Method::Fifo] {
        let lines = [(0, 1, 2, 10, "10"), (0, 1, 2, 10, "90"), (2, 15, 3, 6, ""), (3, 6, 4, 3, ""), (4, 3, 0, 1, "50")];
        let trades = partly_valued(&lines);
        let all = applies(&trades);
        let mut late = all.clone();
        late.rotate_left(1);
        assert_eq!(realized(&played(&late, method)), realized(&played(&all, method)));
        let mut reverted = all.clone();
        reverted.push(event(trades[1].clone(), false, 99));
        let without = [all[0].clone(), all[2].clone(), all[3].clone(), all[4].clone()];
        assert_eq!(realized(&played(&reverted, method)), realized(&played(&without, method)));
        check(&reverted, &[], Limits::default(), method);
    }
}

#[test]
fn an_implausible_trade_is_counted_apart() {
    let lines = [(0, 1, 2, 10, "100"), (2, 5, 0, 1, "1000000001"), (2, 5, 0, 1, "1000000000")];
    let state = play(&applies(&history(&lines)));
    let totals = &state.users.values().next().unwrap().totals;
    assert_eq!((totals.volume.to_string(), totals.swaps, totals.unvalued), ("1000000100".to_owned(), 3, 0));
    assert_eq!((totals.implausible, totals.implausible_usd.to_string()), (1, "1000000001".to_owned()));
    assert_eq!(realized(&state), ["999999950", "1000000000", "0", "50"], "what it sold is basis without proceeds");
    let mut by_fee = history(&[(0, 1, 2, 10, "5")]);
    by_fee[0].valuation.as_mut().unwrap().fee = Some(Usd::MAX_NOTIONAL);
    let state = play(&applies(&by_fee));
    let totals = &state.users.values().next().unwrap().totals;
    assert_eq!((totals.volume.clone(), totals.fees.clone(), totals.implausible), (Dollars::ZERO, Dollars::ZERO, 1));
    assert!(state.fees.is_empty(), "no platform earned it");
}

#[test]
fn native_assets_keep_positions_where_the_rules_say_so() {
    let native = BookRules { natives: [("chain0".into(), "asset1".into())].into(), ..BookRules::default() };
    let trades = history(&[(0, 1_000, 1, 1, "1000"), (1, 1, 0, 3_000, "3000")]);
    let shown = |rules: BookRules| {
        let store = MemoryStore::with_rules(rules);
        run(batches(&applies(&trades), &[]), &store, Limits::default());
        (realized(&store.state())[0].clone(), store.state().books.len())
    };
    assert_eq!(shown(native.clone()), ("2000".to_owned(), 1));
    assert_eq!(shown(BookRules::default()), ("0".to_owned(), 0), "dollars and native are cash");
    let other = BookRules { natives: [("chain1".into(), "asset1".into())].into(), ..BookRules::default() };
    assert_eq!(shown(other), ("0".to_owned(), 0), "of another chain");
    assert_eq!([native.quote(), BookRules::default().quote()], ["dollars", "dollars-and-native"]);
}

#[test]
fn cash_for_cash_makes_no_position() {
    let state = play(&applies(&history(&[(0, 10, 1, 10, "10")])));
    assert!(state.books.is_empty());
    assert_eq!(state.users.values().next().unwrap().totals.volume.to_string(), "10");
}

#[test]
fn a_trade_applied_and_reverted_in_one_batch_is_stored_as_reverted() {
    let trades = history(&[(0, 10, 2, 10, "10")]);
    let events = [event(trades[0].clone(), true, 0), event(trades[0].clone(), false, 1)];
    let store = MemoryStore::default();
    run(batches(&events, &[2]), &store, Limits::default());
    let state = store.state();
    assert_eq!(state.trades.values().map(|stored| stored.live).collect::<Vec<_>>(), [false]);
    assert_eq!(figures(state), BookFigures::default());
}

#[test]
fn a_trade_that_moved_in_its_block_gives_the_same_result_in_any_batches() {
    let trade = history(&[(0, 10, 2, 10, "10")]).remove(0);
    let mut further = trade.clone();
    further.transaction.index += 5;
    let events = [event(further.clone(), true, 0), event(further, false, 1), event(trade, true, 2)];
    let state = |cuts: &[usize]| {
        let store = MemoryStore::default();
        run(batches(&events, cuts), &store, Limits::default());
        store.state()
    };
    assert_eq!(state(&[3]), state(&[1, 1]));
}

#[test]
fn a_repeated_delivery_is_committed_once() {
    let events = applies(&history(&[(0, 10, 2, 10, "10"), (2, 4, 0, 8, "8")]));
    let mut script = batches(&events, &[1]);
    script.extend(batches(&events, &[]).split_off(1));
    let store = MemoryStore::default();
    run(script, &store, Limits::default());
    assert_eq!(store.state(), play(&events));
}
