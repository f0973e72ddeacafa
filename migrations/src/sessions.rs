//! Work on PostgreSQL that holds behind a pooler too: there every statement runs in a transaction that makes its own
//! settings, since a pooler such as PgBouncer may give each transaction another connection.
//!
//! Decisions
//! * 2026-11-29 – settings belong to transactions. Context: a pooler in transaction mode takes no `options` at the start,
//!   and what one session sets another finds. Choice: `BEGIN` and `SET LOCAL` in one message, before every statement.
//!   Price: a read that was one round trip is three. Without a pooler each session is set once instead, and a
//!   read is one round trip.
//! * 2026-11-29 – whether there is a pooler is found out. Context: a statement that was prepared under a name on one
//!   server connection is another one on the next, and nothing says so. Choice: a setting that only a server keeps is
//!   sent at the start of one connection; where it is gone, statements have no names and sessions no settings. Price: one
//!   connection more at the start, and with an old PgBouncer one line in its log.

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

/// A pool of connections with their settings. Clones share it.
#[derive(Clone, Debug)]
pub struct Sessions {
    pool: PgPool,
    server: DatabaseServer,
    /// What each transaction sets behind a pooler.
    local_settings: Arc<str>,
}

/// What connections are made to.
#[derive(Clone, Debug)]
struct DatabaseServer {
    options: Arc<PgConnectOptions>,
    /// Whether there is no pooler in between, once that was found out.
    is_direct: Arc<OnceCell<bool>>,
}

impl DatabaseServer {
    async fn is_direct(&self) -> Result<bool, sqlx::Error> {
        let options = (*self.options).clone();
        self.is_direct.get_or_try_init(|| probe(options)).await.copied()
    }
}

/// A transaction with its settings. Dropping it rolls it back.
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
        let server = DatabaseServer { options: Arc::new(options.clone()), is_direct: Arc::default() };
        let set = |kind: &str| -> Arc<str> {
            let set = |(name, value): &(&str, &str)| format!("; {kind} {name} = '{}'", value.replace('\'', "''"));
            settings.iter().map(set).collect::<String>().into()
        };
        let (session_settings, of_pool) = (set("SET SESSION"), server.clone());
        let pool = pool.after_connect(move |connection, _| {
            let (settings, server) = (Arc::clone(&session_settings), of_pool.clone());
            Box::pin(async move {
                if server.is_direct().await? && !settings.is_empty() {
                    connection.execute(AssertSqlSafe(settings.to_string())).await?;
                }
                Ok(())
            })
        });
        Self { pool: pool.connect_lazy_with(options), server, local_settings: set("SET LOCAL") }
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<SettledTransaction, sqlx::Error> {
        self.begin_as("READ WRITE").await
    }

    /// Begins a transaction of a mode, such as `ISOLATION LEVEL REPEATABLE READ, READ ONLY`.
    pub async fn begin_as(&self, mode: &str) -> Result<SettledTransaction, sqlx::Error> {
        let is_direct = self.server.is_direct().await?;
        let settings = if is_direct { "" } else { &self.local_settings };
        let transaction = self.pool.begin_with(AssertSqlSafe(format!("BEGIN {mode}{settings}"))).await?;
        Ok(SettledTransaction(Session { transaction, names_statements: is_direct }))
    }

    /// Rows of one statement that only reads: one round trip where each session is set, a transaction behind a pooler.
    pub async fn read<'q, E>(&self, query: E) -> Result<Vec<PgRow>, sqlx::Error>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        if self.server.is_direct().await? {
            return self.pool.fetch_all(query).await;
        }
        // It only reads, so it ends in the background: nobody waits for that.
        self.begin_as("READ ONLY").await?.fetch_all(query).await
    }

    /// Whether connections go through a pooler that may give each transaction another server connection.
    pub async fn is_pooled(&self) -> Result<bool, sqlx::Error> {
        Ok(!self.server.is_direct().await?)
    }

    /// A connection of its own, outside of the pool, whose session may be set.
    pub async fn connect_alone(&self) -> Result<PgConnection, sqlx::Error> {
        self.server.options.connect().await
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
