//! Digests of tables: the number of rows and a hash of every byte, in the order of their keys.

use super::{COMPARED_TABLES, CONFIDENCE_COLUMNS, Scope, TablesSnapshot};
use crate::adapters::retained::below_cut_condition;
use anyhow::Context;
use futures_util::TryStreamExt;
use migrations::Sessions;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Row, SqlitePool};
use std::fmt::{self, Write};
use tape::Partition;

/// The digest of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableDigest {
    table: &'static str,
    rows: u64,
    hash: String,
}

impl TableDigest {
    /// Whether it is of this table.
    pub(super) fn is_of(&self, table: &str) -> bool {
        self.table == table
    }
}

impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {:>10} rows  sha256 {}", self.table, self.rows, self.hash)
    }
}

/// Hashes the rows of a table.
#[derive(Default)]
struct RowHasher {
    rows: u64,
    hash: Sha256,
}

impl RowHasher {
    fn add_row(&mut self, text: &str) {
        self.rows += 1;
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text);
    }

    fn finish(self, table: &'static str) -> TableDigest {
        TableDigest { table, rows: self.rows, hash: hex(&self.hash.finalize()) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const SELECT_READ_POSITIONS: &str = "SELECT log, CAST(partition AS bigint), next FROM position ORDER BY log, partition";

/// The retention cut, how many late events there were, and whether every trade was folded with its confidence.
const SELECT_SCOPE: &str = "SELECT r.cut_ms, CAST(coalesce(sum(f.late), 0) AS bigint),
        NOT EXISTS (SELECT 1 FROM method WHERE NOT confidence_complete)
    FROM retention r LEFT JOIN floors f ON TRUE GROUP BY r.cut_ms";

const SELECT_IS_PRICED: &str =
    "SELECT NOT EXISTS (SELECT 1 FROM price_changes) AND NOT EXISTS (SELECT 1 FROM position WHERE noted <> next)";

/// The condition for the rows of a table that are compared: trades below the cut are left out.
fn compared_rows(table: &str, cut_ms: u64) -> String {
    if table == "trades" { format!("WHERE NOT ({})", below_cut_condition(cut_ms)) } else { String::new() }
}

/// Digests all tables at one moment, in a scope; by default, in what they hold completely.
pub(super) async fn digest_postgres(pool: &Sessions, scope: Option<Scope>) -> anyhow::Result<TablesSnapshot> {
    let mut snapshot = pool.begin_as("ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    // Whole tables are read and sorted here, so sequential scans are allowed.
    sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *snapshot).await?;
    let rows = sqlx::query(SELECT_READ_POSITIONS).fetch_all(&mut *snapshot).await.context("read the positions")?;
    let positions = rows.iter().map(|row| read_position(row.get(0), row.get(1), row.get(2))).collect();
    let (cut_ms, late, with_confidence): (i64, i64, bool) =
        sqlx::query_as(SELECT_SCOPE).fetch_one(&mut *snapshot).await.context("read the cut")?;
    let scope = scope.unwrap_or(Scope { cut_ms: cut_ms.cast_unsigned(), with_confidence });
    let mut digests = vec![];
    for (table, order) in COMPARED_TABLES {
        let mut hasher = RowHasher::default();
        let compared = compared_rows(table, scope.cut_ms);
        let row = if scope.with_confidence {
            "t::text".to_owned()
        } else {
            format!("(to_jsonb(t) - ARRAY['{}'])::text", CONFIDENCE_COLUMNS.join("', '"))
        };
        let query = AssertSqlSafe(format!("SELECT {row} FROM {table} t {compared} ORDER BY {order}"));
        let mut rows = sqlx::query(query).fetch(&mut *snapshot);
        while let Some(row) = rows.try_next().await.with_context(|| format!("read {table}"))? {
            hasher.add_row(row.get(0));
        }
        digests.push(hasher.finish(table));
    }
    let is_priced: bool =
        sqlx::query_scalar(SELECT_IS_PRICED).fetch_one(&mut *snapshot).await.context("read the notes")?;
    Ok(TablesSnapshot { scope, late: late.cast_unsigned(), positions, is_priced, digests })
}

/// The same for a SQLite file.
pub(super) async fn digest_sqlite(pool: &SqlitePool, scope: Option<Scope>) -> anyhow::Result<TablesSnapshot> {
    let mut snapshot = pool.begin().await?;
    let rows = sqlx::query(SELECT_READ_POSITIONS).fetch_all(&mut *snapshot).await.context("read the positions")?;
    let positions = rows.iter().map(|row| read_position(row.get(0), row.get(1), row.get(2))).collect();
    let (cut_ms, late, with_confidence): (i64, i64, bool) =
        sqlx::query_as(SELECT_SCOPE).fetch_one(&mut *snapshot).await.context("read the cut")?;
    let scope = scope.unwrap_or(Scope { cut_ms: cut_ms.cast_unsigned(), with_confidence });
    let mut digests = vec![];
    for (table, order) in COMPARED_TABLES {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?) ORDER BY cid")
            .bind(table)
            .fetch_all(&mut *snapshot)
            .await
            .with_context(|| format!("read the columns of {table}"))?;
        let is_compared = |column: &&String| scope.with_confidence || !CONFIDENCE_COLUMNS.contains(&column.as_str());
        let quoted = columns.iter().filter(is_compared).map(|column| format!("quote({column})"));
        let row = quoted.collect::<Vec<_>>().join(" || ',' || ");
        let mut hasher = RowHasher::default();
        let compared = compared_rows(table, scope.cut_ms);
        let query = AssertSqlSafe(format!("SELECT {row} FROM {table} {compared} ORDER BY {order}"));
        let mut rows = sqlx::query(query).fetch(&mut *snapshot);
        while let Some(row) = rows.try_next().await.with_context(|| format!("read {table}"))? {
            hasher.add_row(row.get(0));
        }
        digests.push(hasher.finish(table));
    }
    let is_priced: bool =
        sqlx::query_scalar(SELECT_IS_PRICED).fetch_one(&mut *snapshot).await.context("read the notes")?;
    snapshot.rollback().await?;
    Ok(TablesSnapshot { scope, late: late.cast_unsigned(), positions, is_priced, digests })
}

fn read_position(log: &str, partition: i64, next: i64) -> (Partition, u64) {
    (Partition { topic: log.into(), index: u32::try_from(partition).unwrap_or(u32::MAX) }, next.cast_unsigned())
}
