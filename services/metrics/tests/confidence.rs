//! Volume by confidence is a sum over the trades present, in totals and hours of both databases; what a version before
//! folded has no confidence, and takes none with it when it is reverted.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics_domain::{Method, Store};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use stores::{postgres_server, run_sql};
use tape::{Event, Status, Trade, Usd};
use trades::{Dice, batches, history, partition, play};

/// Volume, and what of it is exact, reported, estimated, traced.
type Volumes = [i128; 5];

const USERS: &str = "SELECT chain || ' ' || trader, CAST(volume_usd AS text), CAST(volume_exact_usd AS text),
    CAST(volume_reported_usd AS text), CAST(volume_estimated_usd AS text), CAST(volume_traced_usd AS text)
    FROM user_totals_v1";
const HOURS: &str = "SELECT chain || ' ' || trader || ' ' || hour, CAST(volume_usd AS text),
    CAST(volume_exact_usd AS text), CAST(volume_reported_usd AS text), CAST(volume_estimated_usd AS text),
    CAST(volume_traced_usd AS text) FROM user_hours_v1";

type Row = (String, String, String, String, String, String);

fn volumes_by_name(rows: Vec<Row>) -> BTreeMap<String, Volumes> {
    let usd = |text: &str| Usd::parse(text).unwrap().0;
    let rows = rows.into_iter().map(|(name, a, b, c, d, e)| (name, [&a, &b, &c, &d, &e].map(|text| usd(text))));
    rows.filter(|(_, volumes)| *volumes != [0; 5]).collect()
}

/// The trades present after these events, by the rule alone.
fn present(events: &[Event]) -> Vec<Trade> {
    let mut live = BTreeMap::new();
    for event in events {
        if event.status == Status::Reverted {
            live.remove(&event.trade.id());
        } else {
            live.entry(event.trade.id()).or_insert_with(|| *event.trade.clone());
        }
    }
    live.into_values().collect()
}

/// The volumes of some trades, by a name for each.
fn volumes_of(trades: &[Trade], with_words: bool, name: impl Fn(&Trade) -> String) -> BTreeMap<String, Volumes> {
    let mut volumes: BTreeMap<String, Volumes> = BTreeMap::new();
    for trade in trades {
        let Some(valuation) = &trade.valuation else { continue };
        if trade.kind == Trade::CYCLE || trade.sold.asset == trade.bought.asset {
            continue;
        }
        let of = volumes.entry(name(trade)).or_default();
        of[0] += valuation.notional.0;
        let word = trade.attributes.get("confidence").map(String::as_str);
        let at = [None, Some("reported"), Some("estimated"), Some("traced")].iter().position(|known| *known == word);
        if let Some(at) = at.filter(|_| with_words) {
            of[at + 1] += valuation.notional.0;
        }
    }
    volumes.retain(|_, volumes| *volumes != [0; 5]);
    volumes
}

fn user_of(trade: &Trade) -> String {
    format!("{} {}", trade.chain, trade.trader.address)
}

fn hour_of(trade: &Trade) -> String {
    format!("{} {}", user_of(trade), trade.block.timestamp_ms / 3_600_000)
}

fn histories() -> Vec<(u32, Vec<Event>)> {
    (0..6)
        .map(|number| (number, history(&format!("sure{number}"), &mut Dice::new(u64::from(number) + 70), 90)))
        .collect()
}

/// Random histories with reverts on several chains, in several parts; after each the sums are those of what is present.
/// `forget` turns the database back into one of the version before; opened again, it goes on.
async fn volumes_are_those_of_the_trades_present<S: Store>(
    open: impl AsyncFn() -> S,
    rows: impl AsyncFn(&S, &'static str) -> Vec<Row>,
    forget: impl AsyncFnOnce(S),
) {
    let store = open().await;
    let histories = histories();
    for upto in [30, 60] {
        for (number, events) in &histories {
            play(batches(&partition(*number), &events[..upto], 1 + upto / 7), &store, 7).await;
        }
        let all: Vec<Trade> = histories.iter().flat_map(|(_, events)| present(&events[..upto])).collect();
        let expected = volumes_of(&all, true, user_of);
        for at in 1..5 {
            assert!(expected.values().any(|volumes| volumes[at] != 0), "every word occurs: {expected:?}");
        }
        assert_eq!(volumes_by_name(rows(&store, USERS).await), expected);
        assert_eq!(volumes_by_name(rows(&store, HOURS).await), volumes_of(&all, true, hour_of));
    }
    forget(store).await;
    let store = open().await;
    let all: Vec<Trade> = histories.iter().flat_map(|(_, events)| present(&events[..60])).collect();
    assert_eq!(volumes_by_name(rows(&store, USERS).await), volumes_of(&all, false, user_of), "no word is made up");
    // Everything of the version before is reverted, and every trade of it is applied again: now each has its word.
    let gone: Vec<(u32, Vec<Event>)> = histories
        .iter()
        .map(|(number, events)| {
            let gone = present(&events[..60]).iter().map(trades::absent).collect::<Vec<_>>();
            (*number, events[..60].iter().cloned().chain(gone).collect())
        })
        .collect();
    for (number, events) in &gone {
        play(batches(&partition(*number), events, 9), &store, 7).await;
    }
    assert_eq!(volumes_by_name(rows(&store, USERS).await), BTreeMap::new(), "nothing is left under any word");
    assert_eq!(volumes_by_name(rows(&store, HOURS).await), BTreeMap::new());
    for (number, events) in &gone {
        let again = events[..60].iter().filter(|event| event.status != Status::Reverted).cloned();
        let events: Vec<Event> = events.iter().cloned().chain(again).collect();
        play(batches(&partition(*number), &events, 11), &store, 7).await;
    }
    let all: Vec<Trade> = histories
        .iter()
        .flat_map(|(_, events)| {
            let applied: Vec<Event> =
                events[..60].iter().filter(|event| event.status != Status::Reverted).cloned().collect();
            present(&applied)
        })
        .collect();
    assert_eq!(volumes_by_name(rows(&store, USERS).await), volumes_of(&all, true, user_of));
    assert_eq!(volumes_by_name(rows(&store, HOURS).await), volumes_of(&all, true, hour_of));
}

const COLUMNS: [&str; 4] = ["volume_exact_usd", "volume_reported_usd", "volume_estimated_usd", "volume_traced_usd"];

/// Statements after which the newest migration must be applied again.
fn forgetting(version: u32) -> String {
    let tables = ["user_totals", "user_hours"];
    let dropped =
        tables.map(|table| COLUMNS.map(|column| format!("ALTER TABLE {table} DROP COLUMN {column};")).concat());
    format!(
        "DROP VIEW user_totals_v1; DROP VIEW user_hours_v1; {} ALTER TABLE trades DROP COLUMN confidence;
         ALTER TABLE method DROP COLUMN confidence_complete; DELETE FROM _sqlx_migrations WHERE version = {version}",
        dropped.concat()
    )
}

const IS_COMPLETE: &str = "SELECT confidence_complete FROM method";

#[tokio::test]
async fn volumes_are_exact_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.db");
    let open = async || Sqlite::open(&path, Method::Average).await.unwrap();
    let rows = async |store: &Sqlite, query: &'static str| {
        sqlx::query_as::<_, Row>(query).fetch_all(store.pool()).await.unwrap()
    };
    let forget = async |store: Sqlite| {
        assert!(sqlx::query_scalar::<_, bool>(IS_COMPLETE).fetch_one(store.pool()).await.unwrap());
        let views = "CREATE VIEW user_totals_v1 AS SELECT 1; CREATE VIEW user_hours_v1 AS SELECT 1";
        let forget = format!("{}; {views}", forgetting(17));
        sqlx::raw_sql(AssertSqlSafe(forget)).execute(store.pool()).await.unwrap();
    };
    volumes_are_those_of_the_trades_present(open, rows, forget).await;
    let store = open().await;
    assert!(!sqlx::query_scalar::<_, bool>(IS_COMPLETE).fetch_one(store.pool()).await.unwrap());
}

#[tokio::test]
async fn volumes_are_exact_on_postgres() {
    let Some((url, schema, mut connection)) = postgres_server("confidence").await else { return };
    let open = async || Postgres::open(&url, &schema, Method::Average).await.unwrap();
    let rows = async |store: &Postgres, query: &'static str| {
        sqlx::query_as::<_, Row>(query).fetch_all(store.pool()).await.unwrap()
    };
    let forget = async |store: Postgres| {
        assert!(sqlx::query_scalar::<_, bool>(IS_COMPLETE).fetch_one(store.pool()).await.unwrap());
        sqlx::raw_sql(AssertSqlSafe(forgetting(19))).execute(store.pool()).await.unwrap();
    };
    volumes_are_those_of_the_trades_present(open, rows, forget).await;
    let store = open().await;
    assert!(!sqlx::query_scalar::<_, bool>(IS_COMPLETE).fetch_one(store.pool()).await.unwrap());
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}
