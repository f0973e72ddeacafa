//! Net volume, wash and counterparties on the leaderboards are those of the trades that are present, however they came.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics::leaders::Leaderboards;
use metrics_domain::{Method, Store};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};
use stores::{postgres_server, run_sql};
use tape::{Event, Status, Trade, Usd};
use trades::{Dice, absent, batches, history, partition, play, present, swap, worth};

const START_MS: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 3_600_000;

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

fn pools(trade: &Trade) -> Vec<&str> {
    let mut pools: Vec<&str> = vec![];
    for leg in &trade.legs {
        if !pools.contains(&leg.pool.as_str()) {
            pools.push(&leg.pool);
        }
    }
    pools
}

fn worth_of(trade: &Trade) -> i128 {
    trade.valuation.as_ref().map_or(0, |valuation| valuation.notional.0)
}

/// Rounds half to even.
fn divided(amount: i128, by: i128) -> i128 {
    let (quotient, rest) = (amount / by, amount % by * 2);
    if rest > by || (rest == by && quotient % 2 == 1) { quotient + 1 } else { quotient }
}

/// Volume, net volume, wash and pools of each trader, by the rules as they are said, from an hour on.
fn by_brute_force(trades: &[Trade], first_hour: u64) -> BTreeMap<String, (Usd, Usd, Usd, usize)> {
    let hour = |trade: &Trade| trade.block.timestamp_ms / HOUR_MS;
    let mut figures: BTreeMap<String, (Usd, Usd, Usd, usize)> = BTreeMap::new();
    for one in trades.iter().filter(|trade| hour(trade) >= first_hour) {
        let together =
            |other: &&Trade| other.trader == one.trader && other.chain == one.chain && hour(other) == hour(one);
        let of_hour: Vec<&Trade> = trades.iter().filter(together).collect();
        let assets: BTreeSet<&str> = of_hour.iter().flat_map(|t| [&*t.sold.asset, &*t.bought.asset]).collect();
        let net_of = |asset: &str| -> i128 {
            let signed = of_hour.iter().map(|t| match asset {
                _ if t.bought.asset == asset => worth_of(t),
                _ if t.sold.asset == asset => -worth_of(t),
                _ => 0,
            });
            signed.sum()
        };
        let net: i128 = assets.iter().map(|asset| net_of(asset).max(0)).sum();
        let volume: i128 = of_hour.iter().map(|t| worth_of(t)).sum();
        let opposite = |t: &&&Trade| {
            t.block.id.height == one.block.id.height
                && t.sold.asset == one.bought.asset
                && t.bought.asset == one.sold.asset
        };
        let row = figures.entry(one.trader.address.clone()).or_insert((Usd::ZERO, Usd::ZERO, Usd::ZERO, 0));
        row.0.0 += worth_of(one);
        // Every hour is met once per trade of it; its net counts with the first.
        if of_hour[0].id() == one.id() {
            row.1.0 += net;
        }
        if net * 1_000 < volume || of_hour.iter().any(|t| opposite(&t)) {
            row.2.0 += worth_of(one);
            continue;
        }
        let crossed = pools(one);
        let share = divided(worth_of(one), crossed.len() as i128);
        for (at, pool) in crossed.iter().enumerate() {
            let part = if at + 1 < crossed.len() { share } else { worth_of(one) - share * at as i128 };
            let others =
                trades.iter().any(|t| t.trader != one.trader && t.chain == one.chain && pools(t).contains(pool));
            if !others {
                row.2.0 += part;
            }
        }
    }
    for (trader, row) in &mut figures {
        let mine = trades.iter().filter(|trade| trade.trader.address == *trader);
        row.3 = mine.flat_map(|t| pools(t).into_iter().map(|pool| (&t.chain, pool))).collect::<BTreeSet<_>>().len();
    }
    figures.retain(|_, row| row.0 != Usd::ZERO);
    figures
}

const SELECT_BOARD: &str =
    "SELECT trader, CAST(volume_usd AS text), CAST(net_volume_usd AS text), CAST(wash_usd AS text), counterparties
     FROM leaders_v1 WHERE measure = 'volume' AND span = ";

type BoardRow = (String, String, String, String, i64);

/// The board by volume of a span, in its order.
fn compare(span: &str, rows: &[BoardRow], expected: BTreeMap<String, (Usd, Usd, Usd, usize)>) {
    let mut ranked: Vec<_> = expected.into_iter().collect();
    ranked.sort_by_key(|(trader, row)| (std::cmp::Reverse(row.0.0 - row.2.0), trader.clone()));
    let expected: Vec<BoardRow> = ranked
        .into_iter()
        .map(|(trader, (volume, net, wash, pools))| {
            (trader, volume.to_string(), net.to_string(), wash.to_string(), i64::try_from(pools).unwrap())
        })
        .collect();
    assert_eq!(rows, expected, "{span}");
}

/// Random histories with reverts, in several parts; between the parts the boards are rebuilt.
async fn flows_are_those_of_the_trades_present<S>(store: &S, rows: impl AsyncFn(&str) -> Vec<BoardRow>)
where
    S: Store + Leaderboards,
{
    let chains: Vec<(u32, Vec<Event>)> = (0..6)
        .map(|number| {
            let mut events = history(&format!("flow{number}"), &mut Dice::new(u64::from(number) + 77), 90);
            for event in &mut events {
                event.trade.block.timestamp_ms = START_MS + event.trade.block.id.height * 1_500_000;
                // Few traders on few chains, so that a pool has one of them, or two.
                event.trade.trader.address = format!("{}-{}", event.trade.trader.address, number % 3);
            }
            (number, events)
        })
        .collect();
    for upto in [30, 60, 90] {
        for (number, events) in &chains {
            play(batches(&partition(*number), &events[..upto], 1 + upto / 7), store, 7).await;
        }
        let all: Vec<Trade> = chains.iter().flat_map(|(_, events)| live(&events[..upto])).collect();
        // The window begins in the middle of the histories.
        let now = START_MS + 23 * HOUR_MS + 2 * 1_500_000;
        assert!(store.rebuild(now).await.unwrap());
        compare("all", &rows("all").await, by_brute_force(&all, 0));
        compare("24h", &rows("24h").await, by_brute_force(&all, now / HOUR_MS - 23));
    }
}

/// One trader with a token and a pool of its own, a million there and back five times; and one who buys for 4,000.
async fn trading_with_oneself_leads_no_board<S>(store: &S, rows: impl AsyncFn(&str) -> Vec<BoardRow>)
where
    S: Store + Leaderboards,
{
    let at = |height: u64, trader: &str, sold: &str, bought: &str, usd: &str, pool: &str| {
        let mut trade = worth(swap("wash", trader, height, (sold, 10), (bought, 10)), usd);
        trade.block.timestamp_ms = START_MS + height * 1_000;
        trade.legs.iter_mut().for_each(|leg| pool.clone_into(&mut leg.pool));
        trade
    };
    let mut trades: Vec<Trade> = vec![];
    for number in 0..5 {
        trades.push(at(10 + 2 * number, "zed", "$usd", "own", "1000000", "mine"));
        trades.push(at(11 + 2 * number, "zed", "own", "$usd", "1000000", "mine"));
    }
    trades.push(at(30, "ann", "$usd", "cat", "4000", "public"));
    trades.push(at(31, "bob", "$usd", "cat", "10", "public"));
    trades.push(at(32, "cyd", "$usd", "own", "9000", "lonely"));
    let events: Vec<Event> = trades.iter().map(present).collect();
    let row = |trader: &str, volume: &str, net: &str, wash: &str| {
        (trader.to_owned(), volume.to_owned(), net.to_owned(), wash.to_owned(), 1)
    };
    play(batches(&partition(9), &events, 100), store, 100).await;
    assert!(store.rebuild(START_MS).await.unwrap());
    let (ann, bob) = (row("ann", "4000", "4000", "0"), row("bob", "10", "10", "0"));
    let (cyd, zed) = (row("cyd", "9000", "9000", "9000"), row("zed", "10000000", "0", "10000000"));
    assert_eq!(rows("all").await, [ann.clone(), bob.clone(), cyd, zed.clone()], "it is last, and not dropped");
    assert_eq!(rows("24h").await, rows("all").await);
    // A second trader in the lonely pool: its first was no wash. The second is taken back: it is again.
    let second = at(33, "dee", "$usd", "own", "5", "lonely");
    let more = [events.clone(), vec![present(&second)]].concat();
    play(batches(&partition(9), &more, 1), store, 100).await;
    assert!(store.rebuild(START_MS).await.unwrap());
    let cyd = row("cyd", "9000", "9000", "0");
    assert_eq!(rows("all").await[0], cyd, "its pool has another trader now");
    let back = [more, vec![absent(&second)]].concat();
    play(batches(&partition(9), &back, 1), store, 100).await;
    assert!(store.rebuild(START_MS).await.unwrap());
    assert_eq!(rows("all").await[..2], [ann, bob]);
}

#[tokio::test]
async fn flows_are_exact_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    for (name, case) in [("random.db", 0), ("wash.db", 1)] {
        let store = Sqlite::open(&directory.path().join(name), Method::Average).await.unwrap();
        let rows = async |span: &str| -> Vec<BoardRow> {
            let query = format!("{SELECT_BOARD} '{span}' ORDER BY rank");
            sqlx::query_as(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap()
        };
        match case {
            0 => flows_are_those_of_the_trades_present(&store, rows).await,
            _ => trading_with_oneself_leads_no_board(&store, rows).await,
        }
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM leader_changes").fetch_one(store.pool()).await.unwrap();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn flows_are_exact_on_postgres() {
    for case in [0, 1] {
        let Some((url, schema, mut connection)) = postgres_server(&format!("flows{case}")).await else { return };
        let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
        let rows = async |span: &str| -> Vec<BoardRow> {
            let query = format!("{SELECT_BOARD} '{span}' ORDER BY rank");
            sqlx::query_as(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap()
        };
        match case {
            0 => flows_are_those_of_the_trades_present(&store, rows).await,
            _ => trading_with_oneself_leads_no_board(&store, rows).await,
        }
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM leader_changes").fetch_one(store.pool()).await.unwrap();
        assert_eq!(left, 0);
        run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}
