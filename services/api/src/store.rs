//! The database, read-only: the published views of metrics and portfolio, on PostgreSQL or SQLite.
//!
//! The adapters differ in how they connect and in a few clauses (`sql::Dialect`). Both return every column as text, so
//! that one module (`rows`) reads the answers of both. One test suite runs on both: `tests/api/reads.rs`.

mod cost;
mod sql;
mod trade_sql;
mod platform_sql;
mod platforms;
mod sums;
mod asset_sql;
mod worth_sql;
mod assets;
mod rows;
mod postgres;
mod sqlite;

pub use assets::UserHoldings;
pub use cost::Overload;

use api_domain::{
    AssetPage, BookRules, DriftRow, ExplainedPosition, FeeRow, FoldedPositions, LeaderRow, Measure, PositionKey,
    PositionRow, StatusFilter, StepPage, TradeKey, TradeQuery, TradeRow, UserQuery, UserState, Walk, WalletState,
    Window,
};
use cost::{Cost, Turns};
use rows::TextRow;
use sql::{Dialect, Statement};
use std::path::Path;
use tape::Unavailable;
use trade_sql::TimeRange;

/// The published views on either database. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    database: Database,
    turns: Turns,
}

#[derive(Clone)]
enum Database {
    /// A server.
    Postgres(postgres::Postgres),
    /// A directory of files.
    Sqlite(sqlite::Sqlite),
}

/// Why a `DATABASE_URL` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// It names neither of the two databases.
    #[error("must be `postgres://…` or `sqlite:DIRECTORY`")]
    Scheme,
    /// It is no connection string of PostgreSQL.
    #[error("is not a valid PostgreSQL connection string")]
    Postgres(#[source] sqlx::Error),
}

impl Store {
    /// The database that a `DATABASE_URL` names. It is connected to when it is first read; it need not exist yet.
    pub fn from_url(url: &str) -> Result<Self, BadUrl> {
        Self::check_url(url)?;
        let database = match url.strip_prefix("sqlite:") {
            Some(directory) => Database::Sqlite(sqlite::Sqlite::connect_lazily(Path::new(directory))),
            None => Database::Postgres(postgres::Postgres::connect_lazily(url).map_err(BadUrl::Postgres)?),
        };
        Ok(Self { database, turns: Turns::new() })
    }

    /// Checks a `DATABASE_URL` without connecting.
    pub fn check_url(url: &str) -> Result<(), BadUrl> {
        match url.split_once(':') {
            Some(("sqlite", directory)) if !directory.is_empty() => Ok(()),
            Some(("postgres" | "postgresql", _)) => {
                postgres::Postgres::parse_options(url).map(drop).map_err(BadUrl::Postgres)
            }
            _ => Err(BadUrl::Scheme),
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        match &self.database {
            Database::Postgres(store) => store.close().await,
            Database::Sqlite(store) => store.close().await,
        }
    }

    fn dialect(&self) -> Dialect {
        match self.database {
            Database::Postgres(_) => Dialect::Postgres,
            Database::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The rows of each statement, all of one instant.
    async fn fetch_together<const N: usize>(
        &self,
        doing: &str,
        statements: [Statement; N],
    ) -> Result<[Vec<TextRow>; N], Unavailable> {
        let mut answers = self.fetch_each(doing, statements.into()).await?.into_iter();
        Ok(std::array::from_fn(|_| answers.next().unwrap_or_default()))
    }

    /// The same for any number of statements.
    async fn fetch_each(&self, doing: &str, statements: Vec<Statement>) -> Result<Vec<Vec<TextRow>>, Unavailable> {
        let cost = statements.iter().map(|statement| statement.cost).max().unwrap_or(Cost::Cheap);
        let _turn = self.turns.take(cost).await.map_err(|source| Unavailable::new(doing, source))?;
        let answers = match &self.database {
            Database::Postgres(store) => store.fetch_together(cost, statements).await,
            Database::Sqlite(store) => store.fetch_together(cost, statements).await,
        };
        answers.map_err(|source| Unavailable::new(doing, source))
    }

    async fn fetch(&self, doing: &str, statement: Statement) -> Result<Vec<TextRow>, Unavailable> {
        let [rows] = self.fetch_together(doing, [statement]).await?;
        Ok(rows)
    }
}

/// Trades of one transaction that are read to find one of them.
const MAX_TRADES_OF_TRANSACTION: u32 = 10_000;

/// The queries. Each reads one instant of the database.
impl Store {
    /// Up to which positions metrics has folded the tape. Also shows whether the database is there.
    pub async fn folded_positions(&self) -> Result<FoldedPositions, Unavailable> {
        rows::folded_positions(self.fetch("read metrics.read_positions_v1", sql::folded_positions()).await?)
    }

    /// One page of trades, newest first.
    pub async fn trades(&self, query: &TradeQuery) -> Result<Walk<TradeRow, TradeKey>, Unavailable> {
        let [kept, without_clock] = self.trade_statements(query);
        if !query.span.is_unbounded() {
            return rows::trade_walk(self.fetch("read metrics.trades_v1", kept).await?);
        }
        let [kept, without_clock] = self.fetch_together("read metrics.trades_v1", [kept, without_clock]).await?;
        Ok(rows::trade_walk(kept)?.then(rows::trade_walk(without_clock)?))
    }

    /// The trade of an id: the live one, where it is stored for several traders; else a reverted one.
    pub async fn trade(&self, id: &str) -> Result<Option<TradeRow>, Unavailable> {
        // The transaction is what stands between the second and the last slash.
        let transaction =
            id.splitn(3, '/').nth(2).and_then(|rest| rest.rsplit_once('/')).map(|(hash, _)| hash.to_owned());
        let limit = MAX_TRADES_OF_TRANSACTION;
        let query = TradeQuery { transaction, shown: StatusFilter::All, limit, ..TradeQuery::default() };
        let mut rows = self.trades(&query).await?.rows;
        rows.retain(|row| row.key.id == id);
        let live = rows.iter().position(|row| row.live).unwrap_or(0);
        Ok(rows.into_iter().nth(live))
    }

    /// The first page of trades, and up to which positions they are folded.
    pub async fn trades_and_positions(
        &self,
        query: &TradeQuery,
    ) -> Result<(FoldedPositions, Vec<TradeRow>), Unavailable> {
        let [kept, without_clock] = self.trade_statements(query);
        let statements = [sql::folded_positions(), kept, without_clock];
        let [folded, kept, without_clock] = self.fetch_together("read metrics.trades_v1", statements).await?;
        let mut trades = rows::trade_walk(kept)?.then(rows::trade_walk(without_clock)?).rows;
        trades.truncate(query.limit as usize);
        Ok((rows::folded_positions(folded)?, trades))
    }

    fn trade_statements(&self, query: &TradeQuery) -> [Statement; 2] {
        [TimeRange::Kept, TimeRange::WithoutClock].map(|range| trade_sql::trades(query, range, self.dialect()))
    }

    /// The newest days of one user's fees, below a day where one is given.
    pub async fn user_fees(
        &self,
        user: &UserQuery,
        platform: Option<&str>,
        below_day: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeeRow>, Unavailable> {
        let statement = sql::user_fees(user, platform, below_day, limit);
        rows::fee_rows(self.fetch("read metrics.fees_v1", statement).await?)
    }

    /// The newest days of the fees that a platform earned, below a day where one is given.
    pub async fn platform_fees(
        &self,
        platform: &str,
        below_day: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FeeRow>, Unavailable> {
        let statement = sql::platform_fees(platform, below_day, limit, self.dialect());
        let mut fees = rows::fee_rows(self.fetch("read the fees of a platform", statement).await?)?;
        fees.truncate(limit as usize);
        Ok(fees)
    }

    /// One page of a leaderboard, below a rank.
    pub async fn leaderboard(
        &self,
        window: Window,
        by: Measure,
        after_rank: u32,
        limit: u32,
    ) -> Result<Vec<LeaderRow>, Unavailable> {
        let statement = sql::leaderboard(window, by, after_rank, limit, self.dialect());
        read_each(self.fetch("read metrics.leaders_v1", statement).await?, rows::leader_row)
    }

    /// The rules by which metrics keeps its book; none before it has opened one.
    pub async fn book_rules(&self) -> Result<Option<BookRules>, Unavailable> {
        rows::book_rules(self.fetch("read metrics.method_v1", sql::book_rules()).await?)
    }

    /// A position and one page of its trades; none where there is no such position.
    pub async fn explain_position(
        &self,
        key: &PositionKey,
        page: &StepPage,
    ) -> Result<Option<ExplainedPosition>, Unavailable> {
        let steps = |range| trade_sql::position_steps(key, page, range);
        let position = sql::position(key, self.dialect());
        let statements = [sql::book_rules(), position, steps(TimeRange::WithoutClock), steps(TimeRange::Kept)];
        let [rules, position, without_clock, kept] = self.fetch_together("explain a position", statements).await?;
        let Some(position) = position.into_iter().next() else { return Ok(None) };
        Ok(Some(ExplainedPosition {
            method: rows::book_rules(rules)?.map(|rules| rules.method).unwrap_or_default(),
            position: rows::position_row(position)?,
            steps: rows::step_walk(without_clock)?.then(rows::step_walk(kept)?),
        }))
    }

    /// One page of the drift of a user's balances.
    pub async fn user_drift(&self, user: &UserQuery, page: &AssetPage) -> Result<Vec<DriftRow>, Unavailable> {
        read_each(self.fetch("read portfolio.drift_v1", sql::user_drift(user, page)).await?, rows::drift_row)
    }

    /// One page of a user's positions.
    pub async fn user_positions(&self, user: &UserQuery, page: &AssetPage) -> Result<Vec<PositionRow>, Unavailable> {
        let statement = sql::user_positions(user, page, self.dialect());
        read_each(self.fetch("read metrics.positions_v1", statement).await?, rows::position_row)
    }

    /// A user's totals and first positions, and up to which positions of the tape they are folded.
    pub async fn user_state(&self, user: &UserQuery, limit: u32) -> Result<UserState, Unavailable> {
        let page = AssetPage { after: None, limit };
        let dialect = self.dialect();
        let (totals, positions) = (sql::user_totals(user, dialect), sql::user_positions(user, &page, dialect));
        let statements = [sql::folded_positions(), totals, positions];
        let [folded, totals, positions] = self.fetch_together("read a user's metrics", statements).await?;
        Ok(UserState {
            folded: rows::folded_positions(folded)?,
            totals: rows::totals_rows("metrics.user_totals_v1", totals)?,
            positions: read_each(positions, rows::position_row)?,
        })
    }

    /// A user's wallets and one page of their balances.
    pub async fn wallet_state(&self, user: &UserQuery, page: &AssetPage) -> Result<WalletState, Unavailable> {
        let statements = [sql::user_wallets(user), sql::user_balances(user, page, self.dialect())];
        let [wallets, balances] = self.fetch_together("read portfolio.balances_v1", statements).await?;
        Ok(WalletState {
            wallets: read_each(wallets, rows::wallet_row)?,
            balances: read_each(balances, rows::balance_row)?,
        })
    }
}

/// PostgreSQL's code for a table or view that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// Whether a read failed because PostgreSQL has no such table or view yet.
pub(crate) fn is_missing_table(error: &Unavailable) -> bool {
    let refused = error.source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    refused.and_then(sqlx::error::DatabaseError::code).as_deref() == Some(UNDEFINED_TABLE)
}

fn read_each<T>(rows: Vec<TextRow>, read: impl Fn(TextRow) -> Result<T, Unavailable>) -> Result<Vec<T>, Unavailable> {
    rows.into_iter().map(read).collect()
}

#[cfg(test)]
mod walk_tests;

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries to write through a session of the api; returns the database's own message.
    async fn attempt(store: &Store, sql: &str) -> String {
        let refused = store.fetch("write", Statement::new(sql)).await.unwrap_err();
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
        let store = Store::from_url(&format!("sqlite:{}", directory.path().display())).unwrap();
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
        let refused = attempt(&Store::from_url(&url).unwrap(), "CREATE TABLE api_must_not_write (a int)").await;
        assert!(refused.contains("read-only transaction"), "{refused}");
    }

    #[test]
    fn only_two_kinds_of_database_are_known() {
        for url in ["", "sqlite:", "mysql://x", "data"] {
            assert!(Store::check_url(url).is_err(), "{url}");
        }
        assert!(Store::check_url("sqlite:data").is_ok() && Store::check_url("postgres://u@h/d").is_ok());
    }
}
