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
//! The walk has two ranges of block time, each by index: what is kept since the cut, and blocks without a clock, which
//! say that they are older than any chain. Nothing in between is visible, and there may be much of it.

use super::sql::{Arg, Dialect, Statement, number_arg};
use api_domain::{PositionKey, StatusFilter, StepPage, TradeQuery};

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
    if let Some(chain) = &filter.chain {
        statement.text(" AND chain = ?", chain);
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
    statement.add(") AS matches FROM metrics.trades_v1 WHERE ");
    in_range(&mut statement, range);
    if let Some(trader) = &filter.trader {
        let to = query.after.as_ref().map_or(i64::MAX, |key| key.block_time.cast_signed());
        of_trader(&mut statement, trader, &range.begin(0), to);
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
    let filtered = filter.chain.is_some() || filter.asset.is_some() || filter.venue.is_some();
    if filtered { statement.costly() } else { statement }
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
    in_range(&mut statement, range);
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

fn in_range(statement: &mut Statement, range: TimeRange) {
    match range {
        TimeRange::Kept => statement.add(&format!("block_time_ms >= {}", range.begin(0))),
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
