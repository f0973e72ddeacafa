//! The PostgreSQL adapter: sessions that can only read.

use super::cost::{Cost, PerCost};
use super::rows::TextRow;
use super::sql::{Arg, Statement};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What every session sets. Every list is read in the order of an index and ends early, so plans that read a whole table
/// or sort all that they found are never right here, whatever the statistics say; nor is compiling a plan.
const SESSION: [(&str, &str); 5] = [
    ("default_transaction_read_only", "on"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
];

/// Connections to one server.
#[derive(Clone)]
pub(super) struct Postgres(PerCost<PgPool>);

impl Postgres {
    /// Parses a connection string.
    pub(super) fn parse_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(url)?.application_name("chaintape-api").options(SESSION))
    }

    pub(super) fn connect_lazily(url: &str) -> Result<Self, sqlx::Error> {
        let options = Self::parse_options(url)?;
        Ok(Self(PerCost::new(|cost| {
            let timeout = format!("{}ms", cost.statement_timeout().as_millis());
            PgPoolOptions::new()
                .max_connections(cost.connections())
                .acquire_timeout(CONNECT_TIMEOUT)
                .connect_lazy_with(options.clone().options([("statement_timeout", timeout)]))
        })))
    }

    pub(super) async fn close(&self) {
        for pool in self.0.all() {
            pool.close().await;
        }
    }

    pub(super) async fn fetch_together(
        &self,
        cost: Cost,
        statements: Vec<Statement>,
    ) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
        let pool = self.0.of_cost(cost);
        if statements.len() == 1 {
            let mut connection = pool.acquire().await?;
            return fetch_all(&mut connection, statements).await;
        }
        let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
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
