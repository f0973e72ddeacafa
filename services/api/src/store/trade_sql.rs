//! The statements that list trades: each walks a bounded number of rows by index, whatever is asked for.
//!
//! A page asks for the newest trades that pass a filter. No index serves every filter, and an index for each would be paid
//! for with every trade. So a statement walks the trades in their order, at most [`MAX_ROWS_WALKED`] of them, and returns
//! those that pass, together with the row at which it stopped: there the next page goes on.
//!
//! The trades of one user are walked along the key, which begins with the trader. The order and the bounds name the trader
//! too, as `(trader, block_time_ms)`: with `trader = …` alone, the database may well walk everybody's trades by time and
//! leave out the others'.
//!
//! The trades of one transaction are few and have an index of their own: they are found first, and then walked. The database
//! must not choose: it may believe that it finds them sooner by walking all trades in their order.
//!
//! The walk has two ranges of block time, each by index: what is kept since the cut, and blocks without a clock, which
//! say that they are older than any chain. Nothing in between is visible, and there may be much of it.

use super::sql::{Arg, Dialect, Statement, number_arg};
use api_domain::{PositionKey, StatusFilter, StepPage, TradeFilter, TradeQuery};

/// Rows that one statement walks at most.
pub(super) const MAX_ROWS_WALKED: u32 = 10_000;

/// A block time below this one is no time: January 2009, as in the view.
const NO_CLOCK_BELOW_MS: u64 = 1_231_200_000_000;

/// One range of block time of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeRange {
    /// From the cut on.
    Kept,
    /// Blocks without a clock.
    WithoutClock,
}

impl TimeRange {
    /// The first block time of the range that is not below another one, as SQL: one value, which an index serves.
    fn begin(self, at_least_ms: u64) -> String {
        match self {
            Self::WithoutClock => at_least_ms.to_string(),
            Self::Kept => {
                let least = at_least_ms.max(NO_CLOCK_BELOW_MS);
                format!(
                    "(SELECT CASE WHEN max(cut_ms) > {least} THEN max(cut_ms) ELSE {least} END FROM metrics.method_v1)"
                )
            }
        }
    }
}

/// The order of trades, newest first; the trader stands first where there is only one.
const NEWEST_FIRST: [&str; 8] = [
    "trader DESC",
    "block_time_ms DESC",
    "chain DESC",
    "height DESC",
    "tx_index DESC",
    "ordinal DESC",
    "trade_id DESC",
    "trader DESC",
];

/// The order of the trades of one user on one chain, oldest first.
const OLDEST_FIRST: [&str; 6] = ["trader", "block_time_ms", "height", "tx_index", "ordinal", "trade_id"];

/// One page of trades in a range, newest first, and the row at which the walk stopped.
pub(super) fn trades(query: &TradeQuery, range: TimeRange, dialect: Dialect) -> Statement {
    let filter = &query.filter;
    let order = if filter.trader.is_some() { &NEWEST_FIRST[..] } else { &NEWEST_FIRST[1..] };
    let mut statement = Statement::new(&begin_walk());
    statement.add(&format!(
        "CAST(t.block_time_ms AS text), t.chain, CAST(t.height AS text), CAST(t.tx_index AS text), \
         CAST(t.ordinal AS text), t.trade_id, t.trader, t.status, t.event FROM (SELECT block_time_ms, chain, height, tx_index, ordinal, trade_id, trader, status, event, \
         row_number() OVER (ORDER BY {}) AS walked, (TRUE",
        order.join(", ")
    ));
    if query.shown == StatusFilter::Live {
        statement.add(" AND status = 'live'");
    }
    passes(&mut statement, filter, dialect);
    statement.add(") AS matches FROM ");
    match &query.transaction {
        Some(hash) => of_transaction(&mut statement, hash),
        None => statement.add("metrics.trades_v1"),
    }
    statement.add(" WHERE ");
    let from = query.span.from.unwrap_or(0);
    in_range(&mut statement, range, from);
    if let Some(to) = query.span.to {
        statement.with(" AND block_time_ms < ?", number_arg(to));
    }
    if let Some(trader) = &filter.trader {
        let bounds = [query.span.to.map(|to| to.saturating_sub(1)), query.after.as_ref().map(|key| key.block_time)];
        let to = bounds.into_iter().flatten().min().map_or(i64::MAX, u64::cast_signed);
        of_trader(&mut statement, trader, &range.begin(from), to);
    }
    if let Some(key) = &query.after {
        // The second clause implies the first, which lets the index on time begin in the right place.
        statement.with(" AND block_time_ms <= ?", number_arg(key.block_time));
        statement.with(
            " AND (block_time_ms, chain, height, tx_index, ordinal, trade_id, trader) < (?",
            number_arg(key.block_time),
        );
        statement.text(", ?", &key.chain);
        statement.with(", ?", number_arg(key.height));
        statement.with(", ?", Arg::Number(key.index.into()));
        statement.with(", ?", Arg::Number(key.ordinal.into()));
        statement.text(", ?", &key.id);
        statement.text(", ?)", &key.trader);
    }
    end_walk(&mut statement, order, query.limit);
    if query.transaction.is_none() && walks_past_others(filter) { statement.costly() } else { statement }
}

/// Whether a page may walk many trades for the few that pass.
fn walks_past_others(filter: &TradeFilter) -> bool {
    let texts = [&filter.chain, &filter.asset, &filter.venue, &filter.pool, &filter.platform, &filter.kind];
    filter.min_usd.is_some() || texts.into_iter().any(Option::is_some)
}

/// Adds the parts of a filter that are asked of each trade walked.
fn passes(statement: &mut Statement, filter: &TradeFilter, dialect: Dialect) {
    for (column, wanted) in [("chain", &filter.chain), ("kind", &filter.kind), ("platform", &filter.platform)] {
        if let Some(wanted) = wanted {
            statement.text(&format!(" AND {column} = ?"), wanted);
        }
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
    if let Some(pool) = &filter.pool {
        // A pool is a line of its own, and no identity holds a line break.
        let crossed = match dialect {
            Dialect::Postgres => " AND ? = ANY (string_to_array(pools, chr(10)))",
            Dialect::Sqlite => " AND instr(char(10) || pools || char(10), char(10) || ? || char(10)) > 0",
        };
        statement.text(crossed, pool);
    }
    if let Some(least) = filter.min_usd {
        let least = least.to_string();
        match dialect {
            Dialect::Postgres => statement.text(" AND notional_usd >= CAST(? AS numeric)", &least),
            // Amounts are plain decimals without zeros that add nothing: of two as long before the point, the larger is
            // the one that sorts later.
            Dialect::Sqlite => {
                statement
                    .text(" AND (instr(notional_usd || '.', '.'), notional_usd) >= (instr(? || '.', '.'), ?)", &least);
            }
        }
    }
}

/// Adds the trades of a transaction as what is selected from.
fn of_transaction(statement: &mut Statement, hash: &str) {
    statement.text(
        "(WITH found AS MATERIALIZED (SELECT * FROM metrics.trades_v1 WHERE tx_hash = ?",
        hash.split('/').next().unwrap_or_default(),
    );
    if hash.contains('/') {
        // The column ends at the first slash; a trade's id ends with the hash and the ordinal.
        let tail = "substr(trade_id, length(trade_id) - length(CAST(ordinal AS text)) - length(?), length(?))";
        statement.text(&format!(" AND {tail} = ?"), hash);
    }
    statement.add(") SELECT * FROM found) v");
}

/// One page of a position's trades in a range, oldest first, and the row at which the walk stopped.
pub(super) fn position_steps(position: &PositionKey, page: &StepPage, range: TimeRange) -> Statement {
    // Parameter 1 is the asset; it decides which side of the trade belongs to this position.
    let sale = "(sold_asset = $1 AND sold_quantity_after IS NOT NULL)";
    let side = |sold: &str, bought: &str, name: &str| {
        format!("CAST(CASE WHEN {sale} THEN {sold} ELSE {bought} END AS text) AS {name}")
    };
    let mut statement = Statement::new(&begin_walk());
    statement.add(&format!(
        "CAST(t.block_time_ms AS text), CAST(t.height AS text), CAST(t.tx_index AS text), \
         CAST(t.ordinal AS text), t.trade_id, t.number, t.sale, t.raw, CAST(t.notional_usd AS text), \
         CAST(t.realized_pnl_usd AS text), CAST(t.proceeds_without_basis_usd AS text), t.sold_taken, \
         CAST(t.released_usd AS text), t.quantity, t.unknown, t.basis FROM (SELECT block_time_ms, height, tx_index, ordinal, trade_id, notional_usd, realized_pnl_usd, \
         proceeds_without_basis_usd, sold_taken, released_usd, trader, CASE WHEN {sale} THEN '1' ELSE '0' END AS sale, {}, {}, {}, {}, {}, \
         row_number() OVER (ORDER BY {}) AS walked, (status = 'live'",
        side("sold_trades_after", "bought_trades_after", "number"),
        side("sold_raw", "bought_raw", "raw"),
        side("sold_quantity_after", "bought_quantity_after", "quantity"),
        side("sold_unknown_after", "bought_unknown_after", "unknown"),
        side("sold_basis_after", "bought_basis_after", "basis"),
        OLDEST_FIRST.join(", "),
    ));
    statement.text(" AND ((sold_asset = ? AND sold_quantity_after IS NOT NULL)", &position.asset);
    statement.add(" OR (bought_asset = $1 AND bought_quantity_after IS NOT NULL))");
    statement.text(" AND chain = ?", &position.chain);
    statement.add(") AS matches FROM metrics.trades_v1 WHERE ");
    in_range(&mut statement, range, 0);
    let from = range.begin(page.after.as_ref().map_or(0, |key| key.block_time));
    of_trader(&mut statement, &position.address, &from, i64::MAX);
    if let Some(key) = &page.after {
        // The second clause implies the first, which lets the primary key begin in the right place.
        statement.with(" AND block_time_ms >= ?", number_arg(key.block_time));
        statement.with(" AND (block_time_ms, height, tx_index, ordinal, trade_id) > (?", number_arg(key.block_time));
        statement.with(", ?", number_arg(key.height));
        statement.with(", ?", Arg::Number(key.index.into()));
        statement.with(", ?", Arg::Number(key.ordinal.into()));
        statement.text(", ?)", &key.id);
    }
    end_walk(&mut statement, &OLDEST_FIRST, page.limit);
    statement.costly()
}

/// The first two columns: whether a row was asked for, and whether the walk stopped at it.
fn begin_walk() -> String {
    format!(
        "SELECT CASE WHEN t.matches THEN '1' ELSE '0' END, CASE WHEN t.walked = {MAX_ROWS_WALKED} THEN '1' ELSE '0' \
         END, "
    )
}

fn in_range(statement: &mut Statement, range: TimeRange, from_ms: u64) {
    match range {
        TimeRange::Kept => statement.add(&format!("block_time_ms >= {}", range.begin(from_ms))),
        TimeRange::WithoutClock => statement.add(&format!("block_time_ms < {NO_CLOCK_BELOW_MS}")),
    }
}

/// Bounds the walk to one user's trades between two block times.
fn of_trader(statement: &mut Statement, trader: &str, from_ms: &str, to_ms: i64) {
    statement.text(&format!(" AND (trader, block_time_ms) >= (?, {from_ms})"), trader);
    statement.text(" AND (trader, block_time_ms) <= (?", trader);
    statement.with(", ?)", Arg::Number(to_ms));
}

/// Ends the walk after its rows, and keeps those that were asked for and the last one walked.
fn end_walk(statement: &mut Statement, order: &[&str], limit: u32) {
    let outer: Vec<String> = order.iter().map(|column| format!("t.{column}")).collect();
    statement.add(&format!(
        " ORDER BY {} LIMIT {MAX_ROWS_WALKED}) t WHERE t.matches OR t.walked = {MAX_ROWS_WALKED} ORDER BY {} LIMIT {limit}",
        order.join(", "),
        outer.join(", "),
    ));
}
