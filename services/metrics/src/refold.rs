//! `metrics refold` proves that the tables are a function of the tape: it folds the tape again from its first record,
//! into scratch tables, up to the read positions of the tables in force. Then it compares both row by row, byte by
//! byte.

mod digest;
mod replay;

use crate::adapters::postgres::Postgres;
use crate::adapters::sqlite::Sqlite;
use crate::prices::Prices;
use crate::settings::{Database, Settings};
use anyhow::Context;
use digest::TableDigest;
use metrics_domain::{Store, follow};
use replay::Replay;
use sqlx::AssertSqlSafe;
use tape::Partition;
use tape_log::guard::{self, TapeMemory};
use tape_log::{Log, topics};
use tokio::sync::Notify;

/// The tables that are a function of the tape, and the order of their rows. The outbox is not, because it is emptied,
/// and the leaderboards are not, because they depend on the clock.
const COMPARED_TABLES: [(&str, &str); 7] = [
    ("position", "log, partition"),
    ("trades", "block_time_ms, trade_id, trader"),
    ("positions", "trader, chain, asset"),
    ("user_totals", "trader, chain"),
    ("user_hours", "trader, chain, hour"),
    ("fees", "trader, chain, platform, day"),
    (CANDLES, "chain, asset, span, start_minute"),
];

/// The columns that are compared only where every trade was folded with its confidence.
const CONFIDENCE_COLUMNS: [&str; 5] =
    ["confidence", "volume_exact_usd", "volume_reported_usd", "volume_estimated_usd", "volume_traced_usd"];

/// The table that follows the others after a moment.
const CANDLES: &str = "candles";

/// The tables at one moment: the read position of each partition and a digest of every table.
struct TablesSnapshot {
    /// How many events arrived too late.
    late: u64,
    positions: Vec<(Partition, u64)>,
    scope: Scope,
    /// Whether the candles of all changed minutes are calculated.
    is_priced: bool,
    digests: Vec<TableDigest>,
}

/// What of the tables is compared.
#[derive(Clone, Copy, Debug)]
struct Scope {
    /// Trades of an earlier block time, in milliseconds, are left out.
    cut_ms: u64,
    /// Whether the columns of confidence are compared too.
    with_confidence: bool,
}

/// Folds the tape again and compares; `report` gets a line per table. Returns how many tables differ.
pub async fn refold(settings: &Settings, log: &Log, report: impl Fn(String)) -> anyhow::Result<usize> {
    match &settings.database {
        Database::Postgres(url) => refold_schema(settings, url.expose(), Postgres::METRICS_SCHEMA, log, report).await,
        Database::Sqlite(path) => {
            let scratch = path.with_file_name("metrics-refold.db");
            remove_database(&scratch).await?;
            let in_force = Sqlite::open(path, settings.rules.clone()).await.context("open the tables in force")?;
            refuse_another_tape(log, &in_force).await?;
            let now = digest::digest_sqlite(in_force.pool(), None).await?;
            let store = Sqlite::open(&scratch, settings.rules.clone()).await.context("open the scratch tables")?;
            refold_up_to(settings, log, &store, &now.positions).await?;
            price(settings, &store).await?;
            let refolded = digest::digest_sqlite(store.pool(), Some(now.scope)).await?;
            store.pool().close().await;
            let differences = compare(&now, &refolded, report);
            if differences == 0 {
                remove_database(&scratch).await?;
            }
            Ok(differences)
        }
    }
}

/// The same for one schema on PostgreSQL. The scratch schema stays when a table differs.
pub async fn refold_schema(
    settings: &Settings,
    url: &str,
    schema: &str,
    log: &Log,
    report: impl Fn(String),
) -> anyhow::Result<usize> {
    let in_force = Postgres::open(url, schema, settings.rules.clone()).await.context("open the tables in force")?;
    refuse_another_tape(log, &in_force).await?;
    let scratch = format!("{schema}_refold");
    let drop = || sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS \"{scratch}\" CASCADE")));
    drop().execute(in_force.pool()).await.context("drop an earlier refold")?;
    let now = digest::digest_postgres(in_force.pool(), None).await?;
    let store = Postgres::open(url, &scratch, settings.rules.clone()).await.context("open the scratch tables")?;
    refold_up_to(settings, log, &store, &now.positions).await?;
    price(settings, &store).await?;
    let refolded = digest::digest_postgres(store.pool(), Some(now.scope)).await?;
    let differences = compare(&now, &refolded, report);
    if differences == 0 {
        drop().execute(in_force.pool()).await.context("drop the refold")?;
    }
    Ok(differences)
}

/// A log that ends before the read positions would be waited for without end, and another one proves nothing.
async fn refuse_another_tape(log: &Log, in_force: &impl TapeMemory) -> anyhow::Result<()> {
    match guard::find_problem(log, &topics::READ_BY_METRICS, in_force).await.context("compare log and tables")? {
        Some(why) => anyhow::bail!("refold the tape: {why}"),
        None => Ok(()),
    }
}

/// Folds every partition from its first record up to a position.
async fn refold_up_to(
    settings: &Settings,
    log: &Log,
    store: &impl Store,
    ends: &[(Partition, u64)],
) -> anyhow::Result<()> {
    if ends.iter().all(|(_, end)| *end == 0) {
        return Ok(());
    }
    let done = Notify::new();
    let feed = Replay::start(log, ends, &done).await.context("read the tape from its first record")?;
    tokio::select! {
        ended = follow(feed, store, settings.limits) => match ended.context("fold the tape again")? {},
        () = done.notified() => Ok(()),
    }
}

/// Calculates the candles of the scratch tables.
async fn price(settings: &Settings, store: &impl Prices) -> anyhow::Result<()> {
    while store.refresh(&settings.price_rules).await? > 0 {}
    Ok(())
}

fn compare(now: &TablesSnapshot, refolded: &TablesSnapshot, report: impl Fn(String)) -> usize {
    let mut differences = 0;
    let Scope { cut_ms, with_confidence } = now.scope;
    if now.late > 0 {
        report(format!(
            "{} events arrived too late and are in the refold only: trades with a block time before {cut_ms} ms were dropped",
            now.late
        ));
    }
    if !with_confidence {
        report("volumes by confidence are not compared: trades were folded before these were counted".to_owned());
    }
    for (in_force, folded) in now.digests.iter().zip(&refolded.digests) {
        if in_force.is_of(CANDLES) && !now.is_priced {
            report("candles were being calculated and are not compared".to_owned());
            continue;
        }
        let same = in_force == folded;
        differences += usize::from(!same);
        let verdict = if same { "the same" } else { "DIFFERENT" };
        report(format!("{verdict:<10} {in_force}"));
        if !same {
            report(format!("{:<10} {folded}", "refolded"));
        }
    }
    differences
}

async fn remove_database(path: &std::path::Path) -> anyhow::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match tokio::fs::remove_file(&name).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", name.display()));
            }
            _ => {}
        }
    }
    Ok(())
}
