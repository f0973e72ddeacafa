//! Work on PostgreSQL that rests on nothing a connection remembers: every statement runs in a transaction that makes its
//! own settings, so a pooler such as PgBouncer may give each transaction another connection.
//!
//! Decisions
//! * 2026-11-29 – settings belong to transactions. Context: a pooler in transaction mode takes no `options` at the start,
//!   and what one session sets another finds. Choice: `BEGIN` and `SET LOCAL` in one message, before every statement.
//!   Price: a read that was one round trip is three.
//! * 2026-11-29 – whether there is a pooler is found out. Context: a statement that was prepared under a name on one
//!   server connection is another one on the next, and nothing says so. Choice: a setting that only a server keeps is
//!   sent at the start of one connection; where it is gone, statements have no names. Price: one connection more at the
//!   start, and with an old PgBouncer one line in its log.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A setting of ours that a server keeps for a session, and a pooler does not.
const PROBE: (&str, &str) = ("chaintape.direct", "yes");
/// PostgreSQL's error code for a message that is not understood, such as a start with unknown parameters.
const PROTOCOL_VIOLATION: &str = "08P01";

/// A pool of connections with the settings that each transaction makes. Clones share it.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: PgPool,
    options: Arc<PgConnectOptions>,
    settings: Arc<str>,
    names_statements: Arc<OnceCell<bool>>,
}

/// A transaction with its settings made. Dropping it rolls it back.
#[derive(Debug)]
pub struct SettledTransaction(Session);

/// What statements run on: a connection inside a transaction.
#[derive(Debug)]
pub struct Session {
    transaction: sqlx::Transaction<'static, Postgres>,
    names_statements: bool,
}

impl Sessions {
    /// Makes a pool that connects when it is needed.
    pub fn connect_lazily(options: &PgConnectOptions, pool: PgPoolOptions, settings: &[(&str, &str)]) -> Self {
        // Poolers know the usual parameters of a start, but not this one.
        let options = options.clone().extra_float_digits(None);
        let set = |(name, value): &(&str, &str)| format!("; SET LOCAL {name} = '{}'", value.replace('\'', "''"));
        Self {
            pool: pool.connect_lazy_with(options.clone()),
            settings: settings.iter().map(set).collect::<String>().into(),
            options: Arc::new(options),
            names_statements: Arc::default(),
        }
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<SettledTransaction, sqlx::Error> {
        self.begin_as("READ WRITE").await
    }

    /// Begins a transaction of a mode, such as `ISOLATION LEVEL REPEATABLE READ, READ ONLY`.
    pub async fn begin_as(&self, mode: &str) -> Result<SettledTransaction, sqlx::Error> {
        let names_statements = self.is_direct().await?;
        let begin = AssertSqlSafe(format!("BEGIN {mode}{}", self.settings));
        let transaction = self.pool.begin_with(begin).await?;
        Ok(SettledTransaction(Session { transaction, names_statements }))
    }

    /// Whether connections go through a pooler that may give each transaction another server connection.
    pub async fn is_pooled(&self) -> Result<bool, sqlx::Error> {
        Ok(!self.is_direct().await?)
    }

    async fn is_direct(&self) -> Result<bool, sqlx::Error> {
        let options = (*self.options).clone();
        self.names_statements.get_or_try_init(|| probe(options)).await.copied()
    }

    /// A connection of its own, outside of the pool, whose session may be set.
    pub async fn connect_alone(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether a session is one of the server's own.
async fn probe(options: PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = match options.options([PROBE]).connect().await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(PROTOCOL_VIOLATION) => return Ok(false),
        Err(error) => return Err(error),
    };
    // Without a name and in one message: this may be a pooler.
    let asked = sqlx::raw_sql("SELECT coalesce(current_setting('chaintape.direct', true), '') = 'yes'");
    let row = connection.fetch_one(asked).await?;
    connection.close().await?;
    sqlx::Row::try_get(&row, 0)
}

impl SettledTransaction {
    /// Makes what was written durable and visible.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.0.transaction.commit().await
    }

    /// Takes back what was written.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.0.transaction.rollback().await
    }
}

impl Deref for SettledTransaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for SettledTransaction {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.0
    }
}

impl Session {
    /// The connection itself, for what is no statement: COPY.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

/// A statement that is prepared under a name, or without one.
struct Named<E> {
    statement: E,
    may_be_named: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Named<E> {
    fn sql(self) -> SqlStr {
        self.statement.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.statement.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.may_be_named && self.statement.persistent()
    }
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let named = Named { statement: query, may_be_named: self.names_statements };
        (&mut *self.transaction).fetch_many(named)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let named = Named { statement: query, may_be_named: self.names_statements };
        (&mut *self.transaction).fetch_optional(named)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        (&mut *self.transaction).prepare_with(sql, parameters)
    }
}

/// Each statement in a transaction of its own.
impl<'p> Executor<'p> for &'p Sessions {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        let done = async move {
            let mut transaction = sessions.begin().await?;
            let results: Vec<_> = transaction.fetch_many(query).try_collect().await?;
            transaction.commit().await?;
            Ok(stream::iter(results.into_iter().map(Ok)))
        };
        done.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        Box::pin(async move {
            let mut transaction = sessions.begin().await?;
            let row = transaction.fetch_optional(query).await?;
            transaction.commit().await?;
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let sessions = self.clone();
        Box::pin(async move { sessions.begin().await?.prepare_with(sql, parameters).await })
    }
}
