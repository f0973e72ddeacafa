//! The SQLite adapter: the files of a directory, opened read-only and attached under their owners' names.

use super::cost::{Cost, PerCost};
use super::rows::TextRow;
use super::sql::{Arg, Statement};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The services whose database files are attached.
const ATTACHED_OWNERS: [&str; 2] = ["metrics", "portfolio"];
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// Connections to one directory.
#[derive(Clone)]
pub(super) struct Sqlite {
    pools: PerCost<SqlitePool>,
    directory: PathBuf,
}

impl Sqlite {
    pub(super) fn connect_lazily(directory: &Path) -> Self {
        let options = SqliteConnectOptions::new().in_memory(true).busy_timeout(Duration::from_secs(5));
        let pools = PerCost::new(|cost| {
            let directory = directory.to_owned();
            SqlitePoolOptions::new()
                .max_connections(cost.connections())
                .acquire_timeout(Duration::from_secs(5))
                .after_connect(move |connection, _| Box::pin(attach(connection, directory.clone())))
                .connect_lazy_with(options.clone())
        });
        Self { pools, directory: directory.to_owned() }
    }

    pub(super) async fn close(&self) {
        for pool in self.pools.all() {
            pool.close().await;
        }
    }

    /// Before their owners have made them, no connection is tried: that would be reported as an error each time.
    fn check_files(&self) -> Result<(), sqlx::Error> {
        let files = ATTACHED_OWNERS.map(|owner| self.directory.join(format!("{owner}.db")));
        match files.iter().find(|file| !file.exists()) {
            None => Ok(()),
            Some(file) => {
                let missing = format!("{} is not there", file.display());
                Err(io::Error::new(io::ErrorKind::NotFound, missing).into())
            }
        }
    }

    pub(super) async fn fetch_together(
        &self,
        cost: Cost,
        statements: Vec<Statement>,
    ) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
        self.check_files()?;
        let mut transaction = self.pools.of_cost(cost).begin().await?;
        let mut answers = Vec::with_capacity(statements.len());
        for statement in statements {
            interrupt_after(&mut transaction, cost.statement_timeout()).await?;
            answers.push(fetch(&mut transaction, statement).await?);
        }
        transaction.lock_handle().await?.remove_progress_handler();
        transaction.commit().await?;
        Ok(answers)
    }
}

/// Interrupts what the connection does once this time is over: SQLite has no timeout of its own.
async fn interrupt_after(connection: &mut SqliteConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let begun = Instant::now();
    connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_CHECKS, move || begun.elapsed() < timeout);
    Ok(())
}

/// Attaches the owners' files; fails while one of them does not exist.
async fn attach(connection: &mut SqliteConnection, directory: PathBuf) -> Result<(), sqlx::Error> {
    for owner in ATTACHED_OWNERS {
        let file = format!("file:{}?mode=ro", escaped(&directory.join(format!("{owner}.db"))));
        sqlx::query(AssertSqlSafe(format!("ATTACH DATABASE $1 AS {owner}")))
            .bind(file)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("PRAGMA query_only = 1").execute(connection).await?;
    Ok(())
}

/// A path, escaped for a file URI.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => text.push_str("%25"),
            '?' => text.push_str("%3f"),
            '#' => text.push_str("%23"),
            other => text.push(other),
        }
    }
    text
}

async fn fetch(connection: &mut SqliteConnection, statement: Statement) -> Result<Vec<TextRow>, sqlx::Error> {
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
