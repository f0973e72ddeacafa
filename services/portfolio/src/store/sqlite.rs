//! The store in an SQLite file, for one process: one connection, so transactions run one after the other.

mod ledger;
mod queue;
mod holdings;
mod days;
mod known_tape;

use super::postgres::PORTFOLIO_SCHEMA;
use super::{Outgoing, TableCounts, UpdateMessage, counts_from_row, failed, sqlx_error};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;
use tape::Unavailable;

const DATABASE_FILE: &str = "portfolio.db";
/// Bounds the wait for the file while another process holds its lock, such as one that makes a backup.
const FILE_LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const BEGIN_IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// An open SQLite file.
#[derive(Clone)]
pub struct SqliteStore(SqlitePool);

impl SqliteStore {
    /// Opens `portfolio.db` in a directory and brings the tables up to date. Creates directory and file where they are
    /// missing.
    pub async fn open(directory: &Path) -> Result<Self, Unavailable> {
        tokio::fs::create_dir_all(directory)
            .await
            .map_err(|error| Unavailable::new(format!("create directory {}", directory.display()), error))?;
        // A read position and what follows from it are one transaction: those that a power failure loses are done
        // again.
        let options = SqliteConnectOptions::new()
            .filename(directory.join(DATABASE_FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(FILE_LOCK_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options);
        let pool = pool.await.map_err(failed("open portfolio.db"))?;
        let migrated =
            migrations::bring_file_up_to_date(&pool, PORTFOLIO_SCHEMA, &migrations::portfolio_sqlite()).await;
        migrated.map_err(|error| failed("migrate portfolio.db")(sqlx_error(error)))?;
        Ok(Self(pool))
    }

    pub(super) async fn outgoing(&self, limit: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let rows: Vec<(i64, String, String, Vec<u8>)> =
            sqlx::query_as("SELECT id, key, event_id, payload FROM outbox ORDER BY id LIMIT ?")
                .bind(limit)
                .fetch_all(&self.0)
                .await
                .map_err(failed("read the outbox"))?;
        let outgoing =
            |(id, key, event_id, payload)| Outgoing { id, message: UpdateMessage { key, event_id, payload } };
        Ok(rows.into_iter().map(outgoing).collect())
    }

    pub(super) async fn count_tables(&self) -> Result<TableCounts, Unavailable> {
        let counts = "SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM drift WHERE drift <> '0')";
        let counted = sqlx::query_as(counts).fetch_one(&self.0).await.map_err(failed("count the tables"))?;
        Ok(counts_from_row(counted))
    }

    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let failed = failed("empty the outbox");
        let mut transaction = self.0.begin_with(BEGIN_IMMEDIATE).await.map_err(&failed)?;
        for id in ids {
            let query = sqlx::query("DELETE FROM outbox WHERE id = ?").bind(id);
            query.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }
}
