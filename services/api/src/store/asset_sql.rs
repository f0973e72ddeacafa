//! The statements about assets and their candles.

use super::sql::{Arg, Dialect, Statement, number_arg};
use api_domain::{AssetQuery, AssetSearch, CandleInterval, CandleRange};

/// Pools that are shown of an asset at most, those of the newest trades.
const MAX_POOLS: u32 = 20;
/// Assets that a search finds at most, before the ones with the largest volume are shown.
const MAX_FOUND: u32 = 500;

/// The columns of an asset; its volume is the sum of a list of its hours.
fn asset_columns(since_minute: u64, dialect: Dialect) -> String {
    let list = match dialect {
        Dialect::Postgres => "json_agg",
        Dialect::Sqlite => "json_group_array",
    };
    format!(
        "SELECT a.chain, a.asset, a.symbol, CAST(a.decimals AS text), {}, CAST(a.price_height AS text), \
         (SELECT CAST({list}(CAST(c.volume_usd AS text)) AS text) FROM metrics.candles_v1 c WHERE c.chain = a.chain \
         AND c.asset = a.asset AND c.span = '1h' AND c.start_minute >= {since_minute}) FROM metrics.assets_v1 a WHERE TRUE",
        price_columns("a")
    )
}

/// A price as one text: dollars, quantity and time; null where there is none.
fn price_columns(table: &str) -> String {
    format!(
        "CAST({table}.price_usd AS text) || ' ' || CAST({table}.price_raw AS text) || ' ' || CAST({table}.price_ms AS text)"
    )
}

/// The price of an asset that these two columns name.
pub(super) fn price_of(chain: &str, asset: &str) -> String {
    format!("(SELECT {} FROM metrics.assets_v1 a WHERE a.chain = {chain} AND a.asset = {asset})", price_columns("a"))
}

fn of_asset(statement: &mut Statement, table: &str, key: &AssetQuery) {
    statement.text(&format!(" AND {table}.chain = ?"), &key.chain);
    statement.text(&format!(" AND {table}.asset = ?"), &key.asset);
}

/// One asset.
pub(super) fn asset(key: &AssetQuery, since_minute: u64, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(&asset_columns(since_minute, dialect));
    of_asset(&mut statement, "a", key);
    statement
}

/// The assets whose ticker begins with a text.
pub(super) fn assets_by_symbol(search: &AssetSearch, since_minute: u64, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(&asset_columns(since_minute, dialect));
    let symbol = match dialect {
        Dialect::Postgres => "lower(a.symbol) COLLATE \"C\"",
        Dialect::Sqlite => "lower(a.symbol)",
    };
    let begin = search.text.to_lowercase();
    statement.text(&format!(" AND {symbol} >= ?"), &begin);
    statement.text(&format!(" AND {symbol} < ?"), &format!("{begin}{}", char::MAX));
    of_chain(&mut statement, search);
    statement.add(&format!(" ORDER BY {symbol}, a.chain, a.asset LIMIT {MAX_FOUND}"));
    statement.costly()
}

/// The assets with an id, one of each chain.
pub(super) fn assets_by_id(search: &AssetSearch, since_minute: u64, dialect: Dialect) -> Statement {
    let mut statement = Statement::new(&asset_columns(since_minute, dialect));
    statement.text(" AND a.asset = ?", &api_domain::normalized_id(&search.text));
    of_chain(&mut statement, search);
    statement.add(&format!(" LIMIT {MAX_FOUND}"));
    statement
}

fn of_chain(statement: &mut Statement, search: &AssetSearch) {
    if let Some(chain) = &search.chain {
        statement.text(" AND a.chain = ?", chain);
    }
}

/// The swaps of each hour of an asset from a minute on.
pub(super) fn trades_of_hours(key: &AssetQuery, since_minute: u64) -> Statement {
    let mut statement = Statement::new("SELECT CAST(c.trades AS text) FROM metrics.candles_v1 c WHERE c.span = '1h'");
    of_asset(&mut statement, "c", key);
    statement.with(" AND c.start_minute >= ?", number_arg(since_minute));
    statement
}

/// The last price of an asset before a minute that begins an hour.
pub(super) fn price_before(key: &AssetQuery, minute: u64) -> Statement {
    let mut statement = Statement::new(
        "SELECT CAST(c.close_usd AS text) || ' ' || CAST(c.close_raw AS text) || ' ' || CAST(c.close_ms AS text) \
         FROM metrics.candles_v1 c WHERE c.span = '1h' AND c.close_usd IS NOT NULL",
    );
    of_asset(&mut statement, "c", key);
    statement.with(" AND c.start_minute < ?", number_arg(minute));
    statement.add(" ORDER BY c.start_minute DESC LIMIT 1");
    statement
}

/// The pools of an asset's newest trades.
pub(super) fn pools(key: &AssetQuery) -> Statement {
    let mut statement =
        Statement::new("SELECT p.pool, CAST(p.newest_hour AS text) FROM metrics.asset_pools_v1 p WHERE TRUE");
    of_asset(&mut statement, "p", key);
    statement.add(&format!(" ORDER BY p.newest_hour DESC, p.pool LIMIT {MAX_POOLS}"));
    statement
}

/// The candles of an asset in a range, oldest first.
pub(super) fn candles(key: &AssetQuery, range: &CandleRange) -> Statement {
    let mut statement = begin_candles(key, range.interval);
    statement.with(" AND c.start_minute >= ?", number_arg(range.from_minute));
    statement.with(" AND c.start_minute < ?", Arg::Number(i64::try_from(range.to_minute).unwrap_or(i64::MAX)));
    statement.add(&format!(" ORDER BY c.start_minute LIMIT {}", CandleRange::MAX_CANDLES));
    statement
}

/// The newest candles of an asset, newest first.
pub(super) fn newest_candles(key: &AssetQuery, interval: CandleInterval, limit: u32) -> Statement {
    let mut statement = begin_candles(key, interval);
    statement.add(&format!(" ORDER BY c.start_minute DESC LIMIT {limit}"));
    statement
}

fn begin_candles(key: &AssetQuery, interval: CandleInterval) -> Statement {
    let prices = ["open", "high", "low", "close"]
        .map(|name| format!("CAST(c.{name}_usd AS text), CAST(c.{name}_raw AS text)"))
        .join(", ");
    let mut statement = Statement::new(&format!(
        "SELECT CAST(c.start_minute AS text), {prices}, CAST(c.volume_usd AS text), CAST(c.trades AS text), \
         CAST(c.priced AS text) FROM metrics.candles_v1 c WHERE TRUE"
    ));
    of_asset(&mut statement, "c", key);
    statement.text(" AND c.span = ?", interval.name());
    statement
}
