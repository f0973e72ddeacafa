//! What a page of trades costs: rows walked over a large table, for every combination of filters, as the database counts
//! them itself; and what happens to a statement that takes too long.

use super::cost::Cost;
use super::sql::Statement;
use super::trade_sql::{MAX_ROWS_WALKED, TimeRange, position_steps, trades};
use super::{Dialect, Overload, Store};
use api_domain::{PositionKey, StatusFilter, StepKey, StepPage, TimeSpan, TradeFilter, TradeKey, TradeQuery};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::str::FromStr;
use tape::Usd;

/// Trades in the table; `CHAINTAPE_TRADES` asks for another number. With 5,000,000 every bound held on 2026-11-29, in 280 s.
const TRADES: u64 = 300_000;
/// Trades of one moment in the table.
const TRADES_PER_MOMENT: u64 = 10;
/// The first block time of the table.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// Every trader, chain, asset and venue is one of a few; a third of all trades are of one trader.
const COMMON: [&str; 4] = ["c1", "0xbot", "0xusdc1", "uniswap-v1"];
const UNKNOWN: [&str; 4] = ["zzz"; 4];
/// The same of platforms, pools and kinds.
const COMMON_PARTS: [&str; 3] = ["p1", "0xpool1", "swap"];

struct LargeTable {
    store: Store,
    trades: u64,
}

impl LargeTable {
    /// A database with many trades in four partitions, of which the first quarter is below the cut; none where the
    /// environment names no PostgreSQL.
    async fn create() -> Option<Self> {
        let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) else {
            println!("skipped: DATABASE_URL names no PostgreSQL");
            return None;
        };
        let trades = std::env::var("CHAINTAPE_TRADES").map_or(TRADES, |text| text.parse().unwrap());
        let name = format!("api_large_{}", std::process::id());
        let mut admin = PgConnection::connect(&url).await.unwrap();
        admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"))).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let options = PgConnectOptions::from_str(&url).unwrap().database(&name).options([("search_path", "metrics")]);
        let mut owner = PgConnection::connect_with(&options).await.unwrap();
        owner.execute("CREATE SCHEMA metrics").await.unwrap();
        migrations::metrics_postgres().run_direct(None, &mut owner, false).await.unwrap();
        let quarter = trades / TRADES_PER_MOMENT / 4 * 1_000;
        for part in 0..4 {
            let (from, to) = (BEGIN_MS + part * quarter, BEGIN_MS + (part + 1) * quarter);
            let sql = format!("CREATE TABLE trades_{part} PARTITION OF trades FOR VALUES FROM ({from}) TO ({to})");
            owner.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let fill = format!(
            "INSERT INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle, \
             sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, platform, pools, venues, \
             event) SELECT {BEGIN_MS} + (i / {TRADES_PER_MOMENT}) * 1000, \
             'c' || (i % 5) || '/b' || i / {TRADES_PER_MOMENT} || '/t' || i / 4 || '/' || i, 'c' || (i % 5), \
             CASE WHEN i % 3 = 0 THEN '0xbot' ELSE '0x' || (i % 1000) END, i / {TRADES_PER_MOMENT}, \
             i % {TRADES_PER_MOMENT}, 0, 'swap', CASE WHEN i % 50 = 0 THEN 'reverted' ELSE 'live' END, false, \
             '0xusdc' || (i % 20), 1, true, '0xweth' || (i % 30), 1, true, i % 1000, 'p' || (i % 7), '0xpool' || (i % 11) || chr(10) || '0xpool', \
             ARRAY['uniswap-v' || (i % 3)], \
             repeat('x', 300) FROM generate_series(0, {trades} - 1) i"
        );
        owner.execute(AssertSqlSafe(fill)).await.unwrap();
        owner.execute("INSERT INTO method (name) VALUES ('average')").await.unwrap();
        owner.execute(AssertSqlSafe(format!("UPDATE retention SET cut_ms = {}", BEGIN_MS + quarter))).await.unwrap();
        owner.execute("ANALYZE").await.unwrap();
        owner.close().await.unwrap();
        let (rest, query) = url.split_once('?').map_or((&*url, String::new()), |(rest, q)| (rest, format!("?{q}")));
        let authority = rest.split_once("://").unwrap().1.split('/').next().unwrap();
        let store = Store::from_url(&format!("postgres://{authority}/{name}{query}")).unwrap();
        Some(Self { store, trades })
    }

    /// A trade of the table, as a place to go on from.
    fn key(number: u64) -> TradeKey {
        TradeKey {
            block_time: BEGIN_MS + number / TRADES_PER_MOMENT * 1_000,
            chain: format!("c{}", number % 5),
            height: number / TRADES_PER_MOMENT,
            index: u32::try_from(number % TRADES_PER_MOMENT).unwrap(),
            ordinal: 0,
            id: format!("c{}/b{}/t{}/{number}", number % 5, number / TRADES_PER_MOMENT, number / 4),
            trader: "0x1".into(),
        }
    }

    /// Nothing beside the filter; spans of which one ends long ago and one is empty; a transaction, and one that is not there.
    fn spans_and_transactions(&self) -> Vec<(TimeSpan, Option<String>)> {
        let at = |part: u64| Some(BEGIN_MS + self.trades / TRADES_PER_MOMENT * 1_000 / part);
        let none = TimeSpan::default();
        let (narrow, empty) = (TimeSpan { from: at(3), to: at(2) }, TimeSpan { from: at(2), to: at(2) });
        vec![
            (none, None),
            (TimeSpan { to: at(2), ..none }, None),
            (narrow, None),
            (empty, None),
            (none, Some(format!("t{}", self.trades / 8))),
            (narrow, Some("zzz".to_owned())),
        ]
    }

    /// Rows of trades that a statement walks.
    async fn walked(&self, statement: Statement) -> u64 {
        let shown = statement.sql.clone();
        let explain = Statement { sql: format!("EXPLAIN (ANALYZE) {}", statement.sql), ..statement };
        let [plan] = self.store.fetch_together("explain", [explain]).await.unwrap();
        let lines: Vec<String> = plan.into_iter().flatten().flatten().collect();
        let (mut walked, mut in_trades) = (0, false);
        for line in &lines {
            if line.contains("(actual ") {
                in_trades = line.contains(" on trades_");
                assert!(!(in_trades && line.contains("Seq Scan")), "{shown}\n{}", lines.join("\n"));
                let number = |name: &str| number_after(line.split("(actual ").nth(1).unwrap(), name);
                walked += if in_trades { number("rows=") * number("loops=") } else { 0 };
            } else if in_trades && line.contains("Rows Removed by") {
                walked += number_after(line, ": ");
            }
        }
        assert!(walked <= u64::from(MAX_ROWS_WALKED) + 2 * TRADES_PER_MOMENT + 64, "{shown}\n{}", lines.join("\n"));
        walked
    }
}

fn number_after(text: &str, name: &str) -> u64 {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.split_once(name).and_then(|(_, rest)| digits(rest).parse().ok()).unwrap_or(0)
}

/// Every combination of filters, each with values that many trades have and with values that none has.
fn filters() -> Vec<TradeFilter> {
    let one = |values: [&str; 4], set: u8| {
        let value = |bit: u8, at: usize| (set & (1 << bit) != 0).then(|| values[at].to_owned());
        TradeFilter {
            chain: value(0, 0),
            trader: value(1, 1),
            asset: value(2, 2),
            venue: value(3, 3),
            ..TradeFilter::default()
        }
    };
    let parts = |trader: Option<&str>, [platform, pool, kind]: [&str; 3]| {
        let text = |text: &str| Some(text.to_owned());
        let of = TradeFilter { trader: trader.map(str::to_owned), ..TradeFilter::default() };
        [
            TradeFilter { platform: text(platform), ..of.clone() },
            TradeFilter { pool: text(pool), ..of.clone() },
            TradeFilter { kind: text(kind), ..of.clone() },
            TradeFilter { min_usd: Some(Usd(999 * Usd::ONE.0)), ..of.clone() },
            TradeFilter { min_usd: Some(Usd(1_000 * Usd::ONE.0)), ..of.clone() },
            TradeFilter {
                platform: text(platform),
                pool: text(pool),
                kind: text(kind),
                min_usd: Some(Usd(500 * Usd::ONE.0)),
                ..of
            },
        ]
    };
    let parts = [None, Some("0xbot"), Some("zzz")]
        .into_iter()
        .flat_map(|trader| [COMMON_PARTS, ["zzz"; 3]].into_iter().flat_map(move |values| parts(trader, values)));
    (0..16).flat_map(|set| [one(COMMON, set), one(UNKNOWN, set)]).chain(parts).collect()
}

#[tokio::test]
async fn no_page_walks_more_rows_than_its_bound() {
    let Some(table) = LargeTable::create().await else { return };
    let (mut most, mut statements) = (0, 0);
    let places = [None, Some(LargeTable::key(table.trades / 2)), Some(LargeTable::key(table.trades / 5))];
    for filter in filters() {
        for shown in [StatusFilter::Live, StatusFilter::All] {
            for after in &places {
                for range in [TimeRange::Kept, TimeRange::WithoutClock] {
                    // Of every combination some: each takes the database a moment.
                    let bounded = shown == StatusFilter::Live && (after.is_none() || filter.trader.is_some());
                    let count = if bounded { usize::MAX } else { 1 };
                    for (span, transaction) in table.spans_and_transactions().into_iter().take(count) {
                        let (filter, after) = (filter.clone(), after.clone());
                        let query = TradeQuery { filter, span, transaction, shown, after, limit: 501 };
                        let of_transaction = query.transaction.is_some();
                        let walked = table.walked(trades(&query, range, Dialect::Postgres)).await;
                        assert!(!of_transaction || walked <= 64, "{walked} rows were walked for one transaction");
                        most = most.max(walked);
                        statements += 1;
                    }
                }
            }
        }
    }
    assert!(most >= u64::from(MAX_ROWS_WALKED), "the bound was never reached: {most}");
    for asset in ["0xusdc1", "zzz"] {
        let position = PositionKey { address: "0xbot".into(), chain: "c1".into(), asset: asset.into() };
        for after in [None, Some(table.trades / 2), Some(table.trades / 5)] {
            let after = after.map(LargeTable::key).map(|key| StepKey {
                block_time: key.block_time,
                height: key.height,
                index: key.index,
                ordinal: key.ordinal,
                id: key.id,
            });
            for range in [TimeRange::Kept, TimeRange::WithoutClock] {
                let page = StepPage { after: after.clone(), limit: 501 };
                most = most.max(table.walked(position_steps(&position, &page, range)).await);
                statements += 1;
            }
        }
    }
    println!("{statements} statements over {} trades; at most {most} rows walked", table.trades);
    table.store.close().await;
}

/// On SQLite the plan says whether the index of transactions is used, and nothing else of the table is read.
#[tokio::test]
async fn a_transaction_is_found_by_its_index_on_sqlite() {
    let mut owner = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    migrations::metrics_sqlite().run_direct(None, &mut owner, false).await.unwrap();
    let filter = TradeFilter { trader: Some("0xa".into()), min_usd: Some(Usd::ONE), ..TradeFilter::default() };
    for filter in [TradeFilter::default(), filter] {
        for (hash, searched) in [(Some("0xt"), "USING INDEX trades_of_transaction"), (None, "USING INDEX")] {
            let transaction = hash.map(str::to_owned);
            let query = TradeQuery { filter: filter.clone(), transaction, limit: 50, ..TradeQuery::default() };
            for range in [TimeRange::Kept, TimeRange::WithoutClock] {
                let statement = trades(&query, range, Dialect::Sqlite);
                let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql.replace("metrics.", ""));
                let plan: Vec<(i64, i64, i64, String)> =
                    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut owner).await.unwrap();
                let of_trades: Vec<&String> =
                    plan.iter().map(|(.., line)| line).filter(|line| line.contains(" trades")).collect();
                assert!(!of_trades.is_empty() && of_trades.iter().all(|line| line.contains(searched)), "{plan:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_told_from_a_failure() {
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT 1 - x + x FROM n) \
                   SELECT CAST(count(*) AS text) FROM n";
    let directory = tempfile::tempdir().unwrap();
    for owner in ["metrics", "portfolio"] {
        std::fs::File::create(directory.path().join(format!("{owner}.db"))).unwrap();
    }
    let mut urls = vec![format!("sqlite:{}", directory.path().display())];
    urls.extend(std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")));
    for url in urls {
        let store = Store::from_url(&url).unwrap();
        let statement = Statement { cost: Cost::Probe, ..Statement::new(endless) };
        let ended = store.fetch("count for ever", statement).await.unwrap_err();
        assert_eq!(Overload::of_failure(&ended), Some(Overload::TooSlow), "{}", environment::with_causes(&ended));
        let wrong =
            store.fetch("read what is not there", Statement::new("SELECT a FROM metrics.no")).await.unwrap_err();
        assert_eq!(Overload::of_failure(&wrong), None);
        // The connection serves on.
        let one = Statement { cost: Cost::Probe, ..Statement::new("SELECT CAST(1 AS text)") };
        assert_eq!(store.fetch("read a number", one).await.unwrap(), [[Some("1".to_owned())]]);
    }
}
