//! The JSON shapes of histories, fees by day, leaderboards and drift.

use super::{TotalsView, coverage_text};
use api_domain::{BookRules, DriftRow, FeeRow, HOUR_MS, HistoryPoint, LeaderRow};
use serde::Serialize;
use utoipa::ToSchema;

/// What happened to one user over time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserHistory {
    /// The address in normalized form; several separated by commas, where the figures are of several.
    pub(crate) address: String,
    /// The span of time: `all`, `24h`, `7d` or `30d`.
    pub(crate) window: &'static str,
    /// Milliseconds that one point stands for: an hour or a day.
    pub(crate) step_ms: u64,
    /// Oldest first; stretches in which nothing happened are left out.
    pub(crate) items: Vec<PointView>,
}

/// One stretch of time.
#[derive(Serialize, ToSchema)]
pub(crate) struct PointView {
    /// Its beginning, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// What happened in it.
    #[serde(flatten)]
    pub(crate) totals: TotalsView,
}

/// Days of fees, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeePage {
    /// The days; a day has an item for each platform and chain.
    pub(crate) items: Vec<FeeView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One day's fees.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeeView {
    /// The day, UTC: its beginning, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// Id of the chain; absent where fees are added up over chains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<String>,
    /// The platform that earned them; absent where the trades name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// Trades that carry a fee.
    pub(crate) trades: u64,
    /// Their fees.
    pub(crate) fees_usd: String,
}

/// One page of a leaderboard. Boards are rebuilt every half minute and hold the first thousand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leaderboard {
    /// The span of time: `all`, `24h`, `7d` or `30d`.
    pub(crate) window: &'static str,
    /// What it is ordered by: `volume`, `netVolume`, `pnl` or `fees`.
    pub(crate) by: &'static str,
    /// When it was built, milliseconds since the Unix epoch; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) built_at: Option<u64>,
    /// By rank.
    pub(crate) items: Vec<LeaderView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One place on a leaderboard; figures are over all chains.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaderView {
    /// From 1.
    pub(crate) rank: u32,
    /// The address.
    pub(crate) address: String,
    /// Worth of all valued swaps, wash included; a board by volume is ordered by it less `washUsd`.
    pub(crate) volume_usd: String,
    /// What of the volume stays when purchases and sales of each asset are set off against each other, hour by hour.
    pub(crate) net_volume_usd: String,
    /// The part of the volume that is counted apart: trades of which the opposite stands in the same block, all trades of
    /// an hour of whose volume less than a thousandth stays, and of other trades the part that crossed pools in which
    /// nobody else ever traded.
    pub(crate) wash_usd: String,
    /// Distinct pools through which it ever traded, whatever the window.
    pub(crate) counterparties: u64,
    /// Swaps, valued or not.
    pub(crate) swaps: u64,
    /// Fees earned by platforms.
    pub(crate) fees_usd: String,
    /// Realized before fees, of the part with a known basis.
    pub(crate) realized_pnl_usd: String,
    /// Of all that was sold, the part whose proceeds and basis are both known and in no doubt, from 0 to 1; absent where
    /// nothing was sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<String>,
    /// Swaps whose worth or fee exceeds what `/v1/book` says is plausible: in no sum of amounts but the next.
    pub(crate) implausible: u64,
    /// What their valuations claim, apart from everything else.
    pub(crate) implausible_usd: String,
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
}

/// The rules by which the figures of all users are calculated.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookView {
    /// How the cost of what is sold is found: `average` (moving weighted average) or `fifo` (first in, first out).
    pub(crate) method: String,
    /// What is cash, which has no position and no profit or loss of its own: `dollars`, or `dollars-and-native`.
    pub(crate) quote: &'static str,
    /// The native assets that have positions, where only dollars are cash.
    pub(crate) natives: Vec<NativeView>,
    /// The largest plausible worth of a trade, in dollars: what claims more is counted as implausible.
    pub(crate) max_notional_usd: String,
}

/// The native asset of a chain, as it stands in trades.
#[derive(Serialize, ToSchema)]
pub(crate) struct NativeView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
}

/// One page of the drift of a user's balances.
#[derive(Serialize, ToSchema)]
pub(crate) struct DriftPage {
    /// The address in normalized form.
    pub(crate) address: String,
    /// By chain and asset.
    pub(crate) items: Vec<DriftView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// The drift of one balance: how far it differs from the sum of the trades. Amounts are in the asset's smallest unit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriftView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// Ticker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    /// Fractional digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decimals: Option<u8>,
    /// The balance that the provider reports.
    pub(crate) balance: String,
    /// The sum of the live trades; negative where more was sold than bought.
    pub(crate) net: String,
    /// Balance less net.
    pub(crate) drift: String,
    /// When the balance was taken, milliseconds since the Unix epoch.
    pub(crate) taken_at: u64,
}

impl From<HistoryPoint> for PointView {
    fn from(point: HistoryPoint) -> Self {
        Self { at: point.hour * HOUR_MS, totals: point.totals.into() }
    }
}

impl From<FeeRow> for FeeView {
    fn from(row: FeeRow) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            at: row.day * 24 * HOUR_MS,
            chain: some(row.chain),
            platform: some(row.platform),
            trades: row.trades,
            fees_usd: row.fees.to_string(),
        }
    }
}

impl From<LeaderRow> for LeaderView {
    fn from(leader: LeaderRow) -> Self {
        Self {
            rank: leader.rank,
            address: leader.trader,
            volume_usd: leader.totals.volume.to_string(),
            net_volume_usd: leader.net_volume.to_string(),
            wash_usd: leader.wash.to_string(),
            counterparties: leader.counterparties,
            swaps: leader.totals.swaps,
            fees_usd: leader.totals.fees.to_string(),
            realized_pnl_usd: leader.totals.realized.to_string(),
            coverage: leader.totals.coverage().map(coverage_text),
            implausible: leader.totals.implausible,
            implausible_usd: leader.totals.implausible_usd.to_string(),
            saturated: leader.totals.saturated,
        }
    }
}

impl From<BookRules> for BookView {
    fn from(rules: BookRules) -> Self {
        let quote = if rules.natives.is_empty() { "dollars-and-native" } else { "dollars" };
        let natives = rules.natives.into_iter().map(|(chain, asset)| NativeView { chain, asset }).collect();
        Self { method: rules.method, quote, natives, max_notional_usd: rules.max_notional }
    }
}

impl From<DriftRow> for DriftView {
    fn from(row: DriftRow) -> Self {
        let DriftRow { chain, asset, symbol, decimals, balance, net, drift, taken_at } = row;
        Self { chain, asset, symbol, decimals, balance, net, drift, taken_at }
    }
}
