//! What either database has in common in pricing assets: the columns of candles, and the reading of rows.

use super::rows::{NamedColumns, RowError, count, dollars, optional_dollars, parse_quantity, quantity};
use crate::prices::{AssetKey, CandleKey, ChangedMinute, Decoration, MinuteTrade};
use metrics_domain::{Candle, CandlePrices, CandleSpan, Price, PricedTrade, TradeKey};
use std::collections::{HashMap, HashSet};

/// How many of a chain's newest minutes come before the past of any chain.
const MINUTES_AT_HEAD: u32 = 3;

/// The amounts of a candle, in the order of [`price_columns`].
pub(crate) const PRICE_COLUMNS: [&str; 8] =
    ["open_usd", "open_raw", "high_usd", "high_raw", "low_usd", "low_raw", "close_usd", "close_raw"];

/// Open, high, low and close, each as dollars and quantity; null where there are none.
pub(crate) fn price_columns(candle: Option<&Candle>) -> [Option<String>; 8] {
    let Some(prices) = candle.and_then(|candle| candle.prices.as_ref()) else { return [const { None }; 8] };
    let fractions = [&prices.open, &prices.high, &prices.low, &prices.close].map(fraction_columns);
    let mut columns = fractions.into_iter().flatten();
    std::array::from_fn(|_| columns.next())
}

/// A price as dollars and quantity.
pub(crate) fn fraction_columns(price: &Price) -> [String; 2] {
    [price.usd().to_string(), price.raw().to_string()]
}

pub(crate) fn read_candle(row: &impl NamedColumns) -> Result<(CandleKey, Candle), RowError> {
    let span = row.text("span")?;
    let Some(span) = CandleSpan::ALL.into_iter().find(|one| one.name() == span) else {
        return Err(RowError::Value { column: "span", value: span });
    };
    let asset = AssetKey { chain: row.text("chain")?, asset: row.text("asset")? };
    let candle = Candle {
        prices: read_prices(row)?,
        volume: dollars(row, "volume_usd")?,
        trades: count(row, "trades")?,
        priced: count(row, "priced")?,
    };
    Ok((CandleKey { asset, span, start: count(row, "start_minute")? }, candle))
}

fn read_prices(row: &impl NamedColumns) -> Result<Option<CandlePrices>, RowError> {
    let price = |[usd, raw]: [&'static str; 2]| -> Result<Option<Price>, RowError> {
        let (Some(dollars), Some(quantity)) = (optional_dollars(row, usd)?, row.optional_text(raw)?) else {
            return Ok(None);
        };
        Ok(Price::new(dollars, parse_quantity(raw, quantity)?))
    };
    let (open, high) = (price(["open_usd", "open_raw"])?, price(["high_usd", "high_raw"])?);
    let (low, close) = (price(["low_usd", "low_raw"])?, price(["close_usd", "close_raw"])?);
    let (Some(open), Some(high), Some(low), Some(close)) = (open, high, low, close) else { return Ok(None) };
    let (close_height, close_ms) = (count(row, "close_height")?, count(row, "close_ms")?);
    Ok(Some(CandlePrices { open, high, low, close, close_height, close_ms }))
}

/// The swaps of a minute by their chain.
pub(crate) fn minute_trades_by_chain(
    rows: &[impl NamedColumns],
) -> Result<HashMap<String, Vec<MinuteTrade>>, RowError> {
    let mut by_chain: HashMap<String, Vec<MinuteTrade>> = HashMap::new();
    for row in rows {
        by_chain.entry(row.text("chain")?).or_default().push(read_minute_trade(row)?);
    }
    Ok(by_chain)
}

fn read_minute_trade(row: &impl NamedColumns) -> Result<MinuteTrade, RowError> {
    let time_ms = count(row, "block_time_ms")?;
    Ok(MinuteTrade {
        key: TradeKey { time_ms, id: row.text("trade_id")?.into(), trader: row.text("trader")?.into() },
        pools: row.text("pools")?,
        trade: PricedTrade {
            height: count(row, "height")?,
            time_ms,
            sold: (row.text("sold_asset")?, quantity(row, "sold_raw")?),
            bought: (row.text("bought_asset")?, quantity(row, "bought_raw")?),
            worth: optional_dollars(row, "notional_usd")?,
        },
    })
}

pub(crate) fn read_decoration(row: &impl NamedColumns) -> Result<(AssetKey, Decoration), RowError> {
    let asset = AssetKey { chain: row.text("chain")?, asset: row.text("asset")? };
    let decimals = row.optional_int("decimals")?.and_then(|decimals| u8::try_from(decimals).ok());
    Ok((asset, Decoration { symbol: row.optional_text("symbol")?, decimals, hour: row.int("decorated_hour")? }))
}

/// The newest changed minutes of each chain, then the oldest of all, minute by minute. So a chain whose past is being read keeps no
/// current price of another one waiting.
pub(crate) fn select_changed_minutes(max_oldest: u32) -> String {
    let newest = "FROM price_changes WHERE chain < h.chain ORDER BY chain DESC, minute DESC LIMIT 1";
    format!(
        "WITH RECURSIVE heads(chain, minute) AS (
            SELECT * FROM (SELECT chain, minute FROM price_changes ORDER BY chain DESC, minute DESC LIMIT 1) last
            UNION ALL
            SELECT (SELECT chain {newest}), (SELECT minute {newest}) FROM heads h WHERE h.chain IS NOT NULL)
         SELECT c.chain AS chain, c.minute AS minute, c.partition AS partition, c.changes AS changes, 0 AS turn
         FROM heads h JOIN price_changes c ON c.chain = h.chain AND c.minute > h.minute - {MINUTES_AT_HEAD}
         UNION ALL
         SELECT * FROM (SELECT chain, minute, partition, changes, 1 AS turn FROM price_changes
            ORDER BY minute, chain, partition LIMIT {max_oldest}) oldest
         ORDER BY turn, minute, chain, partition"
    )
}

/// Minutes from their notes, which come in order of turn, minute and chain; those of a second turn are left out where the first
/// has them.
pub(crate) fn minutes_of_notes(notes: Vec<(String, i64, i32, i64)>) -> Vec<ChangedMinute> {
    let mut minutes: Vec<ChangedMinute> = vec![];
    let mut known = HashSet::new();
    for (chain, minute, partition, changes) in notes {
        if !known.insert((chain.clone(), minute, partition)) {
            continue;
        }
        let minute = minute.cast_unsigned();
        match minutes.last_mut().filter(|last| last.chain == chain && last.minute == minute) {
            Some(last) => last.notes.push((partition, changes)),
            None => minutes.push(ChangedMinute { chain, minute, notes: vec![(partition, changes)] }),
        }
    }
    minutes
}
