//! The statements about what a user holds in dollars: positions and balances with their prices, and balances by the day.

use super::asset_sql::price_of;
use super::sql::{Dialect, Statement, and_user, as_in_metrics, number_arg};
use api_domain::UserQuery;

/// Positions, and balances, that a user's worth is summed over at most, over all of the addresses together.
pub(super) const MAX_POSITIONS_SUMMED: u32 = 10_000;
/// Rows of each kind that a history is made of at most, over all of the addresses together.
pub(super) const MAX_HISTORY_ROWS: u32 = 50_000;

const MINUTES_PER_DAY: u64 = 24 * 60;

/// The price that a provider told of a balance; null where it told none.
pub(super) const TOLD_PRICE: &str =
    "CAST(t.price_usd AS text) || ' ' || CAST(t.price_raw AS text) || ' ' || CAST(t.price_at AS text)";

/// Every balance of a user, as far as its worth needs it.
pub(super) fn balances_with_prices(user: &UserQuery, limit: u32, dialect: Dialect) -> Statement {
    let [chain, asset] = ["t.chain", "t.asset"].map(|column| as_in_metrics(column, dialect));
    let mut statement = Statement::new(&format!(
        "SELECT chain, CAST(raw AS text), CAST(is_spam AS text), {}, provider, {TOLD_PRICE} \
         FROM portfolio.balances_v1 t WHERE TRUE",
        price_of(&chain, &asset)
    ));
    and_user(&mut statement, user, "address");
    statement.add(&format!(" ORDER BY chain, asset LIMIT {limit}"));
    statement.costly()
}

/// The positions of a user that hold something, with the columns of [`super::sql::user_positions`].
pub(super) fn open_positions(user: &UserQuery, select_positions: &str, limit: u32) -> Statement {
    let mut statement = Statement::new(select_positions);
    statement.add(" AND (quantity <> '0' OR unknown_quantity <> '0')");
    and_user(&mut statement, user, "trader");
    statement.add(&format!(" ORDER BY chain, asset LIMIT {limit}"));
    statement.costly()
}

/// The balances of a user at the end of each day on which they changed, up to a day.
pub(super) fn balance_days(user: &UserQuery, last_day: u64, limit: u32) -> Statement {
    let mut statement = Statement::new(
        "SELECT chain, asset, CAST(day AS text), CAST(raw AS text), CAST(spam AS text) FROM portfolio.balance_days_v1 t \
         WHERE TRUE",
    );
    and_user(&mut statement, user, "address");
    statement.with(" AND day <= ?", number_arg(last_day));
    statement.add(&format!(" ORDER BY t.chain, t.asset, t.day LIMIT {limit}"));
    statement.costly()
}

/// The tape's prices at the end of each day of a span, of the assets that a user ever held, and the newest before it.
pub(super) fn tape_prices_of_days(user: &UserQuery, days: [u64; 2], limit: u32, dialect: Dialect) -> Statement {
    let [first, end] = [days[0] * MINUTES_PER_DAY, (days[1] + 1) * MINUTES_PER_DAY];
    let [chain, asset] = ["h.chain", "h.asset"].map(|column| as_in_metrics(column, dialect));
    let price = "CAST(c.close_usd AS text) || ' ' || CAST(c.close_raw AS text) || ' ' || CAST(c.close_ms AS text)";
    let of_asset = format!("c.chain = {chain} AND c.asset = {asset} AND c.span = '1d' AND c.close_usd IS NOT NULL");
    let mut statement =
        Statement::new("WITH h AS (SELECT DISTINCT chain, asset FROM portfolio.balance_days_v1 t WHERE TRUE");
    and_user(&mut statement, user, "address");
    statement.add(&format!(
        ") SELECT h.chain, h.asset, CAST(NULL AS text), {price} FROM h JOIN metrics.candles_v1 c ON {of_asset} \
         AND c.start_minute >= {first} AND c.start_minute < {end} \
         UNION ALL SELECT h.chain, h.asset, CAST(NULL AS text), (SELECT {price} FROM metrics.candles_v1 c WHERE {of_asset} \
         AND c.start_minute < {first} ORDER BY c.start_minute DESC LIMIT 1) FROM h LIMIT {limit}"
    ));
    statement.costly()
}

/// What providers said at the end of each day of a span, of the assets that a user ever held, and the newest before it.
pub(super) fn told_prices_of_days(user: &UserQuery, days: [u64; 2], limit: u32) -> Statement {
    let [first, last] = days;
    let price = "CAST(p.price_usd AS text) || ' ' || CAST(p.price_raw AS text) || ' ' || CAST(p.told_at AS text)";
    let of_asset = "p.chain = h.chain AND p.asset = h.asset";
    let mut statement =
        Statement::new("WITH h AS (SELECT DISTINCT chain, asset FROM portfolio.balance_days_v1 t WHERE TRUE");
    and_user(&mut statement, user, "address");
    statement.add(&format!(
        ") SELECT h.chain, h.asset, p.provider, {price} FROM h JOIN portfolio.told_prices_v1 p ON {of_asset} \
         AND p.day >= (SELECT coalesce(max(p.day), {first}) FROM portfolio.told_prices_v1 p WHERE {of_asset} AND p.day < {first}) \
         AND p.day <= {last} LIMIT {limit}"
    ));
    statement.costly()
}
