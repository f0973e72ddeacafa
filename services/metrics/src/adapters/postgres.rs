//! The book in PostgreSQL: one transaction per batch, and each statement writes all rows of the batch at once.
//!
//! Decisions
//! * Sequential scans are off and each call is planned again: every query is a look-up by key, and a plan made while a
//!   table was small must not be used when it no longer is.
//! * `synchronous_commit` is off: the read position is in the same transaction as what was read, so a server that loses
//!   its last commits in a crash returns to an earlier consistent state, and the tape is read again from there.
//!   Messages published meanwhile are published again, with the same ids.

mod flows;
mod leaders;
mod partitions;
mod platforms;
mod prices;
mod prune;
mod read;
mod known_tape;
mod numeric;
mod write;

use crate::adapters::OpenError;
use crate::adapters::stored_rules::{RulesDiffer, StoredRules};
use crate::leaders::Leaderboards;
use crate::messages::MetricsMessage;
use crate::outbox::Outbox;
use crate::prices::{MAX_NOTES_AT_ONCE, NO_NOTES, Prices};
use metrics_domain::{
    Accounts, BookFacts, BookKey, BookRules, BookToRefold, CommitOutcome, Floors, PriceRules, PruneOutcome, Retention,
    Store, StoredTrade, Tail, TradeKey, UserKey,
};
use migrations::Sessions;
use partitions::Partitions;
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::collections::BTreeMap;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// Transactions in the service's schema.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: Sessions,
    rules: BookRules,
    partitions: Arc<Partitions>,
}

impl Postgres {
    /// The schema that metrics owns.
    pub const METRICS_SCHEMA: &'static str = "metrics";

    /// Connects, creates the schema if it is missing, migrates it, and fixes the rules of the book.
    /// `schema` is a plain lower-case word.
    pub async fn open(url: &str, schema: &str, rules: impl Into<BookRules>) -> Result<Self, OpenError> {
        let pool = connect(url, schema)?;
        migrations::bring_up_to_date(&pool, schema, &migrations::metrics_postgres()).await?;
        let rules = rules.into();
        fix_rules(&pool, &rules).await?;
        Ok(Self { pool, rules, partitions: Arc::default() })
    }

    /// Its transactions, for queries of tests and of `refold`.
    pub fn pool(&self) -> &Sessions {
        &self.pool
    }
}

/// One for each reader, and some for the outbox, the leaderboards and retention.
const MAX_CONNECTIONS: u32 = 12;

/// Stores the rules of a book that has none yet; refuses a book that was kept by others.
async fn fix_rules(pool: &Sessions, rules: &BookRules) -> Result<(), OpenError> {
    let failed = |e: sqlx::Error| Unavailable::new("read the rules of the book", e);
    let requested = StoredRules::from(rules);
    let first = "INSERT INTO method (name, natives, max_notional_usd)
                 SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM method)";
    let first = sqlx::query(first).bind(&requested.method).bind(&requested.natives).bind(&requested.max_notional);
    first.execute(pool).await.map_err(failed)?;
    let query = "SELECT name, natives, max_notional_usd FROM method";
    let (method, natives, max_notional) = sqlx::query_as(query).fetch_one(pool).await.map_err(failed)?;
    for RulesDiffer { chain, settings, stored } in (StoredRules { method, natives, max_notional }).differences(rules)? {
        let any = "SELECT 1 FROM user_totals WHERE chain = coalesce($1, chain) LIMIT 1";
        if sqlx::query(any).bind(chain).fetch_optional(pool).await.map_err(failed)?.is_some() {
            return Err(OpenError::Rules { settings, stored });
        }
    }
    let update = "UPDATE method SET natives = $1, max_notional_usd = $2
                  WHERE natives <> $1 OR max_notional_usd <> $2";
    let update = sqlx::query(update).bind(requested.natives).bind(requested.max_notional);
    update.execute(pool).await.map_err(failed)?;
    Ok(())
}

/// A pool that connects when it is needed, with the settings that each transaction makes.
fn connect(url: &str, schema: &str) -> Result<Sessions, Unavailable> {
    let failed = |e: sqlx::Error| Unavailable::new("connect to the database", e);
    let settings = [
        ("search_path", schema),
        ("enable_seqscan", "off"),
        ("plan_cache_mode", "force_custom_plan"),
        ("jit", "off"),
        ("synchronous_commit", "off"),
    ];
    let options = PgConnectOptions::from_str(url).map_err(failed)?.application_name("metrics");
    let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(Duration::from_secs(5));
    Ok(Sessions::connect_lazily(&options, pool, &settings))
}

impl Store for Postgres {
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
        let users = if users.is_empty() { vec![] } else { read::load_users(&self.pool, users).await? };
        let books = if books.is_empty() { vec![] } else { read::load_books(&self.pool, books).await? };
        Ok(Accounts { users, books })
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<StoredTrade>, Unavailable> {
        read::load_trades(&self.pool, self.rules.method, trades).await
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<Tail>, Unavailable> {
        read::load_tails(&self.pool, self.rules.method, books).await
    }

    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        let failed = |e| Unavailable::new("commit a batch", e);
        self.partitions.create_missing(&self.pool, &facts.trade_rows, environment::now_ms()).await.map_err(failed)?;
        write::commit(&self.pool, self.rules.method, facts).await.map_err(failed)
    }
}

impl Retention for Postgres {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<PruneOutcome, Unavailable> {
        let failed = |e| Unavailable::new("drop old trades", e);
        prices::finish_below(&self.pool, cut_ms).await?;
        let pruned = prune::prune(&self.pool, self.rules.method, cut_ms, finalized).await.map_err(failed)?;
        if matches!(pruned, PruneOutcome::Done { .. }) {
            self.partitions.forget();
        }
        Ok(pruned)
    }
}

impl Leaderboards for Postgres {
    async fn rebuild(&self, now_ms: u64) -> Result<bool, Unavailable> {
        leaders::rebuild(&self.pool, now_ms).await.map_err(|e| Unavailable::new("rebuild the leaderboards", e))
    }
}

impl Prices for Postgres {
    async fn refresh(&self, rules: &PriceRules) -> Result<usize, Unavailable> {
        prices::refresh_some(&self.pool, rules, MAX_NOTES_AT_ONCE).await
    }

    async fn refresh_newest(&self, rules: &PriceRules) -> Result<usize, Unavailable> {
        prices::refresh_some(&self.pool, rules, NO_NOTES).await
    }
}

impl Outbox for Postgres {
    /// The rows are locked while they are published, and other instances skip them: a message may be published twice,
    /// and is never lost.
    async fn drain<P, F>(&self, max_messages: u32, publish: P) -> Result<usize, Unavailable>
    where
        P: FnOnce(Vec<MetricsMessage>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send,
    {
        let failed = |e| Unavailable::new("empty the outbox", e);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let oldest = "SELECT id, event_id, key, payload, trace FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED";
        let rows =
            sqlx::query(oldest).bind(i64::from(max_messages)).fetch_all(&mut *transaction).await.map_err(failed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let message = |row: &sqlx::postgres::PgRow| MetricsMessage {
            event_id: row.get(1),
            key: row.get(2),
            payload: row.get(3),
            trace: row.get(4),
        };
        if let Err(unpublished) = publish(rows.iter().map(message).collect()).await {
            // Rolled back here and not on drop: until the rollback is done the rows are locked, and the next attempt
            // would find an empty outbox.
            transaction.rollback().await.map_err(failed)?;
            return Err(unpublished);
        }
        let delete = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(&ids);
        delete.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(ids.len())
    }
}
