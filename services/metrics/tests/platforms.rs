//! What platforms are used for and what they earn is what the trades say that are present, however they came.
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
use trades::{Dice, batches, history, partition, play};

const START_MS: u64 = 1_700_000_000_000;
const DAY_MS: u64 = 86_400_000;
const PLATFORMS: [Option<&str>; 3] = [Some("shop"), None, Some("bar")];

/// The swaps present after these events, by the rule alone.
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

/// Users, swaps, unvalued swaps, volume and fees of some trades, as text.
fn figures<'a>(trades: impl Iterator<Item = &'a Trade>) -> [String; 5] {
    let (mut users, mut swaps, mut unvalued, mut volume, mut fees) = (BTreeSet::new(), 0, 0, 0, 0);
    for trade in trades {
        users.insert(&trade.trader.address);
        swaps += 1;
        unvalued += u32::from(trade.valuation.is_none());
        volume += trade.valuation.as_ref().map_or(0, |valuation| valuation.notional.0);
        fees += trade.valuation.as_ref().and_then(|valuation| valuation.fee).map_or(0, |fee| fee.0);
    }
    [users.len().to_string(), swaps.to_string(), unvalued.to_string(), Usd(volume).to_string(), Usd(fees).to_string()]
}

/// The rows of a view: what it is of, and its figures.
type Rows = BTreeMap<String, [String; 5]>;

const FIGURES: &str = "CAST(users AS text), CAST(swaps AS text), CAST(unvalued AS text), CAST(volume_usd AS text), \
                       CAST(fees_usd AS text)";

fn grouped(trades: &[Trade], names: impl Fn(&Trade, &str) -> Vec<String>) -> Rows {
    let all: BTreeSet<String> =
        trades.iter().filter_map(|trade| Some(names(trade, trade.platform.as_deref()?))).flatten().collect();
    let of = |name: String| {
        let mine = trades
            .iter()
            .filter(|trade| trade.platform.as_deref().is_some_and(|platform| names(trade, platform).contains(&name)));
        (name.clone(), figures(mine))
    };
    all.into_iter().map(of).collect()
}

/// The boards of every platform by the rule alone: platform, span, measure, rank, trader.
fn boards(trades: &[Trade], span: &str) -> Rows {
    let mut ranked = Rows::new();
    for (measure, at) in [("volume", 3), ("fees", 4)] {
        for platform in PLATFORMS.into_iter().flatten() {
            let of_platform: Vec<Trade> =
                trades.iter().filter(|trade| trade.platform.as_deref() == Some(platform)).cloned().collect();
            let users = grouped(&of_platform, |trade, _| vec![trade.trader.address.clone()]);
            let mut users: Vec<(String, [String; 5])> = users.into_iter().filter(|(_, row)| row[at] != "0").collect();
            users.sort_by_key(|(trader, row)| (std::cmp::Reverse(Usd::parse(&row[at]).unwrap()), trader.clone()));
            let named = (1..)
                .zip(users)
                .map(|(rank, (trader, row))| (format!("{platform} {span} {measure} {rank} {trader}"), row));
            ranked.extend(named);
        }
    }
    ranked
}

/// Random histories with reverts on several chains, in several parts; between the parts the sums are rebuilt.
async fn platforms_are_those_of_the_trades_present<S>(store: &S, rows: impl AsyncFn(String) -> Rows)
where
    S: Store + Leaderboards,
{
    let chains: Vec<(u32, Vec<Event>)> = (0..5)
        .map(|number| {
            let mut events = history(&format!("flow{number}"), &mut Dice::new(u64::from(number) + 11), 80);
            for event in &mut events {
                let height = event.trade.block.id.height;
                event.trade.block.timestamp_ms = START_MS + height * 3_000_000;
                let number = usize::try_from(height).unwrap() + event.trade.trader.address.len();
                event.trade.platform = PLATFORMS[number % 3].map(str::to_owned);
                if let Some(valuation) = &mut event.trade.valuation {
                    valuation.fee = height.is_multiple_of(2).then_some(Usd(valuation.notional.0 / 100));
                }
            }
            (number, events)
        })
        .collect();
    for upto in [25, 50, 80] {
        for (number, events) in &chains {
            play(batches(&partition(*number), &events[..upto], 1 + upto / 7), store, 7).await;
        }
        assert!(store.rebuild(START_MS).await.unwrap());
        let all: Vec<Trade> = chains.iter().flat_map(|(_, events)| live(&events[..upto])).collect();
        let expected = grouped(&all, |_, platform| vec![platform.to_owned()]);
        assert!(expected.len() == 2 && expected.values().all(|row| row[4] != "0"), "{expected:?}");
        assert_eq!(rows(format!("SELECT platform, {FIGURES} FROM platforms_v1")).await, expected);
        let expected = grouped(&all, |trade, platform| {
            let day = trade.block.timestamp_ms / DAY_MS;
            let of = |asset: &str| format!("{platform} {day} {} {asset}", trade.chain);
            vec![of(""), of(&trade.sold.asset), of(&trade.bought.asset)]
        });
        let name = "platform || ' ' || day || ' ' || chain || ' ' || asset";
        assert_eq!(rows(format!("SELECT {name}, {FIGURES} FROM platform_days_v1")).await, expected);
        let expected = grouped(&all, |trade, platform| {
            let hour = trade.block.timestamp_ms / 3_600_000;
            vec![format!("{platform} {hour} {} {}", trade.chain, trade.trader.address)]
        });
        let name = "platform || ' ' || hour || ' ' || chain || ' ' || trader";
        let figures = FIGURES.replace("users", "1");
        assert_eq!(rows(format!("SELECT {name}, {figures} FROM user_platforms_v1")).await, expected);
    }
    // Boards: by volume and fees, of all time and of a window that begins in the middle of the histories.
    let now = START_MS + 23 * 3_600_000 + 20 * 3_000_000;
    assert!(store.rebuild(now).await.unwrap());
    let all: Vec<Trade> = chains.iter().flat_map(|(_, events)| live(events)).collect();
    let since = |hour: u64| all.iter().filter(move |trade| trade.block.timestamp_ms / 3_600_000 >= hour).cloned();
    let mut expected = boards(&all, "all");
    expected.extend(boards(&since(now / 3_600_000 - 23).collect::<Vec<_>>(), "24h"));
    let name = "platform || ' ' || span || ' ' || measure || ' ' || CAST(rank AS text) || ' ' || trader";
    let figures = FIGURES.replace("users", "1");
    let query = format!("SELECT {name}, {figures} FROM platform_leaders_v1 WHERE span IN ('all', '24h')");
    assert_eq!(rows(query).await, expected);
    // Everything is taken back: nothing is left.
    for (number, events) in &chains {
        let gone = live(events).into_iter().map(|trade| trades::absent(&trade));
        let all: Vec<Event> = events.iter().cloned().chain(gone).collect();
        play(batches(&partition(*number), &all, 9), store, 7).await;
    }
    assert!(store.rebuild(START_MS).await.unwrap());
    for view in ["platforms_v1", "platform_days_v1", "platform_leaders_v1"] {
        let query = format!("SELECT platform, '', '', '', '', '' FROM {view}");
        assert_eq!(rows(query).await, Rows::new(), "{view}");
    }
    assert_eq!(rows("SELECT trader, '', '', '', '', '' FROM platform_users".to_owned()).await, Rows::new());
}

type Row = (String, String, String, String, String, String);

fn by_name(rows: Vec<Row>) -> Rows {
    let count = rows.len();
    let rows: Rows = rows.into_iter().map(|(name, a, b, c, d, e)| (name, [a, b, c, d, e])).collect();
    assert_eq!(rows.len(), count, "a row comes twice");
    rows
}

#[tokio::test]
async fn platforms_are_exact_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("metrics.db"), Method::Average).await.unwrap();
    let rows =
        async |query: String| by_name(sqlx::query_as(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap());
    platforms_are_those_of_the_trades_present(&store, rows).await;
}

#[tokio::test]
async fn platforms_are_exact_on_postgres() {
    let Some((url, schema, mut connection)) = postgres_server("platforms").await else { return };
    let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    let rows =
        async |query: String| by_name(sqlx::query_as(AssertSqlSafe(query)).fetch_all(store.pool()).await.unwrap());
    platforms_are_those_of_the_trades_present(&store, rows).await;
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}
