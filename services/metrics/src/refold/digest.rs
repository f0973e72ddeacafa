//! Tables in few words: how many rows, and a hash of every byte of them, in the order of their keys.

use super::{Standing, TABLES};
use crate::adapters::needed::below;
use anyhow::Context;
use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool, Row, SqlitePool};
use std::fmt::{self, Write};
use tape::Partition;

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    table: &'static str,
    rows: u64,
    hash: String,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {:>10} rows  sha256 {}", self.table, self.rows, self.hash)
    }
}

/// Rows that are being hashed.
#[derive(Default)]
struct Hashing {
    rows: u64,
    hash: Sha256,
}

impl Hashing {
    fn row(&mut self, text: &str) {
        self.rows += 1;
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text);
    }

    fn end(self, table: &'static str) -> Digest {
        Digest { table, rows: self.rows, hash: hex(&self.hash.finalize()) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const POSITIONS: &str = "SELECT log, CAST(partition AS bigint), next FROM position ORDER BY log, partition";

/// How far down trades are kept, and what came later.
const KEPT_FROM: &str =
    "SELECT r.cut_ms, CAST(coalesce(sum(f.late), 0) AS bigint) FROM retention r LEFT JOIN floors f ON TRUE
                         GROUP BY r.cut_ms";

/// Which rows of a table are compared, if trades are kept down to a block time.
fn compared(table: &str, cut_ms: u64) -> String {
    if table == "trades" { format!("WHERE NOT ({})", below(cut_ms)) } else { String::new() }
}

/// All tables of one instant; of trades those down to a block time, by default as far as they are kept.
pub(super) async fn of_postgres(pool: &PgPool, cut_ms: Option<u64>) -> anyhow::Result<Standing> {
    let mut instant = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    // Whole tables are read and sorted here; look-ups by key are what the service does.
    sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *instant).await?;
    let rows = sqlx::query(POSITIONS).fetch_all(&mut *instant).await.context("read the positions")?;
    let positions = rows.iter().map(|row| place(row.get(0), row.get(1), row.get(2))).collect();
    let (kept, late): (i64, i64) = sqlx::query_as(KEPT_FROM).fetch_one(&mut *instant).await.context("read the cut")?;
    let cut_ms = cut_ms.unwrap_or(kept.cast_unsigned());
    let mut digests = vec![];
    for (table, order) in TABLES {
        let mut hashing = Hashing::default();
        let compared = compared(table, cut_ms);
        let query = AssertSqlSafe(format!("SELECT t::text FROM {table} t {compared} ORDER BY {order}"));
        let mut rows = sqlx::query(query).fetch(&mut *instant);
        while let Some(row) = rows.try_next().await.with_context(|| format!("read {table}"))? {
            hashing.row(row.get(0));
        }
        digests.push(hashing.end(table));
    }
    Ok(Standing { kept_from: (cut_ms, late.cast_unsigned()), positions, digests })
}

/// The same of a file.
pub(super) async fn of_sqlite(pool: &SqlitePool, cut_ms: Option<u64>) -> anyhow::Result<Standing> {
    let mut instant = pool.begin().await?;
    let rows = sqlx::query(POSITIONS).fetch_all(&mut *instant).await.context("read the positions")?;
    let positions = rows.iter().map(|row| place(row.get(0), row.get(1), row.get(2))).collect();
    let (kept, late): (i64, i64) = sqlx::query_as(KEPT_FROM).fetch_one(&mut *instant).await.context("read the cut")?;
    let cut_ms = cut_ms.unwrap_or(kept.cast_unsigned());
    let mut digests = vec![];
    for (table, order) in TABLES {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?) ORDER BY cid")
            .bind(table)
            .fetch_all(&mut *instant)
            .await
            .with_context(|| format!("read the columns of {table}"))?;
        let row = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ',' || ");
        let mut hashing = Hashing::default();
        let compared = compared(table, cut_ms);
        let query = AssertSqlSafe(format!("SELECT {row} FROM {table} {compared} ORDER BY {order}"));
        let mut rows = sqlx::query(query).fetch(&mut *instant);
        while let Some(row) = rows.try_next().await.with_context(|| format!("read {table}"))? {
            hashing.row(row.get(0));
        }
        digests.push(hashing.end(table));
    }
    instant.rollback().await?;
    Ok(Standing { kept_from: (cut_ms, late.cast_unsigned()), positions, digests })
}

fn place(log: &str, partition: i64, next: i64) -> (Partition, u64) {
    (Partition { topic: log.into(), index: u32::try_from(partition).unwrap_or(u32::MAX) }, next.cast_unsigned())
}
