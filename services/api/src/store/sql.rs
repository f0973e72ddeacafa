//! The SQL statements: pages by keyset, filters as parameters, every column as text.
//!
//! `ORDER BY` names columns with their table (`t.height`): PostgreSQL would take a bare name for the selected column,
//! which is text, and as text 9 comes after 10.

use super::asset_sql::price_of;
use super::cost::Cost;
use super::worth_sql::TOLD_PRICE;
use api_domain::{AssetPage, Measure, PositionKey, UserQuery, Window};
use std::fmt::Write;

/// The databases, where their SQL differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Venues are an array; amounts are numeric.
    Postgres,
    /// Venues are a JSON text; amounts are text.
    Sqlite,
}

/// A statement with its parameters. Text from clients is only ever a parameter.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) args: Vec<Arg>,
    pub(super) cost: Cost,
}

#[derive(Clone, Debug)]
pub(super) enum Arg {
    Text(String),
    Number(i64),
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), args: vec![], cost: Cost::Cheap }
    }

    /// Marks the statement as one that reads many rows.
    pub(super) fn costly(self) -> Self {
        Self { cost: Cost::Costly, ..self }
    }

    pub(super) fn add(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Adds a clause in which `?` stands for the argument.
    pub(super) fn with(&mut self, clause: &str, arg: Arg) {
        self.args.push(arg);
        let name = format!("${}", self.args.len());
        self.sql.push_str(&clause.replace('?', &name));
    }

    pub(super) fn text(&mut self, clause: &str, text: &str) {
        self.with(clause, Arg::Text(text.to_owned()));
    }

    fn limit(&mut self, limit: u32) {
        let _ = write!(self.sql, " LIMIT {limit}");
    }
}

/// Up to which position metrics has folded each partition: of the live trades, and of all topics together.
pub(super) fn folded_positions() -> Statement {
    let mut statement = Statement::new("SELECT CAST(partition AS text)");
    statement.text(", CAST(SUM(CASE WHEN log = ? THEN next ELSE 0 END) AS text)", tape_log::topics::TRADES.name);
    statement.add(", CAST(SUM(next) AS text) FROM metrics.read_positions_v1 GROUP BY partition");
    statement.cost = Cost::Probe;
    statement
}

/// The columns of totals, in the order in which they are read.
const TOTALS_COLUMNS: [&str; 15] = [
    "volume_usd",
    "swaps",
    "unvalued",
    "cycles",
    "fees_usd",
    "realized_pnl_usd",
    "proceeds_usd",
    "proceeds_without_basis_usd",
    "basis_without_proceeds_usd",
    "implausible",
    "implausible_usd",
    "volume_exact_usd",
    "volume_reported_usd",
    "volume_estimated_usd",
    "volume_traced_usd",
];

/// One user's totals per chain, over all time, and the positions of which the wallet no longer holds a part.
pub(super) fn user_totals(user: &UserQuery, dialect: Dialect) -> Statement {
    let mut statement = Statement::new("SELECT ");
    add_user_totals(&mut statement, user, dialect);
    statement.add(" ORDER BY chain");
    statement
}

fn add_user_totals(statement: &mut Statement, user: &UserQuery, dialect: Dialect) {
    let columns = TOTALS_COLUMNS.map(|column| format!("CAST({column} AS text)")).join(", ");
    let elsewhere = positions_held_elsewhere("t.trader", Some("t.chain"), dialect);
    statement.add(&format!("chain, {columns}, {elsewhere} FROM metrics.user_totals_v1 t WHERE TRUE"));
    and_user(statement, user, "trader");
}

/// What portfolio's columns are compared with: on PostgreSQL those of metrics sort by bytes, and an index serves only
/// comparisons of its own order.
fn as_in_portfolio(column: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("{column} COLLATE \"default\""),
        Dialect::Sqlite => column.to_owned(),
    }
}

/// What metrics' columns are compared with; the other way round.
pub(super) fn as_in_metrics(column: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("{column} COLLATE \"C\""),
        Dialect::Sqlite => column.to_owned(),
    }
}

/// A text of JSON: of each position that a snapshot says less of than its trades `[bought, quantity, unknown, drift,
/// proceeds]`, of one trader, on one chain or on all. Null or empty where there is none.
fn positions_held_elsewhere(trader: &str, chain: Option<&str>, dialect: Dialect) -> String {
    let [open, row] = match dialect {
        Dialect::Postgres => ["json_agg(", "json_build_array("],
        Dialect::Sqlite => ["json_group_array(", "json_array("],
    };
    let of_chain = chain.map_or(String::new(), |chain| format!(" AND d.chain = {}", as_in_portfolio(chain, dialect)));
    format!(
        "(SELECT CAST({open}{row}CAST(p.bought_quantity AS text), CAST(p.quantity AS text), CAST(p.unknown_quantity AS text), \
         d.drift, CAST(p.proceeds_usd AS text))) AS text) FROM portfolio.drift_v1 d JOIN metrics.positions_v1 p \
         ON p.trader = {trader} AND p.chain = {} AND p.asset = {} WHERE d.address = {} AND d.drift LIKE '-%'{of_chain})",
        as_in_metrics("d.chain", dialect),
        as_in_metrics("d.asset", dialect),
        as_in_portfolio(trader, dialect),
    )
}

/// Hours read of one user at most: more than two years of hours in which something happened.
const MAX_HOURS_READ: u32 = 20_000;

/// What the first column of a row of [`user_hours`] says: it is a group of hours, or one chain over all time.
pub(super) const HOURS_ROW: &str = "hours";

/// One user's hours in groups: by chain where `step_hours` is none, else by stretches of so many hours; and beside them
/// the totals over all time, in one statement, which is one way to the database. PostgreSQL adds hours up; SQLite, whose
/// amounts are text, returns them one by one.
pub(super) fn user_hours(
    user: &UserQuery,
    first_hour: Option<u64>,
    step_hours: Option<u64>,
    dialect: Dialect,
) -> Statement {
    let group = step_hours.map_or("chain".to_owned(), |step| format!("(hour / {step}) * {step}"));
    let shown = if step_hours.is_some() { format!("CAST({group} AS text)") } else { group.clone() };
    let columns = match dialect {
        Dialect::Postgres => TOTALS_COLUMNS.map(|column| format!("CAST(sum({column}) AS text)")),
        Dialect::Sqlite => TOTALS_COLUMNS.map(|column| format!("CAST({column} AS text)")),
    };
    let mut statement = Statement::new(&format!(
        "SELECT * FROM (SELECT '{HOURS_ROW}', {shown}, {}, CAST(NULL AS text) FROM metrics.user_hours_v1 WHERE TRUE",
        columns.join(", ")
    ));
    and_user(&mut statement, user, "trader");
    if let Some(first) = first_hour {
        statement.with(" AND hour >= ?", number_arg(first));
    }
    if dialect == Dialect::Postgres {
        statement.add(&format!(" GROUP BY {group}"));
    }
    statement.add(&format!(" ORDER BY {group} DESC"));
    statement.limit(MAX_HOURS_READ);
    statement.add(") h UNION ALL SELECT 'all time', ");
    add_user_totals(&mut statement, user, dialect);
    statement.costly()
}

/// The newest days of one user's fees.
pub(super) fn user_fees(user: &UserQuery, platform: Option<&str>, below: Option<u64>, limit: u32) -> Statement {
    let mut statement = Statement::new(
        "SELECT CAST(day AS text), chain, platform, CAST(trades AS text), CAST(fees_usd AS text) FROM metrics.fees_v1 t \
         WHERE TRUE",
    );
    and_user(&mut statement, user, "trader");
    if let Some(platform) = platform {
        statement.text(" AND platform = ?", platform);
    }
    page_by_day(&mut statement, below, limit);
    statement
}

/// The newest days of the fees that a platform earned; SQLite returns them user by user.
pub(super) fn platform_fees(platform: &str, below: Option<u64>, limit: u32, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(match dialect {
        Dialect::Postgres => {
            "SELECT CAST(day AS text), '', platform, CAST(trades AS text), CAST(fees_usd AS text) \
             FROM metrics.platform_fees_v1 t WHERE TRUE"
        }
        Dialect::Sqlite => {
            "SELECT CAST(day AS text), '', platform, CAST(trades AS text), CAST(fees_usd AS text) FROM metrics.fees_v1 t \
             WHERE TRUE"
        }
    });
    statement.text(" AND platform = ?", platform);
    match dialect {
        Dialect::Postgres => page_by_day(&mut statement, below, limit),
        Dialect::Sqlite => page_by_day(&mut statement, below, u32::MAX),
    }
    statement.costly()
}

/// Newest day first, below `below`.
fn page_by_day(statement: &mut Statement, below: Option<u64>, limit: u32) {
    if let Some(day) = below {
        statement.with(" AND day < ?", number_arg(day));
    }
    statement.add(" ORDER BY t.day DESC, 2, t.platform");
    statement.limit(limit);
}

/// One page of a leaderboard. Beside the figures stands what they leave in doubt: the positions of which a wallet no longer
/// holds a part, and the proceeds of all time as a text of JSON.
pub(super) fn leaderboard(window: Window, by: Measure, after: u32, limit: u32, dialect: Dialect) -> Statement {
    let list = match dialect {
        Dialect::Postgres => "json_agg",
        Dialect::Sqlite => "json_group_array",
    };
    let mut statement = Statement::new(&format!(
        "SELECT CAST(rank AS text), trader, CAST(volume_usd AS text), CAST(swaps AS text), CAST(fees_usd AS text), \
         CAST(realized_pnl_usd AS text), CAST(proceeds_usd AS text), CAST(proceeds_without_basis_usd AS text), \
         CAST(basis_without_proceeds_usd AS text), CAST(implausible AS text), CAST(implausible_usd AS text), \
         CAST(net_volume_usd AS text), CAST(wash_usd AS text), CAST(counterparties AS text), CAST(built_at_ms AS text), {}, (SELECT CAST({list}(CAST(u.proceeds_usd AS text)) AS text) FROM metrics.user_totals_v1 u \
         WHERE u.trader = t.trader) FROM metrics.leaders_v1 t WHERE TRUE",
        positions_held_elsewhere("t.trader", None, dialect)
    ));
    statement.text(" AND span = ?", window.name());
    statement.text(" AND measure = ?", by.name());
    statement.with(" AND rank > ?", Arg::Number(after.into()));
    statement.add(" ORDER BY t.rank");
    statement.limit(limit);
    statement
}

/// The rules by which the book is kept.
pub(super) fn book_rules() -> Statement {
    Statement::new("SELECT name, natives, max_notional_usd FROM metrics.method_v1")
}

/// One position.
pub(super) fn position(key: &PositionKey, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(&select_positions(dialect));
    statement.text(" AND trader = ?", &key.address);
    statement.text(" AND chain = ?", &key.chain);
    statement.text(" AND asset = ?", &key.asset);
    statement
}

/// One page of a user's drift.
pub(super) fn user_drift(user: &UserQuery, page: &AssetPage) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, asset, symbol, CAST(decimals AS text), balance, net, drift, CAST(taken_at AS text) \
         FROM portfolio.drift_v1 WHERE TRUE",
    );
    and_user(&mut statement, user, "address");
    page_by_asset(&mut statement, page);
    statement
}

/// Positions, each with the drift of its balance and the price of its asset.
pub(super) fn select_positions(dialect: Dialect) -> String {
    let [chain, trader, asset] = ["t.chain", "t.trader", "t.asset"].map(|column| as_in_portfolio(column, dialect));
    format!(
        "SELECT chain, asset, symbol, CAST(decimals AS text), CAST(quantity AS text), CAST(unknown_quantity AS text), \
         CAST(basis_usd AS text), CAST(realized_pnl_usd AS text), CAST(proceeds_usd AS text), \
         CAST(proceeds_without_basis_usd AS text), CAST(basis_without_proceeds_usd AS text), \
         CAST(bought_quantity AS text), (SELECT d.drift FROM portfolio.drift_v1 d WHERE d.chain = {chain} AND d.address = {trader} AND d.asset = {asset}), {} \
         FROM metrics.positions_v1 t WHERE TRUE",
        price_of("t.chain", "t.asset")
    )
}

/// One page of a user's positions.
pub(super) fn user_positions(user: &UserQuery, page: &AssetPage, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(&select_positions(dialect));
    and_user(&mut statement, user, "trader");
    page_by_asset(&mut statement, page);
    statement
}

/// A user's wallets.
pub(super) fn user_wallets(user: &UserQuery) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, provider, CAST(taken_at AS text), CAST(left_out AS text), \
         left_out_reason, CAST(failures AS text), failure, CAST(retry_at AS text), CAST(as_of AS text) FROM portfolio.wallets_v1 WHERE TRUE",
    );
    and_user(&mut statement, user, "address");
    statement.add(" ORDER BY chain");
    statement
}

/// One page of a user's balances.
pub(super) fn user_balances(user: &UserQuery, page: &AssetPage, dialect: Dialect) -> Statement {
    let [price_chain, price_asset] = ["t.chain", "t.asset"].map(|column| as_in_metrics(column, dialect));
    let mut statement = Statement::new(&format!(
        "SELECT chain, asset, symbol, CAST(decimals AS text), CAST(raw AS text), CAST(is_spam AS text), \
         CAST(is_verified AS text), provider, CAST(taken_at AS text), net, drift, CAST(kept AS text), CAST(as_of AS text), {}, \
         {TOLD_PRICE} FROM portfolio.balances_v1 t WHERE TRUE",
        price_of(&price_chain, &price_asset)
    ));
    and_user(&mut statement, user, "address");
    page_by_asset(&mut statement, page);
    statement
}

pub(super) fn and_user(statement: &mut Statement, user: &UserQuery, column: &str) {
    statement.text(&format!(" AND {column} = ?"), &user.address);
    if let Some(chain) = &user.chain {
        statement.text(" AND chain = ?", chain);
    }
}

fn page_by_asset(statement: &mut Statement, page: &AssetPage) {
    if let Some((chain, asset)) = &page.after {
        statement.text(" AND (chain, asset) > (?", chain);
        statement.text(", ?)", asset);
    }
    statement.add(" ORDER BY chain, asset");
    statement.limit(page.limit);
}

pub(super) fn number_arg(value: u64) -> Arg {
    Arg::Number(value.cast_signed())
}
