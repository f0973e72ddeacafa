//! The JSON shapes that are served; the OpenAPI document describes them.

mod balances;
mod boards;
mod chains;
mod explained;
mod platforms;
mod totals;
mod watched;
mod worth;

pub(crate) use balances::{BalanceView, Portfolio, WalletView, WalletWorth, WorthDay, WorthHistory};
pub(crate) use boards::{BookView, DriftPage, FeePage, FeeView, Leaderboard, UserHistory};
pub(crate) use chains::{ChainCondition, ChainList, ChainState, ChainView, DroppedView, WatchView};
pub(crate) use explained::{Explanation, StepView};
pub(crate) use platforms::{
    PlatformAssetPage, PlatformDayPage, PlatformDayView, PlatformLeaderboard, PlatformPage, PlatformView, UserPlatforms,
};
pub(crate) use totals::{MetricsChange, TotalsView};
pub(crate) use watched::{CandleState, CandleUpdate, PriceState};
pub(crate) use worth::{
    AssetDetailsView, AssetList, AssetView, CandleList, CandleView, ChainWorth, PositionWorthView, UserWorth, WorthView,
};

use api_domain::{Coverage, PositionRow, TotalsRow};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A trade as it is published on the tape. Its schema is the wire's; [`crate::http::openapi`] adds it.
#[derive(ToSchema)]
#[schema(as = TradeExecutedV1)]
pub(crate) struct TradeExecuted {}

/// One page of trades, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TradePage {
    /// The trades.
    #[schema(value_type = Vec<TradeExecuted>)]
    pub(crate) items: Vec<Box<RawValue>>,
    /// The cursor of the next page; absent on the last one. A page that is short or empty may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One user's metrics.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserMetrics {
    /// The address in normalized form; several separated by commas, where the figures are of several.
    pub(crate) address: String,
    /// The span of time: `all`, `24h`, `7d` or `30d`. 24 h are the current hour and the 23 before.
    pub(crate) window: &'static str,
    /// Over all chains asked for.
    pub(crate) total: TotalsView,
    /// Per chain.
    pub(crate) chains: Vec<ChainTotals>,
}

/// One user's totals on one chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainTotals {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The totals.
    #[serde(flatten)]
    pub(crate) totals: TotalsView,
}

/// One page of a user's positions, by chain and asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct PositionPage {
    /// The address in normalized form.
    pub(crate) address: String,
    /// The positions; those closed again are kept with what they realized.
    pub(crate) items: Vec<PositionView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One position. Quantities are decimal texts in the asset's smallest unit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionView {
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
    /// Held with a known basis.
    pub(crate) quantity: String,
    /// Held with an unknown basis.
    pub(crate) unknown_quantity: String,
    /// What the known part cost.
    pub(crate) basis_usd: String,
    /// Realized on this asset.
    pub(crate) realized_pnl_usd: String,
    /// Proceeds of sales whose basis is known.
    pub(crate) proceeds_usd: String,
    /// Proceeds of sales whose basis is unknown.
    pub(crate) proceeds_without_basis_usd: String,
    /// What had cost what was sold for cash without a valuation.
    pub(crate) basis_without_proceeds_usd: String,
    /// How much of what is held by its trades the wallet does not hold, by its newest snapshot: it left without a trade.
    /// Absent where the wallet holds all of it, or no snapshot says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_elsewhere: Option<String>,
    /// What it is worth.
    #[serde(flatten)]
    pub(crate) worth: PositionWorthView,
}

/// Whether this process can serve.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Readiness {
    /// `ready` or `waiting`.
    pub(crate) status: &'static str,
    /// What it waits for.
    pub(crate) waiting_for: Vec<&'static str>,
    /// The state of the live stream; it does not decide readiness.
    pub(crate) log: LogView,
    /// The chains that are not at the head, and why; they do not decide readiness.
    pub(crate) chains: Vec<ChainCondition>,
    /// The consumers of the tape in this process that stopped, because the log is not the one that they have read.
    pub(crate) stopped: Vec<StoppedConsumer>,
    /// What is wrong in this process but keeps it from nothing else, such as a network that a provider's key does not
    /// include; it does not decide readiness.
    pub(crate) notices: Vec<String>,
}

/// A consumer of the tape that stopped.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoppedConsumer {
    /// Its service.
    pub(crate) service: &'static str,
    /// Why, and what cures it.
    pub(crate) reason: String,
}

/// The state of the live stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogView {
    /// Whether the log is being followed.
    pub(crate) following: bool,
    /// Whether the log has been read to its end.
    pub(crate) caught_up: bool,
    /// How old the newest record was when it was read, while catching up.
    pub(crate) lag_ms: u64,
    /// Positions of the trades topic read here that metrics has not folded yet.
    pub(crate) unfolded: u64,
    /// Records that could not be read and were left out.
    pub(crate) poison: u64,
    /// Open WebSocket connections.
    pub(crate) readers: usize,
}

/// That this process is alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// `ok`.
    pub(crate) status: &'static str,
}

/// Coverage as a decimal from 0 to 1.
fn coverage_text(coverage: Coverage) -> String {
    wire::v1::trade::with_decimal_point(&coverage.millionths.to_string(), 6)
}

impl From<TotalsRow> for ChainTotals {
    fn from(row: TotalsRow) -> Self {
        Self { chain: row.chain, totals: row.totals.into() }
    }
}

impl From<PositionRow> for PositionView {
    fn from(row: PositionRow) -> Self {
        Self {
            worth: (&row).into(),
            chain: row.chain,
            asset: row.asset,
            symbol: row.symbol,
            decimals: row.decimals,
            quantity: row.quantity,
            unknown_quantity: row.unknown_quantity,
            basis_usd: row.basis.to_string(),
            realized_pnl_usd: row.realized.to_string(),
            proceeds_usd: row.proceeds.to_string(),
            proceeds_without_basis_usd: row.without_basis.to_string(),
            basis_without_proceeds_usd: row.basis_without_proceeds.to_string(),
            held_elsewhere: row.held_elsewhere,
        }
    }
}
