//! Compares the tables of metrics with those of a metrics that read only the truth, and those of portfolio with sums of it.

use super::databases::{connect_with_retry, create_database, drop_database};
use anyhow::ensure;
use environment::{Problems, Shutdown};
use num_bigint::{BigInt, Sign};
use sqlx::{PgPool, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use tape::{Status, Trade};
use tape_log::{Log, Record, Target, topics};
use wire::v1::metrics::MetricsUpdated;
use wire::v1::trade;

/// Tables whose rows depend on more than the trades, and columns that depend on the run.
const TABLES_LEFT_OUT: [&str; 8] =
    ["position", "outbox", "_sqlx_migrations", "trades", "tape_partitions", "price_changes", "assets", "asset_pools"];
const COLUMNS_LEFT_OUT: [&str; 1] = ["partition"];

/// Whether the tables equal those of a metrics that read only the truth into a database beside, and sums computed here.
pub(super) async fn compare(
    tape: &Log,
    database: &str,
    truth: &[Trade],
    findings: &mut Vec<String>,
) -> anyhow::Result<bool> {
    let name = format!("truth-{}-{}", std::process::id(), environment::now_ms());
    let clean = create_database(database, &name).await?;
    let memory = Log::open(&Target::Memory).await?;
    let event = |(index, trade): (usize, &Trade)| {
        let key = trade.key().into_bytes();
        let event = trade::encode_as(&format!("truth/1/{index}"), Status::Observed, trade);
        Record { partition: topics::TRADES.partition_of(&key), key, headers: vec![], value: Some(event) }
    };
    memory.publish(truth.iter().enumerate().map(event).collect()).await?;
    let strings: HashMap<String, String> = HashMap::from([("DATABASE_URL".to_owned(), clean.clone())]);
    let mut problems = Problems::default();
    let settings = metrics::Settings::read(&strings, &mut problems);
    problems.finish()?;
    let shutdown = Shutdown::default();
    let folding = tokio::spawn(metrics::run(settings, memory, shutdown.clone()));
    let (tested, clean) = (connect_with_retry(database).await?, connect_with_retry(&clean).await?);
    let deadline = Instant::now() + Duration::from_mins(10);
    while live_trades(&clean).await.unwrap_or(-1) < i64::try_from(truth.len())? || !is_priced(&clean).await? {
        ensure!(Instant::now() < deadline && !folding.is_finished(), "the truth is not folded within ten minutes");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shutdown.trigger();
    folding.await??;
    let before = findings.len();
    wait_until_priced(&tested).await?;
    let live = live_trades(&tested).await?;
    if live != i64::try_from(truth.len())? {
        findings.push(format!("{live} trades are live in the table, {} in the truth", truth.len()));
    }
    for table in &compared_tables(&clean).await? {
        let (tested_rows, clean_rows) = (read_rows(&tested, table).await?, read_rows(&clean, table).await?);
        if tested_rows != clean_rows {
            let differs = tested_rows.iter().zip(&clean_rows).find(|(one, other)| one != other);
            findings.push(format!(
                "table {table}: {} rows, {} by the truth; {differs:?}",
                tested_rows.len(),
                clean_rows.len()
            ));
        }
    }
    compare_totals(&tested, truth, findings).await?;
    compare_nets(&tested, truth, findings).await?;
    compare_last_messages(tape, &tested, findings).await?;
    clean.close().await;
    drop_database(database, &name).await?;
    Ok(findings.len() == before)
}

/// The tables whose rows depend on the trades alone.
async fn compared_tables(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'metrics' and table_type = 'BASE TABLE'
         and table_name not in (select inhrelid::regclass::text from pg_inherits) order by 1",
    )
    .fetch_all(pool)
    .await?;
    Ok(tables.into_iter().filter(|table| !left_out(table)).collect())
}

/// The rows of each of these tables, as they are.
pub(crate) async fn tables(database: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let pool = connect_with_retry(database).await?;
    wait_until_priced(&pool).await?;
    let mut tables = BTreeMap::new();
    for table in compared_tables(&pool).await? {
        let rows = read_rows(&pool, &table).await?;
        tables.insert(table, rows);
    }
    pool.close().await;
    Ok(tables)
}

fn left_out(table: &str) -> bool {
    TABLES_LEFT_OUT.contains(&table) || table.starts_with("trades_") || table.starts_with("leader")
}

/// Whether the candles of all minutes are calculated.
async fn is_priced(pool: &PgPool) -> anyhow::Result<bool> {
    Ok(sqlx::query_scalar("select not exists (select 1 from metrics.price_changes)").fetch_one(pool).await?)
}

/// Waits until they are. After a minute, what is noted then is compared as it is.
async fn wait_until_priced(pool: &PgPool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_priced(pool).await? && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn live_trades(pool: &PgPool) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from metrics.trades where status = 'live'").fetch_one(pool).await?)
}

/// Every row of a table as sorted text, without columns that depend on the run and without rows of users whose counts are zero.
async fn read_rows(pool: &PgPool, table: &str) -> anyhow::Result<Vec<String>> {
    let columns: Vec<String> = COLUMNS_LEFT_OUT.map(str::to_owned).to_vec();
    // Numbers as exact text: serde_json would read them as floats.
    let query = format!(
        "select (select jsonb_object_agg(key, case jsonb_typeof(value)
            when 'number' then to_jsonb(trim_scale((value #>> '{{}}')::numeric)::text) else value end)
         from jsonb_each(to_jsonb(t) - $1::text[]))::text from metrics.{table} t"
    );
    let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(columns).fetch_all(pool).await?;
    let mut rows: Vec<String> = rows.into_iter().filter_map(|row| comparable(&row)).collect();
    rows.sort();
    Ok(rows)
}

/// A row without its marks of what was ever seen; none where every count is zero.
fn comparable(row: &str) -> Option<String> {
    let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).ok()?;
    row.retain(|key, _| !key.starts_with("seen_") && !key.starts_with("decorated_"));
    let counts = ["trades", "swaps", "cycles", "unvalued"];
    let counted: Vec<u64> = counts.iter().filter_map(|key| row.get(*key)?.as_str()?.parse().ok()).collect();
    let empty = !counted.is_empty() && counted.iter().all(|count| *count == 0);
    (!empty).then(|| serde_json::Value::Object(row).to_string())
}

/// Compares volume and count of every user with sums computed from the truth.
async fn compare_totals(pool: &PgPool, truth: &[Trade], findings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut users: BTreeMap<(String, String), (i128, i64)> = BTreeMap::new();
    for trade in truth {
        let user = users.entry((trade.trader.address.clone(), trade.chain.to_string())).or_default();
        user.0 += trade.valuation.as_ref().map_or(0, |valuation| valuation.notional.0);
        user.1 += 1;
    }
    let query =
        "select trader, chain, (sum(volume_usd) * 1000000000000000000)::numeric(60, 0)::text, sum(swaps)::bigint
         from metrics.user_totals_v1 group by trader, chain";
    let rows = sqlx::query(query).fetch_all(pool).await?;
    let mut kept = BTreeMap::new();
    for row in rows {
        let volume: String = row.get(2);
        kept.insert(
            (row.get::<String, _>(0), row.get::<String, _>(1)),
            (volume.parse::<i128>()?, row.get::<i64, _>(3)),
        );
    }
    if kept != users {
        let differs = users.iter().find(|(key, sums)| kept.get(*key) != Some(*sums));
        findings.push(format!(
            "sums of users differ from the truth's: {} and {}; {differs:?}",
            kept.len(),
            users.len()
        ));
    }
    Ok(())
}

/// Compares what portfolio stores of every wallet with the truth: the live trades, and the net of each asset.
async fn compare_nets(pool: &PgPool, truth: &[Trade], findings: &mut Vec<String>) -> anyhow::Result<()> {
    let live: Vec<String> = sqlx::query_scalar("select trade_id from portfolio.live_trades").fetch_all(pool).await?;
    let (live, expected): (BTreeSet<String>, BTreeSet<String>) =
        (live.into_iter().collect(), truth.iter().map(Trade::id).collect());
    if live != expected {
        let differs = live.symmetric_difference(&expected).next();
        findings.push(format!("portfolio keeps {} trades, {} are true: {differs:?}", live.len(), expected.len()));
    }
    let mut sums: BTreeMap<[String; 3], BigInt> = BTreeMap::new();
    for trade in truth {
        for (side, sign) in [(&trade.bought, Sign::Plus), (&trade.sold, Sign::Minus)] {
            let key = [trade.chain.to_string(), trade.trader.address.clone(), side.asset.clone()];
            *sums.entry(key).or_default() += BigInt::from_bytes_le(sign, &side.raw.to_le_bytes::<32>());
        }
    }
    let rows = sqlx::query("select chain, address, asset, raw::text from portfolio.nets").fetch_all(pool).await?;
    let mut kept = BTreeMap::new();
    for row in rows {
        kept.insert([row.get(0), row.get(1), row.get(2)], row.get::<String, _>(3).parse::<BigInt>()?);
    }
    for sums in [&mut sums, &mut kept] {
        sums.retain(|_, raw| *raw != BigInt::ZERO);
    }
    if kept != sums {
        let differs = sums.iter().find(|(key, raw)| kept.get(*key) != Some(*raw));
        findings.push(format!("portfolio's nets differ: {} and {}; {differs:?}", kept.len(), sums.len()));
    }
    Ok(())
}

/// Compares the newest message about every user with the tables.
async fn compare_last_messages(tape: &Log, pool: &PgPool, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut newest: BTreeMap<(String, String), (u64, MetricsUpdated)> = BTreeMap::new();
    for partition in topics::METRICS_UPDATED.partitions() {
        for record in tape.read_all(&partition).await? {
            let update = wire::v1::metrics::decode(record.value.as_deref().unwrap_or_default())?;
            let (user, as_of) = ((update.trader.clone(), update.chain.clone()), update.as_of.offset);
            if newest.get(&user).is_none_or(|(known, _)| *known <= as_of) {
                newest.insert(user, (as_of, update));
            }
        }
    }
    let query = "select trader, chain, swaps, trim_scale(volume_usd)::text, trim_scale(realized_pnl_usd)::text
                 from metrics.user_totals_v1";
    for row in sqlx::query(query).fetch_all(pool).await? {
        let user = (row.get::<String, _>(0), row.get::<String, _>(1));
        let kept = (row.get::<i64, _>(2).cast_unsigned(), row.get::<String, _>(3), row.get::<String, _>(4));
        let published = newest.get(&user).map(|(_, update)| {
            let totals = &update.totals;
            (totals.swaps, totals.volume_usd.clone(), totals.realized_pnl_usd.clone())
        });
        if published.as_ref() != Some(&kept) {
            findings.push(format!("the last message about {user:?} has {published:?}, the tables {kept:?}"));
        }
    }
    Ok(())
}
