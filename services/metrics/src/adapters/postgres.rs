//! The book in PostgreSQL: one transaction per batch, every statement for the whole batch at once.
//!
//! Decisions
//! * Sequential scans are off and plans are made anew for each call: every query is a look-up by key, and a plan made
//!   while a table was small must not be kept when it no longer is.
//! * `synchronous_commit` is off: the read position is in the same transaction as what was read, so a server that loses
//!   its last commits in a crash goes back to a moment that was, and the tape is read again from there. A message that
//!   left meanwhile leaves again, with the same id.

mod leaders;
mod partitions;
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
use partitions::Partitions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Row};
use std::collections::BTreeMap;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// A pool of connections whose search path is the service's schema.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
    method: Method,
    partitions: Arc<Partitions>,
}

impl Postgres {
    /// The schema that metrics owns.
    pub const SCHEMA: &'static str = "metrics";

    /// Connects, creates the schema if it is missing, migrates it, and pins the method by which books are kept.
    /// `schema` is a plain lower-case word.
    pub async fn open(url: &str, schema: &str, method: Method) -> Result<Self, OpenError> {
        let failed = |e: sqlx::Error| Unavailable::new("connect to the database", e);
        let settings = [
            ("search_path", schema),
            ("enable_seqscan", "off"),
            ("plan_cache_mode", "force_custom_plan"),
            ("jit", "off"),
            ("synchronous_commit", "off"),
        ];
        let options = PgConnectOptions::from_str(url).map_err(failed)?.application_name("metrics").options(settings);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await
            .map_err(failed)?;
        create(&pool, schema).await.map_err(|e| Unavailable::new(format!("create the schema {schema}"), e))?;
        migrations::metrics_postgres().run(&pool).await.map_err(refused)?;
        let failed = |e: sqlx::Error| Unavailable::new("read the method of the book", e);
        let pin = "INSERT INTO method SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM method)";
        sqlx::query(pin).bind(method.name()).execute(&pool).await.map_err(failed)?;
        let kept: String = sqlx::query_scalar("SELECT name FROM method").fetch_one(&pool).await.map_err(failed)?;
        pinned(&kept, method)?;
        Ok(Self { pool, method, partitions: Arc::default() })
    }

    /// The connections, for who compares what is kept.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// One for each worker and some for the outbox and the boards.
const CONNECTIONS: u32 = 12;

/// Creating what exists needs a right that the service may lack, so it is asked first.
async fn create(pool: &PgPool, schema: &str) -> Result<(), sqlx::Error> {
    let known = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema).fetch_optional(pool).await?;
    if known.is_none() {
        let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.replace('"', "")));
        sqlx::query(create).execute(pool).await?;
    }
    Ok(())
}

impl Store for Postgres {
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
        let users = if users.is_empty() { vec![] } else { read::users(&self.pool, users).await? };
        let books = if books.is_empty() { vec![] } else { read::books(&self.pool, books).await? };
        Ok(Heads { users, books })
    }

    async fn stored(&self, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
        read::stored(&self.pool, self.method, trades).await
    }

    async fn tails(&self, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
        read::tails(&self.pool, self.method, late).await
    }

    async fn commit(&self, facts: &Facts) -> Result<Outcome, Unavailable> {
        let failed = |e| Unavailable::new("commit a batch", e);
        self.partitions.make(&self.pool, &facts.puts, environment::now_ms()).await.map_err(failed)?;
        write::commit(&self.pool, self.method, facts).await.map_err(failed)
    }
}

impl Retention for Postgres {
    async fn prune(&self, cut_ms: u64, finalized: &BTreeMap<String, u64>) -> Result<Pruned, Unavailable> {
        let failed = |e| Unavailable::new("drop old trades", e);
        let pruned = prune::prune(&self.pool, self.method, cut_ms, finalized).await.map_err(failed)?;
        if matches!(pruned, Pruned::Done { .. }) {
            self.partitions.forget();
        }
        Ok(pruned)
    }
}

impl Boards for Postgres {
    async fn rebuild(&self, now_ms: u64) -> Result<bool, Unavailable> {
        leaders::rebuild(&self.pool, now_ms).await.map_err(|e| Unavailable::new("rebuild the leaderboards", e))
    }
}

impl Outbox for Postgres {
    /// Rows in hand are locked and skipped by other instances; sent twice at worst, never lost.
    async fn drain<P, F>(&self, most: u32, publish: P) -> Result<usize, Unavailable>
    where
        P: FnOnce(Vec<Message>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send,
    {
        let failed = |e| Unavailable::new("empty the outbox", e);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let oldest = "SELECT id, event_id, key, payload, trace FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED";
        let rows = sqlx::query(oldest).bind(i64::from(most)).fetch_all(&mut *transaction).await.map_err(failed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let message = |row: &sqlx::postgres::PgRow| Message {
            event_id: row.get(1),
            key: row.get(2),
            payload: row.get(3),
            trace: row.get(4),
        };
        if let Err(unpublished) = publish(rows.iter().map(message).collect()).await {
            // Not left to the drop of the transaction: until that is through, the rows are locked and the next attempt
            // would see an empty outbox.
            transaction.rollback().await.map_err(failed)?;
            return Err(unpublished);
        }
        let forget = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(&ids);
        forget.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(ids.len())
    }
}
