//! The database, read-only: the published views of metrics and portfolio through one port, on PostgreSQL or SQLite.
//!
//! The adapters differ in how they connect and in one clause (`sql::Dialect`); every column travels as text, so that
//! one reading (`lines`) serves both. The suite that holds both is `tests/api/reads.rs`.

mod sql;
mod lines;
mod postgres;
mod sqlite;

use api_domain::{
    AssetPage, Book, DriftRow, Explained, FeeRow, Folded, Leader, Measure, Point, PositionRow, Reads, StepPage,
    TotalsRow, TradeQuery, TradeRow, UserState, WalletState, Who, Window,
};
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

    async fn totals(&self, who: &Who, hours: Option<(u64, u64)>) -> Result<Vec<TotalsRow>, Unavailable> {
        let (view, statement) = match hours {
            None => ("metrics.user_totals_v1", sql::totals(who)),
            Some(_) => ("metrics.user_hours_v1", sql::hours(who, hours, None, self.dialect())),
        };
        lines::totals(view, self.read_one(&format!("read {view}"), statement).await?)
    }

    async fn curve(&self, who: &Who, hours: Option<(u64, u64)>, step: u64) -> Result<Vec<Point>, Unavailable> {
        let statement = sql::hours(who, hours, Some(step.max(1)), self.dialect());
        lines::curve(self.read_one("read metrics.user_hours_v1", statement).await?)
    }

    async fn fees(&self, who: &Who, below: Option<u64>, limit: u32) -> Result<Vec<FeeRow>, Unavailable> {
        lines::fees(self.read_one("read metrics.fees_v1", sql::fees(who, below, limit)).await?)
    }

    async fn earned(&self, platform: &str, below: Option<u64>, limit: u32) -> Result<Vec<FeeRow>, Unavailable> {
        let statement = sql::earned(platform, below, limit, self.dialect());
        let mut rows = lines::fees(self.read_one("read what a platform earned", statement).await?)?;
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn leaders(&self, window: Window, by: Measure, after: u32, limit: u32) -> Result<Vec<Leader>, Unavailable> {
        let answer = self.read_one("read metrics.leaders_v1", sql::leaders(window, by, after, limit)).await?;
        answer.into_iter().map(lines::leader).collect()
    }

    async fn explain(&self, book: &Book, page: &StepPage) -> Result<Option<Explained>, Unavailable> {
        let all = vec![sql::method(), sql::position(book), sql::steps(book, page)];
        let [method, position, steps] = exactly(self.read("explain a position", all).await?);
        let Some(position) = position.into_iter().next() else { return Ok(None) };
        Ok(Some(Explained {
            method: lines::method(method)?,
            position: lines::position(position)?,
            steps: steps.into_iter().map(lines::step).collect::<Result<_, _>>()?,
        }))
    }

    async fn drift(&self, who: &Who, page: &AssetPage) -> Result<Vec<DriftRow>, Unavailable> {
        let answer = self.read_one("read portfolio.drift_v1", sql::drift(who, page)).await?;
        answer.into_iter().map(lines::drift).collect()
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
            totals: lines::totals("metrics.user_totals_v1", totals)?,
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
        environment::with_causes(&refused)
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
