//! The partitions of `trades`: 30 days of block time each, made before the first commit that needs them.

use metrics_domain::Put;
use metrics_domain::retention::{FIRST_MS, SPAN_MS};
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The first that a sane clock can ask for: there was no chain before 2009.
const FIRST: u64 = FIRST_MS / SPAN_MS;
/// So many further than today's there may be; later times go to `trades_other`.
const AHEAD: u64 = 1;
/// Makes partitions one after the other, whoever asks.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.trades'))";
/// A row of the span lies in `trades_other` already; it stays there, and so do the others.
const CHECK_VIOLATION: &str = "23514";

/// Those that are there for sure.
#[derive(Debug, Default)]
pub(super) struct Partitions(Mutex<BTreeSet<u64>>);

impl Partitions {
    /// Some may be gone.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes the partitions that these rows need.
    pub(super) async fn make(&self, pool: &PgPool, puts: &[Put], now_ms: u64) -> Result<(), sqlx::Error> {
        for number in self.missing(puts, now_ms) {
            match make(pool, number).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CHECK_VIOLATION) => {
                    tracing::warn!(partition = number, "rows of this span are kept in trades_other");
                }
                done => done?,
            }
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        }
        Ok(())
    }

    fn missing(&self, puts: &[Put], now_ms: u64) -> BTreeSet<u64> {
        let sane = FIRST..=now_ms / SPAN_MS + AHEAD;
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = puts.iter().map(|put| put.entry.time_ms / SPAN_MS);
        needed.filter(|number| sane.contains(number) && !made.contains(number)).collect()
    }
}

async fn make(pool: &PgPool, number: u64) -> Result<(), sqlx::Error> {
    let (from, to) = (number * SPAN_MS, (number + 1) * SPAN_MS);
    let mut transaction = pool.begin().await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    // An event of two kilobytes is neither compressed nor moved away: that would cost more than its place.
    let make = format!(
        "CREATE TABLE IF NOT EXISTS trades_{number} PARTITION OF trades FOR VALUES FROM ({from}) TO ({to})
             WITH (toast_tuple_target = 8160)"
    );
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *transaction).await?;
    transaction.commit().await
}
