//! The JSON shapes of prices, candles and what holdings are worth.

use super::balances::{BalanceSums, WalletWorth};
use api_domain::{
    AssetDetails, AssetPrice, AssetRow, CandleRow, Coverage, HOUR_MS, MINUTE_MS, PositionRow, TAPE, Totals,
    WorthTotals, per_whole_unit, relative_change,
};
use num_bigint::BigUint;
use serde::Serialize;
use tape::Usd;
use utoipa::ToSchema;

/// The price of an asset in US dollars, for a whole unit of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceView {
    /// A decimal text with at most 18 fractional digits, 36 below a millionth of a dollar; null where the asset's decimals are
    /// not known.
    pub(crate) usd: Option<String>,
    /// Where it is from: `tape`, by the valued trades; an open list.
    pub(crate) source: &'static str,
    /// The time of the block that it is from, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// How long ago that was, by this server's clock; 0 where the block's time lies in the future.
    pub(crate) age_ms: u64,
    /// The height of that block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u64>,
}

/// An asset.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetView {
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
    /// The current price; absent where no trade says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<PriceView>,
    /// The worth of its valued swaps in the current hour and the 23 before.
    pub(crate) volume24h_usd: String,
}

/// The assets that a search found, those with the largest volume first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssetList {
    /// The assets.
    pub(crate) items: Vec<AssetView>,
    /// Whether there are more: ask for a longer text, or for one chain.
    pub(crate) truncated: bool,
}

/// An asset, with the last 24 hours and its pools.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetDetailsView {
    /// The asset.
    #[serde(flatten)]
    pub(crate) asset: AssetView,
    /// Swaps in the current hour and the 23 before, valued or not.
    pub(crate) trades24h: u64,
    /// The price against the last one before these hours, as a decimal: `0.05` is 5 % more; absent where either is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change24h: Option<String>,
    /// The pools of its newest trades, of swaps through one pool alone; also of swaps that were reverted since.
    pub(crate) pools: Vec<PoolView>,
}

/// A pool.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolView {
    /// The pool.
    pub(crate) pool: String,
    /// The beginning of the hour of its newest trade, milliseconds since the Unix epoch.
    pub(crate) newest_hour: u64,
}

/// Candles of an asset, oldest first; of a time without swaps there is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandleList {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// Fractional digits; absent where they are not known, and then no candle has prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decimals: Option<u8>,
    /// How long each lasts: `1m`, `1h` or `1d`.
    pub(crate) interval: &'static str,
    /// The beginning of the first candle that would be listed, milliseconds since the Unix epoch.
    pub(crate) from: u64,
    /// The end of the last.
    pub(crate) to: u64,
    /// The candles.
    pub(crate) items: Vec<CandleView>,
}

/// What happened to an asset in a stretch of time. Prices are in US dollars for a whole unit, weighted by volume within each
/// block; absent where no swap takes part in prices.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandleView {
    /// Its beginning, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// The price in the first block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_usd: Option<String>,
    /// The highest price of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) high_usd: Option<String>,
    /// The lowest price of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) low_usd: Option<String>,
    /// The price in the last block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) close_usd: Option<String>,
    /// The worth of all valued swaps.
    pub(crate) volume_usd: String,
    /// Swaps, valued or not.
    pub(crate) trades: u64,
    /// Those that take part in the prices: not the ones without a worth or with too small a one, nor outliers.
    pub(crate) priced: u64,
}

/// What a position is worth by the price of its asset. Without a price, no figure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionWorthView {
    /// What a whole unit of the known part cost on average; absent where nothing is known or the decimals are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) average_cost_usd: Option<String>,
    /// The price of a whole unit; absent where no trade says or the decimals are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_usd: Option<String>,
    /// The time of the block that the price is from, milliseconds since the Unix epoch: so old it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_at: Option<u64>,
    /// Where the price is from: `tape`, by the valued trades; an open list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_source: Option<&'static str>,
    /// What the known part is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_usd: Option<String>,
    /// What the unknown part is worth: neither profit nor loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_value_usd: Option<String>,
    /// What the known part would realize at this price, before fees: its worth less its basis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unrealized_pnl_usd: Option<String>,
    /// Of all that is held, the part whose basis is known and which the wallet still holds, from 0 to 1; absent where nothing is
    /// held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<String>,
}

/// What one user holds by the trades, and the profit and loss in all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserWorth {
    /// The address in normalized form; several separated by commas, where the figures are of several.
    pub(crate) address: String,
    /// Over all chains asked for.
    pub(crate) total: WorthView,
    /// Per chain.
    pub(crate) chains: Vec<ChainWorth>,
    /// What the wallets hold as the providers tell, cash among it; one for each chain with balances.
    pub(crate) wallets: Vec<WalletWorth>,
    /// The same over all of these wallets.
    pub(crate) wallets_total: BalanceSums,
    /// Whether there are more positions or balances than are summed up, 10,000.
    pub(crate) truncated: bool,
}

/// What one user holds on one chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainWorth {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The sums.
    #[serde(flatten)]
    pub(crate) worth: WorthView,
}

/// Sums over the positions that hold something. Cash has no position, and is not in them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorthView {
    /// What the known parts are worth.
    pub(crate) value_usd: String,
    /// What the unknown parts are worth: neither profit nor loss.
    pub(crate) unknown_value_usd: String,
    /// What the known parts of positions with a price cost.
    pub(crate) basis_usd: String,
    /// The worth of the known parts less their basis, before fees.
    pub(crate) unrealized_pnl_usd: String,
    /// Realized over all time, before fees.
    pub(crate) realized_pnl_usd: String,
    /// Realized and unrealized, before fees.
    pub(crate) pnl_usd: String,
    /// Realized and unrealized, after the platform fees paid over all time: those of purchases that are still held too.
    pub(crate) pnl_net_usd: String,
    /// Positions with a price.
    pub(crate) priced: u64,
    /// Positions without a price: in no sum but the next.
    pub(crate) unpriced: u64,
    /// What their known parts cost.
    pub(crate) unpriced_basis_usd: String,
    /// The time of the block of the oldest price, milliseconds since the Unix epoch; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_price_at: Option<u64>,
    /// Of the worth of all that is held at a price, the part whose basis is known and which the wallets still hold, from 0 to 1;
    /// absent where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<String>,
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
}

/// Dollars for smallest units as a price of a whole unit; none where the decimals are not known.
pub(super) fn unit_price(usd: Usd, raw: &BigUint, decimals: Option<u8>) -> Option<String> {
    let (units, digits) = per_whole_unit(usd, raw, decimals?)?;
    Some(wire::v1::trade::with_decimal_point(&units.to_string(), digits))
}

/// Millionths as a decimal.
fn millionths_text(millionths: i64) -> String {
    let digits = wire::v1::trade::with_decimal_point(&millionths.unsigned_abs().to_string(), 6);
    if millionths < 0 { format!("-{digits}") } else { digits }
}

fn coverage_text(coverage: Coverage) -> String {
    millionths_text(coverage.millionths.into())
}

impl AssetView {
    /// The asset as it is seen at a time.
    pub(crate) fn at(row: AssetRow, now_ms: u64) -> Self {
        let price = row.price.map(|AssetPrice { usd, raw, at }| PriceView {
            usd: unit_price(usd, &raw, row.decimals),
            source: TAPE,
            at,
            age_ms: now_ms.saturating_sub(at),
            height: row.price_height,
        });
        let volume24h_usd = row.volume_24h.to_string();
        Self { chain: row.chain, asset: row.asset, symbol: row.symbol, decimals: row.decimals, price, volume24h_usd }
    }
}

impl AssetDetailsView {
    /// The asset as it is seen at a time.
    pub(crate) fn at(details: AssetDetails, now_ms: u64) -> Self {
        let AssetDetails { row, trades_24h, price_before, pools } = details;
        let change = price_before.zip(row.price.as_ref()).and_then(|(before, now)| relative_change(&before, now));
        let pool = |(pool, hour): (String, u64)| PoolView { pool, newest_hour: hour * HOUR_MS };
        Self {
            asset: AssetView::at(row, now_ms),
            trades24h: trades_24h,
            change24h: change.map(millionths_text),
            pools: pools.into_iter().map(pool).collect(),
        }
    }
}

impl CandleView {
    /// A candle of an asset with so many decimals.
    pub(crate) fn with_decimals(row: CandleRow, decimals: Option<u8>) -> Self {
        let [open_usd, high_usd, low_usd, close_usd] = match row.prices {
            Some(prices) => prices.map(|(usd, raw)| unit_price(usd, &raw, decimals)),
            None => [const { None }; 4],
        };
        Self {
            at: row.start_minute * MINUTE_MS,
            open_usd,
            high_usd,
            low_usd,
            close_usd,
            volume_usd: row.volume.to_string(),
            trades: row.trades,
            priced: row.priced,
        }
    }
}

impl From<&PositionRow> for PositionWorthView {
    fn from(row: &PositionRow) -> Self {
        let worth = row.worth();
        let text = |usd: Option<Usd>| usd.map(|usd| usd.to_string());
        let known = row.quantity.parse().unwrap_or_default();
        let price = row.price.as_ref().filter(|_| worth.coverage.is_some());
        Self {
            average_cost_usd: unit_price(row.basis, &known, row.decimals),
            price_usd: price.and_then(|price| unit_price(price.usd, &price.raw, row.decimals)),
            price_at: price.map(|price| price.at),
            price_source: price.map(|_| TAPE),
            value_usd: text(worth.value),
            unknown_value_usd: text(worth.unknown_value),
            unrealized_pnl_usd: text(worth.unrealized),
            coverage: worth.coverage.map(coverage_text),
        }
    }
}

impl WorthView {
    /// The sums of these positions, beside what was realized and paid.
    pub(crate) fn of_positions<'a>(positions: impl IntoIterator<Item = &'a PositionRow>, totals: &Totals) -> Self {
        let worth = WorthTotals::of_positions(positions);
        let mut saturated = worth.saturated || totals.saturated;
        let mut sum = |a: Usd, b: Usd| {
            saturated |= a.0.checked_add(b.0).is_none();
            Usd(a.0.saturating_add(b.0))
        };
        let pnl = sum(totals.realized, worth.unrealized);
        let pnl_net = sum(totals.realized_net, worth.unrealized);
        Self {
            value_usd: worth.value.to_string(),
            unknown_value_usd: worth.unknown_value.to_string(),
            basis_usd: worth.basis.to_string(),
            unrealized_pnl_usd: worth.unrealized.to_string(),
            realized_pnl_usd: totals.realized.to_string(),
            pnl_usd: pnl.to_string(),
            pnl_net_usd: pnl_net.to_string(),
            priced: worth.priced,
            unpriced: worth.unpriced,
            unpriced_basis_usd: worth.unpriced_basis.to_string(),
            oldest_price_at: worth.oldest_price_at,
            coverage: worth.coverage().map(coverage_text),
            saturated,
        }
    }
}
