//! What either database has in common in pricing assets: the columns of candles, and the reading of rows.

use super::rows::{NamedColumns, RowError, count, dollars, optional_dollars, parse, quantity};
use crate::prices::{AssetKey, CandleKey, ChangedMinute, Decoration, MinuteTrade};
use metrics_domain::{Candle, CandlePrices, CandleSpan, Price, PricedTrade, TradeKey};

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
        Ok(Price::new(dollars, parse(raw, quantity)?))
    };
    let (open, high) = (price(["open_usd", "open_raw"])?, price(["high_usd", "high_raw"])?);
    let (low, close) = (price(["low_usd", "low_raw"])?, price(["close_usd", "close_raw"])?);
    let (Some(open), Some(high), Some(low), Some(close)) = (open, high, low, close) else { return Ok(None) };
    let (close_height, close_ms) = (count(row, "close_height")?, count(row, "close_ms")?);
    Ok(Some(CandlePrices { open, high, low, close, close_height, close_ms }))
}

pub(crate) fn read_minute_trade(row: &impl NamedColumns) -> Result<MinuteTrade, RowError> {
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

/// Minutes from their notes, which come in the order of chain and minute.
pub(crate) fn minutes_of_notes(notes: Vec<(String, i64, i32, i64)>) -> Vec<ChangedMinute> {
    let mut minutes: Vec<ChangedMinute> = vec![];
    for (chain, minute, partition, changes) in notes {
        let minute = minute.cast_unsigned();
        match minutes.last_mut().filter(|last| last.chain == chain && last.minute == minute) {
            Some(last) => last.notes.push((partition, changes)),
            None => minutes.push(ChangedMinute { chain, minute, notes: vec![(partition, changes)] }),
        }
    }
    minutes
}
