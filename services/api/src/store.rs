//! The database, read-only: the published views of metrics and portfolio through one port, on PostgreSQL or SQLite.
//!
//! The adapters differ in how they connect and in one clause (`sql::Dialect`); every column travels as text, so that
//! one reading (`lines`) serves both. The suite that holds both is `tests/api/reads.rs`.

mod sql;
mod lines;
mod postgres;
mod sqlite;

use api_domain::{AssetPage, Folded, PositionRow, Reads, TotalsRow, TradeQuery, TradeRow, UserState, WalletState, Who};
use lines::Line;
use sql::{Dialect, Statement};
use std::path::PathBuf;
use tape::Unavailable;

/// The published views on either database. Clones share the connections.
#[derive(Clone)]
pub enum Store {
    /// A server.
    Postgres(postgres::Postgres),
    /// A directory of files.
    Sqlite(sqlite::Sqlite),
}

/// Why no database is meant by a text.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// Neither of the two.
    #[error("must be `postgres://…` or `sqlite:DIRECTORY`")]
    Scheme,
    /// Not a connection string.
    #[error("is no connection string of PostgreSQL")]
    Postgres(#[source] sqlx::Error),
}

impl Store {
    /// The database a `DATABASE_URL` means. Nothing is asked of it yet; it need not exist.
    pub fn at(url: &str) -> Result<Self, BadUrl> {
        if let Some(wrong) = Self::wrong(url) {
            return Err(wrong);
        }
        match url.strip_prefix("sqlite:") {
            Some(directory) => Ok(Self::Sqlite(sqlite::Sqlite::at(PathBuf::from(directory)))),
            None => postgres::Postgres::at(url).map(Self::Postgres).map_err(BadUrl::Postgres),
        }
    }

    /// What is wrong with a `DATABASE_URL`, if anything.
    pub fn wrong(url: &str) -> Option<BadUrl> {
        match url.split_once(':') {
            Some(("sqlite", directory)) if !directory.is_empty() => None,
            Some(("postgres" | "postgresql", _)) => postgres::Postgres::options(url).err().map(BadUrl::Postgres),
            _ => Some(BadUrl::Scheme),
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(store) => store.close().await,
            Self::Sqlite(store) => store.close().await,
        }
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The answers to all statements, of one instant.
    async fn read(&self, doing: &str, statements: Vec<Statement>) -> Result<Vec<Vec<Line>>, Unavailable> {
        let answers = match self {
            Self::Postgres(store) => store.read(statements).await,
            Self::Sqlite(store) => store.read(statements).await,
        };
        answers.map_err(|source| Unavailable::new(doing, source))
    }

    async fn read_one(&self, doing: &str, statement: Statement) -> Result<Vec<Line>, Unavailable> {
        Ok(self.read(doing, vec![statement]).await?.pop().unwrap_or_default())
    }
}

impl Reads for Store {
    async fn folded(&self) -> Result<Folded, Unavailable> {
        let answer = self.read_one("read metrics.read_positions_v1", sql::folded()).await?;
        lines::folded(&answer)
    }

    async fn trades(&self, query: &TradeQuery) -> Result<Vec<TradeRow>, Unavailable> {
        let answer = self.read_one("read metrics.trades_v1", sql::trades(query, self.dialect())).await?;
        answer.into_iter().map(lines::trade).collect()
    }

    async fn tape(&self, query: &TradeQuery) -> Result<(Folded, Vec<TradeRow>), Unavailable> {
        let both = vec![sql::folded(), sql::trades(query, self.dialect())];
        let [folded, trades] = exactly(self.read("read metrics.trades_v1", both).await?);
        Ok((lines::folded(&folded)?, trades.into_iter().map(lines::trade).collect::<Result<_, _>>()?))
    }

    async fn totals(&self, who: &Who) -> Result<Vec<TotalsRow>, Unavailable> {
        let answer = self.read_one("read metrics.user_totals_v1", sql::totals(who)).await?;
        answer.into_iter().map(lines::totals).collect()
    }

    async fn positions(&self, who: &Who, page: &AssetPage) -> Result<Vec<PositionRow>, Unavailable> {
        let answer = self.read_one("read metrics.positions_v1", sql::positions(who, page)).await?;
        answer.into_iter().map(lines::position).collect()
    }

    async fn user(&self, who: &Who, limit: u32) -> Result<UserState, Unavailable> {
        let page = AssetPage { after: None, limit };
        let all = vec![sql::folded(), sql::totals(who), sql::positions(who, &page)];
        let [folded, totals, positions] = exactly(self.read("read a user's metrics", all).await?);
        Ok(UserState {
            folded: lines::folded(&folded)?,
            totals: totals.into_iter().map(lines::totals).collect::<Result<_, _>>()?,
            positions: positions.into_iter().map(lines::position).collect::<Result<_, _>>()?,
        })
    }

    async fn wallet(&self, who: &Who, page: &AssetPage) -> Result<WalletState, Unavailable> {
        let both = vec![sql::wallets(who), sql::balances(who, page)];
        let [wallets, balances] = exactly(self.read("read portfolio.balances_v1", both).await?);
        Ok(WalletState {
            wallets: wallets.into_iter().map(lines::wallet).collect::<Result<_, _>>()?,
            balances: balances.into_iter().map(lines::balance).collect::<Result<_, _>>()?,
        })
    }
}

/// As many answers as statements were asked.
fn exactly<const N: usize>(answers: Vec<Vec<Line>>) -> [Vec<Line>; N] {
    let mut answers = answers.into_iter();
    std::array::from_fn(|_| answers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries to write through a session of the api; the database's own words on it.
    async fn attempt(store: &Store, sql: &str) -> String {
        let refused = store.read_one("write", Statement::new(sql)).await.unwrap_err();
        std::iter::successors(std::error::Error::source(&refused), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    }

    #[tokio::test]
    async fn a_file_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        for owner in ["metrics", "portfolio"] {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(directory.path().join(format!("{owner}.db")))
                .create_if_missing(true);
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            sqlx::query("CREATE TABLE held (a)").execute(&pool).await.unwrap();
            pool.close().await;
        }
        let store = Store::at(&format!("sqlite:{}", directory.path().display())).unwrap();
        for sql in ["INSERT INTO metrics.held VALUES (1)", "DROP TABLE portfolio.held", "CREATE TABLE metrics.more (a)"]
        {
            let refused = attempt(&store, sql).await;
            assert!(refused.contains("readonly"), "{sql}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_server_cannot_be_written() {
        let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) else {
            println!("skipped: DATABASE_URL names no PostgreSQL");
            return;
        };
        let refused = attempt(&Store::at(&url).unwrap(), "CREATE TABLE api_must_not_write (a int)").await;
        assert!(refused.contains("read-only transaction"), "{refused}");
    }

    #[test]
    fn only_two_kinds_of_database_are_meant() {
        for url in ["", "sqlite:", "mysql://x", "data"] {
            assert!(Store::wrong(url).is_some(), "{url}");
        }
        assert!(Store::wrong("sqlite:data").is_none() && Store::wrong("postgres://u@h/d").is_none());
    }
}
