//! The PostgreSQL adapter: sessions that can only read.

use super::rows::TextRow;
use super::sql::{Arg, Statement};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use std::str::FromStr;
use std::time::Duration;

/// Connections to one server.
#[derive(Clone)]
pub struct Postgres(PgPool);

impl Postgres {
    /// Parses a connection string.
    pub(super) fn parse_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(url)?
            .application_name("chaintape-api")
            .options([("default_transaction_read_only", "on"), ("statement_timeout", "8s")]))
    }

    pub(super) fn connect_lazily(url: &str) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(5));
        Ok(Self(pool.connect_lazy_with(Self::parse_options(url)?)))
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    pub(super) async fn fetch_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
        if statements.len() == 1 {
            let mut connection = self.0.acquire().await?;
            return fetch_all(&mut connection, statements).await;
        }
        let mut transaction = self.0.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let answers = fetch_all(&mut transaction, statements).await?;
        transaction.commit().await?;
        Ok(answers)
    }
}

async fn fetch_all(
    connection: &mut PgConnection,
    statements: Vec<Statement>,
) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
    let mut answers = Vec::with_capacity(statements.len());
    for statement in statements {
        answers.push(fetch(connection, statement).await?);
    }
    Ok(answers)
}

async fn fetch(connection: &mut PgConnection, statement: Statement) -> Result<Vec<TextRow>, sqlx::Error> {
    let mut query = sqlx::query(AssertSqlSafe(statement.sql));
    for arg in statement.args {
        query = match arg {
            Arg::Text(text) => query.bind(text),
            Arg::Number(number) => query.bind(number),
        };
    }
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
}
