//! The SQLite adapter: the files of a directory, opened read-only and attached under their owners' names.

use super::rows::TextRow;
use super::sql::{Arg, Statement};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The services whose database files are attached.
const ATTACHED_OWNERS: [&str; 2] = ["metrics", "portfolio"];

/// Connections to one directory.
#[derive(Clone)]
pub struct Sqlite(SqlitePool);

impl Sqlite {
    pub(super) fn connect_lazily(directory: PathBuf) -> Self {
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .after_connect(move |connection, _| Box::pin(attach(connection, directory.clone())));
        let options = SqliteConnectOptions::new().in_memory(true).busy_timeout(Duration::from_secs(5));
        Self(pool.connect_lazy_with(options))
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    pub(super) async fn fetch_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<TextRow>>, sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        let mut answers = Vec::with_capacity(statements.len());
        for statement in statements {
            answers.push(fetch(&mut transaction, statement).await?);
        }
        transaction.commit().await?;
        Ok(answers)
    }
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
