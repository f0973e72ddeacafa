//! The proof that the tables are a function of the tape: it is folded anew from its first record, into tables of their
//! own, up to where those in force are; then both are compared row by row, byte by byte.

mod digest;
mod replay;

use crate::adapters::postgres::Postgres;
use crate::adapters::sqlite::Sqlite;
use crate::settings::{Database, Settings};
use anyhow::Context;
use digest::Digest;
use metrics_domain::{Store, follow};
use replay::Replay;
use sqlx::AssertSqlSafe;
use tape::Partition;
use tape_log::Log;
use tokio::sync::Notify;

/// The tables that are a function of the tape, and what orders their rows; of trades, those that are kept. Not among them: the outbox, which empties
/// itself, and the leaderboards, which are a function of the hours and the clock.
const TABLES: [(&str, &str); 6] = [
    ("position", "log, partition"),
    ("trades", "block_time_ms, trade_id, trader"),
    ("positions", "trader, chain, asset"),
    ("user_totals", "trader, chain"),
    ("user_hours", "trader, chain, hour"),
    ("fees", "trader, chain, platform, day"),
];

/// What stands in the tables at one instant: how far each partition is read, and a digest of every table.
struct Standing {
    /// Down to which block time trades are kept, and how many events came later than that.
    kept_from: (u64, u64),
    positions: Vec<(Partition, u64)>,
    digests: Vec<Digest>,
}

/// Folds anew and compares; `tell` gets a line per table. Returns how many tables differ.
pub async fn refold(settings: &Settings, log: &Log, tell: impl Fn(String)) -> anyhow::Result<usize> {
    match &settings.database {
        Database::Postgres(url) => in_schema(settings, url.expose(), Postgres::SCHEMA, log, tell).await,
        Database::Sqlite(path) => {
            let scratch = path.with_file_name("metrics-refold.db");
            remove(&scratch).await?;
            let standing = Sqlite::open(path, settings.method).await.context("open the tables in force")?;
            let now = digest::of_sqlite(standing.pool(), None).await?;
            let store = Sqlite::open(&scratch, settings.method).await.context("open tables of their own")?;
            fold(settings, log, &store, &now.positions).await?;
            let anew = digest::of_sqlite(store.pool(), Some(now.kept_from.0)).await?;
            store.pool().close().await;
            let differences = compare(&now, &anew, tell);
            if differences == 0 {
                remove(&scratch).await?;
            }
            Ok(differences)
        }
    }
}

/// The same in a schema beside the one in force; the scratch schema stays where they differ.
pub async fn in_schema(
    settings: &Settings,
    url: &str,
    schema: &str,
    log: &Log,
    tell: impl Fn(String),
) -> anyhow::Result<usize> {
    let standing = Postgres::open(url, schema, settings.method).await.context("open the tables in force")?;
    let scratch = format!("{schema}_refold");
    let drop = || sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS \"{scratch}\" CASCADE")));
    drop().execute(standing.pool()).await.context("drop an earlier refold")?;
    let now = digest::of_postgres(standing.pool(), None).await?;
    let store = Postgres::open(url, &scratch, settings.method).await.context("open tables of their own")?;
    fold(settings, log, &store, &now.positions).await?;
    let anew = digest::of_postgres(store.pool(), Some(now.kept_from.0)).await?;
    let differences = compare(&now, &anew, tell);
    if differences == 0 {
        drop().execute(standing.pool()).await.context("drop the refold")?;
    }
    Ok(differences)
}

/// Folds every partition from its first record up to a position.
async fn fold(settings: &Settings, log: &Log, store: &impl Store, ends: &[(Partition, u64)]) -> anyhow::Result<()> {
    if ends.iter().all(|(_, end)| *end == 0) {
        return Ok(());
    }
    let done = Notify::new();
    let feed = Replay::of(log, ends, &done).await.context("read the tape from its first record")?;
    tokio::select! {
        ended = follow(feed, store, settings.limits) => match ended.context("fold the tape anew")? {},
        () = done.notified() => Ok(()),
    }
}

fn compare(now: &Standing, anew: &Standing, tell: impl Fn(String)) -> usize {
    let mut differences = 0;
    let (cut_ms, late) = now.kept_from;
    if late > 0 {
        tell(format!(
            "{late} events came later than trades are kept (block time {cut_ms} ms) and are in the refold alone"
        ));
    }
    for (standing, folded) in now.digests.iter().zip(&anew.digests) {
        let same = standing == folded;
        differences += usize::from(!same);
        let verdict = if same { "the same" } else { "DIFFERENT" };
        tell(format!("{verdict:<10} {standing}"));
        if !same {
            tell(format!("{:<10} {folded}", "refolded"));
        }
    }
    differences
}

async fn remove(path: &std::path::Path) -> anyhow::Result<()> {
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
