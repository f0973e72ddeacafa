//! The store in a file of SQLite, for one process: one connection, so each transaction has the file to itself.

mod ledger;
mod queue;
mod holdings;

use super::{Message, Outgoing, failed};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;
use tape::Unavailable;

const FILE: &str = "portfolio.db";
const PATIENCE: Duration = Duration::from_secs(10);
const BEGIN: &str = "BEGIN IMMEDIATE";

/// An open file.
#[derive(Clone)]
pub struct Sqlite(SqlitePool);

impl Sqlite {
    /// Opens `portfolio.db` in a directory, making both where they are missing, and brings the tables up to date.
    pub async fn open(directory: &Path) -> Result<Self, Unavailable> {
        tokio::fs::create_dir_all(directory)
            .await
            .map_err(|error| Unavailable::new(format!("make directory {}", directory.display()), error))?;
        // What is read and what comes of it are one transaction, so losing the last ones with the power loses nothing.
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options);
        let pool = pool.await.map_err(failed("open portfolio.db"))?;
        let migrated = migrations::portfolio_sqlite().run(&pool).await;
        migrated.map_err(|error| failed("migrate portfolio.db")(error.into()))?;
        Ok(Self(pool))
    }

    pub(super) async fn outgoing(&self, most: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let rows: Vec<(i64, String, String, Vec<u8>)> =
            sqlx::query_as("SELECT id, key, event_id, payload FROM outbox ORDER BY id LIMIT ?")
                .bind(most)
                .fetch_all(&self.0)
                .await
                .map_err(failed("read the outbox"))?;
        let outgoing = |(id, key, event_id, payload)| Outgoing { id, message: Message { key, event_id, payload } };
        Ok(rows.into_iter().map(outgoing).collect())
    }

    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let failed = failed("empty the outbox");
        let mut transaction = self.0.begin_with(BEGIN).await.map_err(&failed)?;
        for id in ids {
            let query = sqlx::query("DELETE FROM outbox WHERE id = ?").bind(id);
            query.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }
}
