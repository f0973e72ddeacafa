//! The PostgreSQL adapter: transactions that can only read.

use super::cost::{Cost, PerCost};
use super::rows::TextRow;
use super::sql::{Arg, Statement};
use migrations::{Session, Sessions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What every transaction sets. Every list is read in the order of an index and ends early, so plans that read a whole table
/// or sort all that they found are never right here, whatever the statistics say; nor is compiling a plan.
const SETTINGS: [(&str, &str); 4] =
    [("jit", "off"), ("enable_seqscan", "off"), ("enable_bitmapscan", "off"), ("enable_sort", "off")];

/// Connections to one server.
#[derive(Clone)]
pub(super) struct Postgres(PerCost<Sessions>);

impl Postgres {
    /// Parses a connection string.
    pub(super) fn parse_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(url)?.application_name("chaintape-api"))
    }

    pub(super) fn connect_lazily(url: &str) -> Result<Self, sqlx::Error> {
        let options = Self::parse_options(url)?;
        Ok(Self(PerCost::new(|cost| {
            let timeout = format!("{}ms", cost.statement_timeout().as_millis());
            let mut settings = SETTINGS.to_vec();
            settings.push(("statement_timeout", &timeout));
            let pool = PgPoolOptions::new().max_connections(cost.connections()).acquire_timeout(CONNECT_TIMEOUT);
            Sessions::connect_lazily(&options, pool, &settings)
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
        let mode = if statements.len() == 1 { READ_ONE } else { READ_TOGETHER };
        let mut transaction = self.0.of_cost(cost).begin_as(mode).await?;
        // It only reads, so it ends in the background: nobody waits for that.
        fetch_all(&mut transaction, statements).await
    }
}

/// One statement sees one moment anyway; several are to see the same.
const READ_ONE: &str = "READ ONLY";
const READ_TOGETHER: &str = "ISOLATION LEVEL REPEATABLE READ, READ ONLY";

async fn fetch_all(connection: &mut Session, statements: Vec<Statement>) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
    let mut answers = Vec::with_capacity(statements.len());
    for statement in statements {
        answers.push(fetch(connection, statement).await?);
    }
    Ok(answers)
}

async fn fetch(connection: &mut Session, statement: Statement) -> Result<Vec<TextRow>, sqlx::Error> {
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
