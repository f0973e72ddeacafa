//! The book in a file of this machine: one connection, so that commits and the outbox take turns.
//!
//! Columns are those of PostgreSQL, amounts are plain decimal text; what PostgreSQL adds up in SQL is added up here.

mod leaders;
mod prune;
mod read;
mod write;

use crate::adapters::{OpenError, pinned, refused};
use crate::leaders::Boards;
use crate::messages::Message;
use crate::outbox::Outbox;
use metrics_domain::{
    BookKey, Facts, Floors, Heads, Late, Method, Outcome, Pruned, Retention, Store, Stored, Tail, TradeKey, UserKey,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Row, SqlitePool};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// An open file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pool: SqlitePool,
    method: Method,
}

impl Sqlite {
    /// Opens the file, creates what is missing, migrates it, and pins the method by which books are kept.
    pub async fn open(path: &Path, method: Method) -> Result<Self, OpenError> {
        if let Some(directory) = path.parent() {
            let failed = |e| Unavailable::new(format!("create the directory {}", directory.display()), e);
            tokio::fs::create_dir_all(directory).await.map_err(failed)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10));
        let failed = |e| Unavailable::new(format!("open the database file {}", path.display()), e);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
        migrations::metrics_sqlite().run(&pool).await.map_err(refused)?;
        let failed = |e: sqlx::Error| Unavailable::new("read the method of the book", e);
        let pin = "INSERT INTO method SELECT ? WHERE NOT EXISTS (SELECT 1 FROM method)";
        sqlx::query(pin).bind(method.name()).execute(&pool).await.map_err(failed)?;
        let kept: String = sqlx::query_scalar("SELECT name FROM method").fetch_one(&pool).await.map_err(failed)?;
        pinned(&kept, method)?;
        Ok(Self { pool, method })
    }

    /// The connection, for who compares what is kept.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

impl Store for Sqlite {
    fn method(&self) -> Method {
        self.method
    }

    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        read::position(&self.pool, partition).await
    }

    async fn floors(&self) -> Result<Floors, Unavailable> {
        read::floors(&self.pool).await
    }

    async fn heads(&self, users: &[UserKey], books: &[BookKey]) -> Result<Heads, Unavailable> {
        read::heads(&self.pool, users, books).await
    }

    async fn stored(&self, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
        read::stored(&self.pool, self.method, trades).await
    }

    async fn tails(&self, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
        read::tails(&self.pool, self.method, late).await
    }

    async fn commit(&self, facts: &Facts) -> Result<Outcome, Unavailable> {
        write::commit(&self.pool, self.method, facts).await
    }
}

impl Retention for Sqlite {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<Pruned, Unavailable> {
        let pruned = prune::prune(&self.pool, self.method, cut_ms, finalized).await;
        pruned.map_err(|e| Unavailable::new("drop old trades", e))
    }
}

impl Boards for Sqlite {
    async fn rebuild(&self, now_ms: u64) -> Result<bool, Unavailable> {
        leaders::rebuild(&self.pool, now_ms).await
    }
}

impl Outbox for Sqlite {
    /// The connection is free while messages are sent; one process owns the file, so nobody else takes them.
    async fn drain<P, F>(&self, most: u32, publish: P) -> Result<usize, Unavailable>
    where
        P: FnOnce(Vec<Message>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send,
    {
        let failed = |e| Unavailable::new("empty the outbox", e);
        let oldest = "SELECT id, event_id, key, payload, trace FROM outbox ORDER BY id LIMIT ?";
        let rows = sqlx::query(oldest).bind(most).fetch_all(&self.pool).await.map_err(failed)?;
        let Some(last) = rows.last().map(|row| row.get::<i64, _>(0)) else { return Ok(0) };
        let message =
            |row: &SqliteRow| Message { event_id: row.get(1), key: row.get(2), payload: row.get(3), trace: row.get(4) };
        publish(rows.iter().map(message).collect()).await?;
        let forget = sqlx::query("DELETE FROM outbox WHERE id <= ?").bind(last);
        forget.execute(&self.pool).await.map_err(failed)?;
        Ok(rows.len())
    }
}
