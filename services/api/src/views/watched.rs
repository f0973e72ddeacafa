//! The JSON shapes of what is watched on the stream: the price of an asset, and its newest candles.

use super::worth::{CandleView, unit_price};
use api_domain::{AssetPrice, AssetQuery, AssetRow, CandleInterval, CandleRow, TAPE};
use serde::Serialize;
use std::collections::BTreeMap;
use tape::Usd;
use utoipa::ToSchema;

/// The price of an asset as it is now, in US dollars for a whole unit. Its age is the reader's time less `priceAt`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceState {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// Ticker, as its contract says: not unique, and no proof of anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    /// Fractional digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decimals: Option<u8>,
    /// The price; absent where no trade says or the decimals are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_usd: Option<String>,
    /// The time of the block that it is from, milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_at: Option<u64>,
    /// Where it is from: `tape`, by the valued trades; an open list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_source: Option<&'static str>,
    /// The worth of its valued swaps in the current hour and the 23 before.
    pub(crate) volume24h_usd: String,
}

/// The newest candles of an asset, oldest first; of a time without swaps there is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandleState {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// How long each lasts: `1m`, `1h` or `1d`.
    pub(crate) interval: &'static str,
    /// The candles.
    pub(crate) items: Vec<CandleView>,
}

/// A candle that changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandleUpdate {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// How long it lasts: `1m`, `1h` or `1d`.
    pub(crate) interval: &'static str,
    /// The candle as it is now; with `trades` 0 there is none any more.
    pub(crate) candle: CandleView,
}

impl PriceState {
    /// The state of an asset; of one that was never seen, that there is no price.
    pub(crate) fn of_asset(key: &AssetQuery, row: Option<AssetRow>) -> Self {
        let AssetQuery { chain, asset } = key.clone();
        let Some(row) = row else {
            let volume24h_usd = Usd::ZERO.to_string();
            let (symbol, decimals, price_usd, price_at, price_source) = (None, None, None, None, None);
            return Self { chain, asset, symbol, decimals, price_usd, price_at, price_source, volume24h_usd };
        };
        let price = row.price.as_ref();
        Self {
            chain,
            asset,
            symbol: row.symbol,
            decimals: row.decimals,
            price_usd: price.and_then(|AssetPrice { usd, raw, .. }| unit_price(*usd, raw, row.decimals)),
            price_at: price.map(|price| price.at),
            price_source: price.map(|_| TAPE),
            volume24h_usd: row.volume_24h.to_string(),
        }
    }
}

impl CandleState {
    /// The candles of an asset with so many decimals.
    pub(crate) fn of_asset(
        key: &AssetQuery,
        interval: CandleInterval,
        decimals: Option<u8>,
        rows: Vec<CandleRow>,
    ) -> Self {
        let AssetQuery { chain, asset } = key.clone();
        let items = rows.into_iter().map(|row| CandleView::with_decimals(row, decimals)).collect();
        Self { chain, asset, interval: interval.name(), items }
    }
}

impl CandleUpdate {
    /// The candles of an asset by their first minutes, each as an update.
    pub(crate) fn by_minute(
        key: &AssetQuery,
        interval: CandleInterval,
        decimals: Option<u8>,
        rows: Vec<CandleRow>,
    ) -> BTreeMap<u64, String> {
        rows.into_iter().map(|row| (row.start_minute, Self::text(key, interval, decimals, row))).collect()
    }

    /// That there is no candle from a minute on any more.
    pub(crate) fn gone(key: &AssetQuery, interval: CandleInterval, start_minute: u64) -> String {
        let row = CandleRow { start_minute, prices: None, volume: Usd::ZERO, trades: 0, priced: 0 };
        Self::text(key, interval, None, row)
    }

    fn text(key: &AssetQuery, interval: CandleInterval, decimals: Option<u8>, row: CandleRow) -> String {
        let AssetQuery { chain, asset } = key.clone();
        let candle = CandleView::with_decimals(row, decimals);
        serde_json::to_string(&Self { chain, asset, interval: interval.name(), candle }).unwrap_or_default()
    }
}
