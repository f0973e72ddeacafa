//! The queries about assets, their candles, and what a user's positions are worth.

use super::{Store, asset_sql, read_each, rows};
use api_domain::{
    AssetDetails, AssetQuery, AssetRow, AssetSearch, CandleInterval, CandleRange, CandleRow, HeldBalance, PositionRow,
    TotalsRow,
};
use std::cmp::Reverse;
use tape::Unavailable;

/// A user's open positions and totals.
#[derive(Default)]
pub struct UserHoldings {
    /// The positions that hold something.
    pub positions: Vec<PositionRow>,
    /// Whether there are more of them, or of the balances, than are summed up.
    pub truncated: bool,
    /// Totals over all time, per chain and address.
    pub totals: Vec<TotalsRow>,
    /// What the wallets hold, as the providers tell.
    pub balances: Vec<HeldBalance>,
}

impl Store {
    /// The assets that a search finds, by their volume since a minute; the ones with the largest volume first.
    pub async fn search_assets(&self, search: &AssetSearch, since_minute: u64) -> Result<Vec<AssetRow>, Unavailable> {
        let statements = [
            asset_sql::assets_by_symbol(search, since_minute, self.dialect()),
            asset_sql::assets_by_id(search, since_minute, self.dialect()),
        ];
        let [by_symbol, by_id] = self.fetch_together("search metrics.assets_v1", statements).await?;
        let mut found = read_each(by_symbol, rows::asset_row)?;
        for row in read_each(by_id, rows::asset_row)? {
            if !found.contains(&row) {
                found.push(row);
            }
        }
        found.sort_by(|a, b| {
            (Reverse(a.volume_24h), &a.chain, &a.asset).cmp(&(Reverse(b.volume_24h), &b.chain, &b.asset))
        });
        Ok(found)
    }

    /// An asset with what its page shows of the time since a minute that begins an hour; none where it is not known.
    pub async fn asset(&self, key: &AssetQuery, since_minute: u64) -> Result<Option<AssetDetails>, Unavailable> {
        let statements = [
            asset_sql::asset(key, since_minute, self.dialect()),
            asset_sql::trades_of_hours(key, since_minute),
            asset_sql::price_before(key, since_minute),
            asset_sql::pools(key),
        ];
        let [asset, trades, before, pools] = self.fetch_together("read metrics.assets_v1", statements).await?;
        let Some(row) = asset.into_iter().next() else { return Ok(None) };
        Ok(Some(AssetDetails {
            row: rows::asset_row(row)?,
            trades_24h: rows::sum_of_counts(trades)?,
            price_before: before.into_iter().next().map(rows::price_row).transpose()?.flatten(),
            pools: read_each(pools, rows::pool_row)?,
        }))
    }

    /// An asset with its price and the volume of 24 hours; none where it is not known.
    pub async fn asset_row(&self, key: &AssetQuery, since_minute: u64) -> Result<Option<AssetRow>, Unavailable> {
        let statement = asset_sql::asset(key, since_minute, self.dialect());
        self.fetch("read metrics.assets_v1", statement).await?.pop().map(rows::asset_row).transpose()
    }

    /// The decimals of an asset, and its newest candles, oldest first.
    pub async fn newest_candles(
        &self,
        key: &AssetQuery,
        interval: CandleInterval,
        limit: u32,
    ) -> Result<(Option<u8>, Vec<CandleRow>), Unavailable> {
        let statements = [
            asset_sql::asset(key, u64::from(u32::MAX), self.dialect()),
            asset_sql::newest_candles(key, interval, limit),
        ];
        let [asset, candles] = self.fetch_together("read metrics.candles_v1", statements).await?;
        let asset = asset.into_iter().next().map(rows::asset_row).transpose()?;
        let mut candles = read_each(candles, rows::candle_row)?;
        candles.reverse();
        Ok((asset.and_then(|asset| asset.decimals), candles))
    }

    /// An asset and its candles in a range, oldest first; none where it is not known.
    pub async fn candles(
        &self,
        key: &AssetQuery,
        range: &CandleRange,
    ) -> Result<Option<(AssetRow, Vec<CandleRow>)>, Unavailable> {
        let statements = [asset_sql::asset(key, range.to_minute, self.dialect()), asset_sql::candles(key, range)];
        let [asset, candles] = self.fetch_together("read metrics.candles_v1", statements).await?;
        let Some(row) = asset.into_iter().next() else { return Ok(None) };
        Ok(Some((rows::asset_row(row)?, read_each(candles, rows::candle_row)?)))
    }
}
