//! The PostgreSQL adapter: transactions that can only read.

use super::cost::{Cost, PerCost};
use super::rows::TextRow;
use super::sql::{Arg, Statement};
use migrations::Sessions;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection sets. Every list is read in the order of an index and ends early, so plans that read a whole table
/// or sort all that they found are never right here, whatever the statistics say; nor is compiling a plan, or starting
/// processes that read a part each (`bench rest`: a thousand requests a second were too many with them). Its login may only
/// read, whatever is set.
const SETTINGS: [(&str, &str); 6] = [
    ("default_transaction_read_only", "on"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

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
        let sessions = self.0.of_cost(cost);
        let mut queries = statements.into_iter().map(query);
        // One statement sees one moment anyway; several are to see the same.
        if queries.len() == 1
            && let Some(query) = queries.next()
        {
            return Ok(vec![texts(&sessions.read(query).await?)?]);
        }
        let mut transaction = sessions.begin_as("ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let mut answers = Vec::with_capacity(queries.len());
        // It only reads, so it ends in the background: nobody waits for that.
        for query in queries {
            answers.push(texts(&query.fetch_all(&mut *transaction).await?)?);
        }
        Ok(answers)
    }
}

fn query(statement: Statement) -> Query<'static, sqlx::Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(statement.sql));
    statement.args.into_iter().fold(query, |query, arg| match arg {
        Arg::Text(text) => query.bind(text),
        Arg::Number(number) => query.bind(number),
    })
}

fn texts(rows: &[PgRow]) -> Result<Vec<TextRow>, sqlx::Error> {
    rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column)).collect()).collect()
}
