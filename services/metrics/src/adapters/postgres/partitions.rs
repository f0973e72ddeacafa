//! The partitions of the table `trades`: one per period of 30 days of block time, created before the first commit that
//! needs it.

use metrics_domain::TradeRow;
use metrics_domain::retention::{EARLIEST_BLOCK_TIME_MS, TRADE_PERIOD_MS};
use migrations::Sessions;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The number of the first partition: there was no chain before 2009.
const FIRST_PARTITION: u64 = EARLIEST_BLOCK_TIME_MS / TRADE_PERIOD_MS;
/// How many partitions beyond today's may be created; rows with later block times go to `trades_other`.
const MAX_PARTITIONS_AHEAD: u64 = 1;
/// Lets one session at a time create partitions.
const LOCK_PARTITIONS: &str = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.trades'))";
/// PostgreSQL's error code when rows of the period are in `trades_other` already. All rows of that period stay there.
const CHECK_VIOLATION: &str = "23514";

/// The numbers of the partitions that are known to exist.
#[derive(Debug, Default)]
pub(super) struct Partitions(Mutex<BTreeSet<u64>>);

impl Partitions {
    /// Forgets them all, because some may have been dropped.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Creates the missing partitions that these rows need.
    pub(super) async fn create_missing(
        &self,
        pool: &Sessions,
        trade_rows: &[TradeRow],
        now_ms: u64,
    ) -> Result<(), sqlx::Error> {
        for number in self.missing(trade_rows, now_ms) {
            match create_partition(pool, number).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CHECK_VIOLATION) => {
                    tracing::warn!(
                        event = "trades.unpartitioned",
                        partition = number,
                        "rows of this period stay in trades_other"
                    );
                }
                done => done?,
            }
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        }
        Ok(())
    }

    fn missing(&self, trade_rows: &[TradeRow], now_ms: u64) -> BTreeSet<u64> {
        let plausible = FIRST_PARTITION..=now_ms / TRADE_PERIOD_MS + MAX_PARTITIONS_AHEAD;
        let existing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = trade_rows.iter().map(|row| row.entry.time_ms / TRADE_PERIOD_MS);
        needed.filter(|number| plausible.contains(number) && !existing.contains(number)).collect()
    }
}

/// A function of the schema's owner does it, because the service's own login may own nothing.
async fn create_partition(pool: &Sessions, number: u64) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query(LOCK_PARTITIONS).execute(&mut *transaction).await?;
    let create = sqlx::query("SELECT create_trades_partition($1)").bind(number.cast_signed());
    create.execute(&mut *transaction).await?;
    transaction.commit().await
}
