//! Candles and prices are those of the trades that are present, however they came: compared with a brute-force fold on both
//! databases.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics::prices::Prices;
use metrics_domain::{Method, PriceRules, PruneOutcome, Retention, Store};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};
use stores::{postgres_server, run_sql};
use tape::{Event, Status, Trade, Usd};
use trades::{Dice, absent, batches, history, partition, play, present, swap, worth};

/// Trades of an asset by the minutes they are in, each with what it moved.
type TradesByMinute<'t> = BTreeMap<u64, Vec<(&'t Trade, i128)>>;

const START_MS: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;

/// One row of a table as one text, columns by name.
fn select(view: &str, columns: &[&str], condition: &str) -> String {
    let columns: Vec<String> = columns.iter().map(|name| format!("coalesce(CAST({name} AS text), '-')")).collect();
    format!("SELECT {} FROM {view} WHERE {condition}", columns.join(" || ' ' || "))
}

fn select_candles() -> String {
    let prices = ["open_usd", "open_raw", "high_usd", "high_raw", "low_usd", "low_raw", "close_usd", "close_raw"];
    let columns = [
        &["chain", "asset", "span", "start_minute"][..],
        &prices,
        &["close_height", "close_ms", "volume_usd", "trades", "priced"],
    ];
    select("candles_v1", &columns.concat(), "1 = 1")
}

fn select_prices() -> String {
    select(
        "assets_v1",
        &["chain", "asset", "price_usd", "price_raw", "price_height", "price_ms"],
        "price_usd IS NOT NULL",
    )
}

/// The trades present after these events, by the rule alone.
fn live(events: &[Event]) -> Vec<Trade> {
    let mut live = BTreeMap::new();
    for event in events {
        if event.status == Status::Reverted {
            live.remove(&event.trade.id());
        } else {
            live.entry(event.trade.id()).or_insert_with(|| *event.trade.clone());
        }
    }
    live.into_values().filter(|trade| trade.kind != Trade::CYCLE && trade.sold.asset != trade.bought.asset).collect()
}

/// Dollars in units of 10^-18, for a quantity.
type Fraction = (i128, i128);
/// The price in a block: height, time, price.
type Block = (u64, u64, Fraction);

fn is_above(one: Fraction, times: i128, other: Fraction) -> bool {
    one.0 * other.1 > times * other.0 * one.1
}

fn lower_median(prices: &[Fraction]) -> Option<Fraction> {
    let mut sorted = prices.to_vec();
    sorted.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    (sorted.len() >= 3).then(|| sorted[(sorted.len() - 1) / 2])
}

fn is_outlier(price: Fraction, median: Fraction, band: i128) -> bool {
    is_above(price, band, median) || is_above(median, band, price)
}

/// What happened to one asset in one minute.
#[derive(Default)]
struct Minute {
    blocks: Vec<Block>,
    volume: i128,
    trades: u64,
    priced: u64,
}

fn minute_of(sides: &[(&Trade, i128)], floor: i128, band: i128) -> Minute {
    let worth = |trade: &Trade| trade.valuation.as_ref().map(|valuation| valuation.notional.0);
    let eligible: Vec<(&Trade, Fraction)> = sides
        .iter()
        .filter_map(|(trade, raw)| Some((*trade, (worth(trade)?, *raw))))
        .filter(|(_, price)| price.0 >= floor && price.0 > 0 && price.1 > 0)
        .collect();
    let median = lower_median(&eligible.iter().map(|(_, price)| *price).collect::<Vec<_>>());
    let kept: Vec<_> = eligible
        .into_iter()
        .filter(|(_, price)| median.is_none_or(|median| !is_outlier(*price, median, band)))
        .collect();
    let heights: BTreeSet<u64> = kept.iter().map(|(trade, _)| trade.block.id.height).collect();
    let block = |height: u64| {
        let of_block = || kept.iter().filter(|(trade, _)| trade.block.id.height == height);
        let time = of_block().map(|(trade, _)| trade.block.timestamp_ms).max().unwrap();
        (height, time, (of_block().map(|it| it.1.0).sum(), of_block().map(|it| it.1.1).sum()))
    };
    Minute {
        blocks: heights.into_iter().map(block).collect(),
        volume: sides.iter().filter_map(|(trade, _)| worth(trade)).sum(),
        trades: sides.len() as u64,
        priced: kept.len() as u64,
    }
}

/// The rows of candles and of prices, by the rules as they are said.
fn by_brute_force(trades: &[Trade], rules: &PriceRules) -> (Vec<String>, Vec<String>) {
    let (floor, band) = (Usd::parse(&rules.floor.to_string()).unwrap().0, i128::from(rules.band));
    let mut assets: BTreeMap<(String, String), TradesByMinute<'_>> = BTreeMap::new();
    for trade in trades {
        for side in [&trade.sold, &trade.bought] {
            let minutes = assets.entry((trade.chain.to_string(), side.asset.clone())).or_default();
            let raw = side.raw.to_string().parse().unwrap();
            minutes.entry(trade.block.timestamp_ms / MINUTE_MS).or_default().push((trade, raw));
        }
    }
    let (mut candles, mut prices) = (vec![], vec![]);
    for ((chain, asset), minutes) in assets {
        let minutes: BTreeMap<u64, Minute> =
            minutes.into_iter().map(|(minute, sides)| (minute, minute_of(&sides, floor, band))).collect();
        for (span, length) in [("1m", 1), ("1h", 60), ("1d", 1_440)] {
            let starts: BTreeSet<u64> = minutes.keys().map(|minute| minute / length * length).collect();
            for start in starts {
                let parts: Vec<&Minute> = minutes.range(start..start + length).map(|(_, minute)| minute).collect();
                candles.push(format!("{chain} {asset} {span} {start} {}", candle(&parts)));
            }
        }
        let newest: Vec<Block> =
            minutes.values().rev().filter_map(|minute| minute.blocks.last().copied()).take(5).collect();
        let median = lower_median(&newest.iter().map(|block| block.2).collect::<Vec<_>>());
        let current = newest.iter().find(|block| median.is_none_or(|median| !is_outlier(block.2, median, band)));
        if let Some((height, time, price)) = current {
            prices.push(format!("{chain} {asset} {} {} {height} {time}", Usd(price.0), price.1));
        }
    }
    candles.sort();
    prices.sort();
    (candles, prices)
}

/// The columns of a candle.
fn candle(parts: &[&Minute]) -> String {
    let blocks: Vec<Block> = parts.iter().flat_map(|part| part.blocks.clone()).collect();
    let prices = match (blocks.first(), blocks.last()) {
        (Some(first), Some(last)) => {
            let (mut high, mut low) = (first.2, first.2);
            for (_, _, price) in &blocks {
                high = if is_above(*price, 1, high) { *price } else { high };
                low = if is_above(low, 1, *price) { *price } else { low };
            }
            let fractions = [first.2, high, low, last.2].map(|(usd, raw)| format!("{} {raw}", Usd(usd)));
            format!("{} {} {}", fractions.join(" "), last.0, last.1)
        }
        _ => ["-"; 10].join(" "),
    };
    let sum = |of: fn(&Minute) -> u64| parts.iter().map(|part| of(part)).sum::<u64>();
    let volume = Usd(parts.iter().map(|part| part.volume).sum());
    format!("{prices} {volume} {} {}", sum(|part| part.trades), sum(|part| part.priced))
}

/// Random histories of chains whose blocks are seconds, half hours or half days apart.
fn histories() -> Vec<(u32, Vec<Event>)> {
    let one = |number: u32| {
        let mut events = history(&format!("price{number}"), &mut Dice::new(u64::from(number) + 4_711), 120);
        let step = [20_000, 1_500_000, 40_000_000][number as usize % 3];
        for event in &mut events {
            event.trade.block.timestamp_ms = START_MS + event.trade.block.id.height * step;
        }
        (number, events)
    };
    (0..9).map(one).collect()
}

async fn refresh_all(store: &impl Prices, rules: &PriceRules) {
    while store.refresh(rules).await.unwrap() > 0 {}
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// The rows of the tables are those of these trades.
async fn compare(all: &[Trade], rules: &PriceRules, rows: &impl AsyncFn(String) -> Vec<String>) {
    let found = (sorted(rows(select_candles()).await), sorted(rows(select_prices()).await));
    assert_eq!(found, by_brute_force(all, rules));
}

/// Random histories with reverts, in several parts; between the parts candles are calculated.
async fn candles_are_those_of_the_trades_present<S>(store: &S, rows: impl AsyncFn(String) -> Vec<String>)
where
    S: Store + Prices + Retention,
{
    let (rules, chains) = (PriceRules::default(), histories());
    let mut all = vec![];
    for upto in [40, 80, 120] {
        for (number, events) in &chains {
            play(batches(&partition(*number), &events[..upto], 1 + upto / 7), store, 7).await;
            if number % 4 == 0 {
                store.refresh(&rules).await.unwrap();
            }
        }
        all = chains.iter().flat_map(|(_, events)| live(&events[..upto])).collect();
        refresh_all(store, &rules).await;
        compare(&all, &rules, &rows).await;
    }
    let ignored = by_brute_force(&all, &rules).0.iter().filter(|row| !row.ends_with(" 0")).count();
    assert!(ignored > 50, "{ignored} candles have prices");
    // Other settings: all candles are others, and with the first ones again they are as before.
    let strict = PriceRules { floor: "60".parse().unwrap(), band: 3 };
    for rules in [&strict, &rules] {
        refresh_all(store, rules).await;
        compare(&all, rules, &rows).await;
    }
    assert!(by_brute_force(&all, &strict) != by_brute_force(&all, &rules));
}

/// What an instance of the version before commits beside this one is not noted, and yet not lost.
async fn what_nobody_noted_is_found<S>(
    store: &S,
    rows: impl AsyncFn(String) -> Vec<String>,
    execute: impl AsyncFn(&'static str),
) where
    S: Store + Prices,
{
    let rules = PriceRules::default();
    let (number, events) = histories().swap_remove(0);
    play(batches(&partition(number), &events[..60], 10), store, 7).await;
    refresh_all(store, &rules).await;
    // It moves the position and notes nothing.
    play(batches(&partition(number), &events, 10), store, 7).await;
    execute("DELETE FROM price_changes").await;
    execute("UPDATE position SET noted = noted - 60").await;
    // This version goes on, and the gap stays.
    let last = present(&worth(swap("price0", "late", 9, ("$usd", 9), ("cat", 3)), "9"));
    let all_events = [events, vec![last]].concat();
    play(batches(&partition(number), &all_events, 10), store, 7).await;
    let gap = rows("SELECT CAST(next - noted AS text) FROM position".to_owned()).await;
    assert_eq!(gap, ["60"]);
    refresh_all(store, &rules).await;
    compare(&live(&all_events), &rules, &rows).await;
    assert_eq!(rows("SELECT CAST(next - noted AS text) FROM position".to_owned()).await, ["0"]);
}

/// Symbol, decimals and pools, and what remains of them when the only trade is taken back.
async fn assets_are_described<S>(store: &S, rows: impl AsyncFn(String) -> Vec<String>)
where
    S: Store + Prices,
{
    let rules = PriceRules::default();
    let trade = worth(swap("shown", "ann", 7, ("$usd", 20), ("cat", 10)), "20");
    let mut through_two = worth(swap("shown", "bob", 8, ("dog", 4), ("cat", 10)), "21");
    "other".clone_into(&mut through_two.legs[1].pool);
    let mut events = vec![present(&trade), present(&through_two)];
    play(batches(&partition(3), &events, 10), store, 10).await;
    refresh_all(store, &rules).await;
    let assets = || rows(select("assets_v1", &["asset", "symbol", "decimals", "price_usd", "price_raw"], "1 = 1"));
    assert_eq!(sorted(assets().await), ["$usd $USD 6 20 20", "cat CAT 6 21 10", "dog DOG 6 21 4"]);
    let hour = trade.block.timestamp_ms / 3_600_000;
    let pools = || rows(select("asset_pools_v1", &["asset", "pool", "newest_hour"], "1 = 1"));
    let expected = [format!("$usd pool {hour}"), format!("cat pool {hour}")];
    assert_eq!(sorted(pools().await), expected, "two pools do not say which of them holds the asset");
    events.extend([absent(&trade), absent(&through_two)]);
    play(batches(&partition(3), &events, 10), store, 10).await;
    refresh_all(store, &rules).await;
    assert_eq!(sorted(assets().await), ["$usd $USD 6 - -", "cat CAT 6 - -", "dog DOG 6 - -"], "no price, no figure");
    assert_eq!(rows(select_candles()).await, Vec::<String>::new());
    assert_eq!(sorted(pools().await), expected);
}

/// Dropping old trades calculates what is noted of them first; their candles stay.
async fn candles_outlive_their_trades<S>(store: &S, rows: impl AsyncFn(String) -> Vec<String>)
where
    S: Store + Prices + Retention,
{
    const PERIOD_MS: u64 = metrics_domain::retention::TRADE_PERIOD_MS;
    let start = 650 * PERIOD_MS;
    let trade = |height: u64, usd: &str| {
        let mut trade = worth(swap("old", "ann", height, ("$usd", 20), ("cat", 10)), usd);
        trade.block.timestamp_ms = start + height * PERIOD_MS / 2;
        present(&trade)
    };
    let events: Vec<Event> = (0..6).map(|height| trade(height, &(20 + height).to_string())).collect();
    play(batches(&partition(4), &events, 10), store, 10).await;
    let cut = start + 2 * PERIOD_MS;
    let dropped = store.prune(cut, &[("old".to_owned(), 3)].into()).await.unwrap();
    assert!(matches!(dropped, PruneOutcome::Done { .. }), "{dropped:?}");
    let rules = PriceRules { band: 9, ..PriceRules::default() };
    refresh_all(store, &rules).await;
    compare(&live(&events), &rules, &rows).await;
}

/// The past of a chain keeps no current price of another one waiting.
async fn the_newest_minutes_come_first<S>(store: &S, rows: impl AsyncFn(String) -> Vec<String>)
where
    S: Store + Prices,
{
    let trade = |chain: &str, minute: u64| {
        let mut trade = worth(swap(chain, "ann", minute, ("$usd", 20), ("cat", 10)), "20");
        trade.block.timestamp_ms = START_MS + minute * MINUTE_MS;
        present(&trade)
    };
    let mut events: Vec<Event> = (0..700).map(|minute| trade("backfilled", minute)).collect();
    events.push(trade("live", 2_000));
    play(batches(&partition(5), &events, 1_000), store, 1_000).await;
    assert_eq!(store.refresh_newest(&PriceRules::default()).await.unwrap(), 3 + 1);
    let priced = || rows("SELECT chain FROM assets_v1 WHERE asset = 'cat' AND price_usd IS NOT NULL".to_owned());
    assert_eq!(sorted(priced().await), ["backfilled", "live"]);
    let waiting = || rows("SELECT CAST(count(DISTINCT minute) AS text) FROM price_changes".to_owned());
    assert_eq!(waiting().await, ["697"]);
    store.refresh(&PriceRules::default()).await.unwrap();
    assert_eq!(waiting().await, ["197"], "so many at once");
    refresh_all(store, &PriceRules::default()).await;
    compare(&live(&events), &PriceRules::default(), &rows).await;
}

#[tokio::test]
async fn candles_are_exact_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    for case in 0..5 {
        let store = Sqlite::open(&directory.path().join(format!("{case}.db")), Method::Average).await.unwrap();
        let rows = async |query: String| -> Vec<String> {
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap()
        };
        let execute = async |statement: &'static str| {
            sqlx::raw_sql(statement).execute(store.pool()).await.unwrap();
        };
        match case {
            0 => candles_are_those_of_the_trades_present(&store, rows).await,
            1 => what_nobody_noted_is_found(&store, rows, execute).await,
            2 => assets_are_described(&store, rows).await,
            3 => the_newest_minutes_come_first(&store, rows).await,
            _ => candles_outlive_their_trades(&store, rows).await,
        }
    }
}

#[tokio::test]
async fn candles_are_exact_on_postgres() {
    for case in 0..5 {
        let Some((url, schema, mut connection)) = postgres_server(&format!("prices{case}")).await else { return };
        let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
        let rows = async |query: String| -> Vec<String> {
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap()
        };
        let execute = async |statement: &'static str| {
            sqlx::raw_sql(statement).execute(store.pool()).await.unwrap();
        };
        match case {
            0 => candles_are_those_of_the_trades_present(&store, rows).await,
            1 => what_nobody_noted_is_found(&store, rows, execute).await,
            2 => assets_are_described(&store, rows).await,
            3 => the_newest_minutes_come_first(&store, rows).await,
            _ => candles_outlive_their_trades(&store, rows).await,
        }
        run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}

/// Several instances fold and calculate at once: nothing is noted and not calculated.
#[tokio::test]
async fn instances_that_calculate_at_once_are_exact_on_postgres() {
    let Some((url, schema, mut connection)) = postgres_server("prices_at_once").await else { return };
    let stores = [
        Postgres::open(&url, &schema, Method::Average).await.unwrap(),
        Postgres::open(&url, &schema, Method::Average).await.unwrap(),
    ];
    let (rules, mut chains) = (PriceRules::default(), histories());
    for (number, event) in
        chains.iter_mut().flat_map(|(number, events)| events.iter_mut().map(|event| (*number, event)))
    {
        // One chain for all partitions, so that they change the same minutes.
        event.trade.chain = "busy".into();
        event.trade.trader.address = format!("{}-{number}", event.trade.trader.address);
        event.trade.transaction.hash = format!("{}-{number}", event.trade.transaction.hash).into();
        event.trade.block.timestamp_ms = START_MS + event.trade.block.id.height * 20_000;
    }
    let folding = async |first: usize| {
        for (number, events) in chains.iter().skip(first).step_by(2) {
            play(batches(&partition(*number), events, 9), &stores[first], 9).await;
        }
    };
    let calculating = async |store: &Postgres| {
        loop {
            store.refresh(&rules).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = async { tokio::join!(folding(0), folding(1)); } => {}
        () = async { tokio::join!(calculating(&stores[0]), calculating(&stores[1])); } => unreachable!("it never ends"),
    }
    let rows = async |query: String| -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(stores[0].pool()).await.unwrap()
    };
    // A refresh that was broken off may hold its lock for a moment.
    while rows("SELECT CAST(count(*) AS text) FROM price_changes".to_owned()).await != ["0"] {
        stores[0].refresh(&rules).await.unwrap();
    }
    let all: Vec<Trade> = chains.iter().flat_map(|(_, events)| live(events)).collect();
    compare(&all, &rules, &rows).await;
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}
