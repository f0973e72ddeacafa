//! The statements: pages as keysets, filters as parameters, every column as text.

use api_domain::{AssetPage, Shown, TradeQuery, Who};
use std::fmt::Write;

/// Where the two databases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Venues are an array.
    Postgres,
    /// Venues are a JSON text.
    Sqlite,
}

/// A question with its parameters; texts of users are only ever parameters.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub(super) enum Arg {
    Text(String),
    Number(i64),
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), args: vec![] }
    }

    fn add(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Adds a clause in which `?` stands for the argument.
    fn with(&mut self, clause: &str, arg: Arg) {
        self.args.push(arg);
        let name = format!("${}", self.args.len());
        self.sql.push_str(&clause.replace('?', &name));
    }

    fn text(&mut self, clause: &str, text: &str) {
        self.with(clause, Arg::Text(text.to_owned()));
    }

    fn limit(&mut self, limit: u32) {
        let _ = write!(self.sql, " LIMIT {limit}");
    }
}

/// Up to where metrics has folded the trades log.
pub(super) fn folded() -> Statement {
    let mut statement =
        Statement::new("SELECT CAST(partition AS text), CAST(next AS text) FROM metrics.read_positions_v1 WHERE TRUE");
    statement.text(" AND log = ?", tape_log::topics::TRADES.name);
    statement
}

/// One page of trades, newest first.
pub(super) fn trades(query: &TradeQuery, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(
        "SELECT CAST(block_time_ms AS text), chain, CAST(height AS text), CAST(tx_index AS text), \
         CAST(ordinal AS text), trade_id, trader, status, event FROM metrics.trades_v1 WHERE TRUE",
    );
    if query.shown == Shown::Live {
        statement.add(" AND status = 'live'");
    }
    let filter = &query.filter;
    if let Some(chain) = &filter.chain {
        statement.text(" AND chain = ?", chain);
    }
    if let Some(trader) = &filter.trader {
        statement.text(" AND trader = ?", trader);
    }
    if let Some(asset) = &filter.asset {
        statement.text(" AND (sold_asset = ? OR bought_asset = ?)", asset);
    }
    if let Some(venue) = &filter.venue {
        let crossed = match dialect {
            Dialect::Postgres => " AND ? = ANY (venues)",
            Dialect::Sqlite => " AND EXISTS (SELECT 1 FROM json_each(venues) WHERE value = ?)",
        };
        statement.text(crossed, venue);
    }
    if let Some(key) = &query.after {
        // The first clause follows from the second; it lets the index on time begin in the right place.
        statement.with(" AND block_time_ms <= ?", number(key.block_time));
        statement.with(
            " AND (block_time_ms, chain, height, tx_index, ordinal, trade_id, trader) < (?",
            number(key.block_time),
        );
        statement.text(", ?", &key.chain);
        statement.with(", ?", number(key.height));
        statement.with(", ?", Arg::Number(key.index.into()));
        statement.with(", ?", Arg::Number(key.ordinal.into()));
        statement.text(", ?", &key.id);
        statement.text(", ?)", &key.trader);
    }
    statement.add(
        " ORDER BY block_time_ms DESC, chain DESC, height DESC, tx_index DESC, ordinal DESC, trade_id DESC, \
         trader DESC",
    );
    statement.limit(query.limit);
    statement
}

/// One user's totals per chain.
pub(super) fn totals(who: &Who) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, CAST(volume_usd AS text), CAST(swaps AS text), CAST(unvalued AS text), CAST(cycles AS text), \
         CAST(fees_usd AS text), CAST(realized_pnl_usd AS text), CAST(realized_pnl_net_usd AS text), \
         CAST(proceeds_without_basis_usd AS text) FROM metrics.user_totals_v1 WHERE TRUE",
    );
    of(&mut statement, who, "trader");
    statement.add(" ORDER BY chain");
    statement
}

/// One page of a user's positions.
pub(super) fn positions(who: &Who, page: &AssetPage) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, asset, symbol, CAST(decimals AS text), CAST(quantity AS text), \
         CAST(unknown_quantity AS text), CAST(basis_usd AS text), CAST(realized_pnl_usd AS text), \
         CAST(proceeds_without_basis_usd AS text) FROM metrics.positions_v1 WHERE TRUE",
    );
    of(&mut statement, who, "trader");
    by_asset(&mut statement, page);
    statement
}

/// A user's wallets.
pub(super) fn wallets(who: &Who) -> Statement {
    let mut statement =
        Statement::new("SELECT chain, provider, CAST(taken_at AS text) FROM portfolio.wallets_v1 WHERE TRUE");
    of(&mut statement, who, "address");
    statement.add(" ORDER BY chain");
    statement
}

/// One page of a user's balances.
pub(super) fn balances(who: &Who, page: &AssetPage) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, asset, symbol, CAST(decimals AS text), CAST(raw AS text), CAST(spam AS text), provider, \
         CAST(taken_at AS text) FROM portfolio.balances_v1 WHERE TRUE",
    );
    of(&mut statement, who, "address");
    by_asset(&mut statement, page);
    statement
}

fn of(statement: &mut Statement, who: &Who, column: &str) {
    statement.text(&format!(" AND {column} = ?"), &who.address);
    if let Some(chain) = &who.chain {
        statement.text(" AND chain = ?", chain);
    }
}

fn by_asset(statement: &mut Statement, page: &AssetPage) {
    if let Some((chain, asset)) = &page.after {
        statement.text(" AND (chain, asset) > (?", chain);
        statement.text(", ?)", asset);
    }
    statement.add(" ORDER BY chain, asset");
    statement.limit(page.limit);
}

fn number(value: u64) -> Arg {
    Arg::Number(value.cast_signed())
}
