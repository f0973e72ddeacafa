//! Reads the rows of assets and candles.

use super::{Cells, TextRow};
use api_domain::{AssetPrice, AssetRow, CandleRow};
use num_bigint::BigUint;
use tape::{Unavailable, Usd};

pub(in crate::store) fn asset_row(row: TextRow) -> Result<AssetRow, Unavailable> {
    let mut cells = Cells::new("metrics.assets_v1", row);
    let (chain, asset, symbol) = (cells.text("chain")?, cells.text("asset")?, cells.optional());
    let decimals = cells.optional_number("decimals")?;
    let (price, price_height) = (cells.price()?, cells.optional_number("price_height")?);
    let mut volume_24h = Usd::ZERO;
    for volume in cells.json_list::<String>("volume_usd")? {
        volume_24h = Usd(volume_24h.0.saturating_add(cells.parsed_usd("volume_usd", volume)?.0));
    }
    Ok(AssetRow { chain, asset, symbol, decimals, price, price_height, volume_24h })
}

/// The sum of a column of counts.
pub(in crate::store) fn sum_of_counts(rows: Vec<TextRow>) -> Result<u64, Unavailable> {
    rows.into_iter().map(|row| Cells::new("metrics.candles_v1", row).number::<u64>("trades")).sum()
}

pub(in crate::store) fn price_row(row: TextRow) -> Result<Option<AssetPrice>, Unavailable> {
    Cells::new("metrics.candles_v1", row).price()
}

pub(in crate::store) fn pool_row(row: TextRow) -> Result<(String, u64), Unavailable> {
    let mut cells = Cells::new("metrics.asset_pools_v1", row);
    Ok((cells.text("pool")?, cells.number("newest_hour")?))
}

pub(in crate::store) fn candle_row(row: TextRow) -> Result<CandleRow, Unavailable> {
    let mut cells = Cells::new("metrics.candles_v1", row);
    let start_minute = cells.number("start_minute")?;
    let mut prices = vec![];
    for _ in 0..4 {
        let (usd, raw) = (cells.optional_usd("price_usd")?, cells.optional_number::<BigUint>("price_raw")?);
        prices.extend(usd.zip(raw));
    }
    Ok(CandleRow {
        start_minute,
        prices: prices.try_into().ok(),
        volume: cells.usd("volume_usd")?,
        trades: cells.number("trades")?,
        priced: cells.number("priced")?,
    })
}

impl Cells {
    /// A price as one text: dollars, quantity and time.
    pub(super) fn price(&mut self) -> Result<Option<AssetPrice>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(None) };
        let mut parts = text.split(' ');
        let parsed = (|| {
            let usd = parts.next()?.to_owned();
            let raw: BigUint = parts.next()?.parse().ok().filter(|raw| *raw != BigUint::ZERO)?;
            Some((usd, raw, parts.next()?.parse().ok()?))
        })();
        let Some((usd, raw, at)) = parsed else { return Err(self.invalid_column("price", Some(text.clone()))) };
        Ok(Some(AssetPrice { usd: self.parsed_usd("price_usd", usd)?, raw, at }))
    }
}
