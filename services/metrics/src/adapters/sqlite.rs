//! The book in a SQLite file, through one connection, so that commits and the outbox take turns.
//!
//! The columns are those of PostgreSQL. Amounts are decimal text; what PostgreSQL sums in SQL is summed here in Rust.

mod flows;
mod leaders;
mod platforms;
mod prices;
mod prune;
mod read;
mod known_tape;
mod write;

use crate::adapters::OpenError;
use crate::adapters::postgres::Postgres;
use crate::adapters::stored_rules::{RulesDiffer, StoredRules};
use crate::leaders::Leaderboards;
use crate::messages::MetricsMessage;
use crate::outbox::Outbox;
use crate::prices::{MAX_NOTES_AT_ONCE, NO_NOTES, Prices};
use metrics_domain::{
    Accounts, BookFacts, BookKey, BookRules, BookToRefold, CommitOutcome, Floors, PriceRules, PruneOutcome, Retention,
    Store, StoredTrade, Tail, TradeKey, UserKey,
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
    rules: BookRules,
}

impl Sqlite {
    /// Opens the file, creates it if it is missing, migrates it, and fixes the rules of the book.
    pub async fn open(path: &Path, rules: impl Into<BookRules>) -> Result<Self, OpenError> {
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
        migrations::bring_file_up_to_date(&pool, Postgres::METRICS_SCHEMA, &migrations::metrics_sqlite()).await?;
        let rules = rules.into();
        fix_rules(&pool, &rules).await?;
        Ok(Self { pool, rules })
    }

    /// The connection, for queries of tests and of `refold`.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

/// Stores the rules of a book that has none yet; refuses a book that was kept by others.
async fn fix_rules(pool: &SqlitePool, rules: &BookRules) -> Result<(), OpenError> {
    let failed = |e: sqlx::Error| Unavailable::new("read the rules of the book", e);
    let requested = StoredRules::from(rules);
    let first = "INSERT INTO method (name, natives, max_notional_usd)
                 SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM method)";
    let first = sqlx::query(first).bind(&requested.method).bind(&requested.natives).bind(&requested.max_notional);
    first.execute(pool).await.map_err(failed)?;
    let query = "SELECT name, natives, max_notional_usd FROM method";
    let (method, natives, max_notional) = sqlx::query_as(query).fetch_one(pool).await.map_err(failed)?;
    for RulesDiffer { chain, settings, stored } in (StoredRules { method, natives, max_notional }).differences(rules)? {
        let any = "SELECT 1 FROM user_totals WHERE chain = coalesce(?, chain) LIMIT 1";
        if sqlx::query(any).bind(chain).fetch_optional(pool).await.map_err(failed)?.is_some() {
            return Err(OpenError::Rules { settings, stored });
        }
    }
    let update = "UPDATE method SET natives = ?1, max_notional_usd = ?2
                  WHERE natives <> ?1 OR max_notional_usd <> ?2";
    let update = sqlx::query(update).bind(requested.natives).bind(requested.max_notional);
    update.execute(pool).await.map_err(failed)?;
    Ok(())
}

impl Store for Sqlite {
    fn rules(&self) -> &BookRules {
        &self.rules
    }

    async fn read_position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        read::read_position(&self.pool, partition).await
    }

    async fn read_floors(&self) -> Result<Floors, Unavailable> {
        read::read_floors(&self.pool).await
    }

    async fn load_accounts(&self, users: &[UserKey], books: &[BookKey]) -> Result<Accounts, Unavailable> {
        read::load_accounts(&self.pool, users, books).await
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<StoredTrade>, Unavailable> {
        read::load_trades(&self.pool, self.rules.method, trades).await
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<Tail>, Unavailable> {
        read::load_tails(&self.pool, self.rules.method, books).await
    }

    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        write::commit(&self.pool, self.rules.method, facts).await
    }
}

impl Retention for Sqlite {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<PruneOutcome, Unavailable> {
        prices::finish_below(&self.pool, cut_ms).await?;
        let pruned = prune::prune(&self.pool, self.rules.method, cut_ms, finalized).await;
        pruned.map_err(|e| Unavailable::new("drop old trades", e))
    }
}

impl Leaderboards for Sqlite {
    async fn rebuild(&self, now_ms: u64) -> Result<bool, Unavailable> {
        leaders::rebuild(&self.pool, now_ms).await
    }
}

impl Prices for Sqlite {
    async fn refresh(&self, rules: &PriceRules) -> Result<usize, Unavailable> {
        prices::refresh_some(&self.pool, rules, MAX_NOTES_AT_ONCE).await
    }

    async fn refresh_newest(&self, rules: &PriceRules) -> Result<usize, Unavailable> {
        prices::refresh_some(&self.pool, rules, NO_NOTES).await
    }
}

impl Outbox for Sqlite {
    /// Does not hold the connection while messages are published: one process owns the file, so nobody else reads them.
    async fn drain<P, F>(&self, max_messages: u32, publish: P) -> Result<usize, Unavailable>
    where
        P: FnOnce(Vec<MetricsMessage>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send,
    {
        let failed = |e| Unavailable::new("empty the outbox", e);
        let oldest = "SELECT id, event_id, key, payload, trace FROM outbox ORDER BY id LIMIT ?";
        let rows = sqlx::query(oldest).bind(max_messages).fetch_all(&self.pool).await.map_err(failed)?;
        let Some(last) = rows.last().map(|row| row.get::<i64, _>(0)) else { return Ok(0) };
        let message = |row: &SqliteRow| MetricsMessage {
            event_id: row.get(1),
            key: row.get(2),
            payload: row.get(3),
            trace: row.get(4),
        };
        publish(rows.iter().map(message).collect()).await?;
        let delete = sqlx::query("DELETE FROM outbox WHERE id <= ?").bind(last);
        delete.execute(&self.pool).await.map_err(failed)?;
        Ok(rows.len())
    }
}
