//! The JSON shapes that are served; the OpenAPI document describes them.

mod boards;
mod chains;
mod explained;
mod platforms;
mod watched;
mod worth;

pub(crate) use boards::{BookView, DriftPage, FeePage, FeeView, Leaderboard, UserHistory};
pub(crate) use chains::{ChainCondition, ChainList, ChainState, ChainView, DroppedView, WatchView};
pub(crate) use explained::{Explanation, StepView};
pub(crate) use platforms::{
    PlatformAssetPage, PlatformDayPage, PlatformDayView, PlatformLeaderboard, PlatformPage, PlatformView, UserPlatforms,
};
pub(crate) use watched::{CandleState, CandleUpdate, PriceState};
pub(crate) use worth::{
    AssetDetailsView, AssetList, AssetView, BalanceWorthView, CandleList, CandleView, ChainWorth, PositionWorthView,
    UserWorth, WalletWorth, WorthView,
};

use api_domain::{BalanceRow, Coverage, PositionRow, Totals, TotalsRow, WalletRow};
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

/// Totals. Amounts in US dollars are decimal texts with at most 18 fractional digits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalsView {
    /// Worth of all valued swaps, each counted once.
    pub(crate) volume_usd: String,
    /// Swaps, valued or not.
    pub(crate) swaps: u64,
    /// Swaps without a valuation: they are in no volume, realize nothing, and hand the basis of what they sell on to what
    /// they buy.
    pub(crate) unvalued: u64,
    /// Swaps whose worth or fee exceeds what `/v1/book` says is plausible: in no sum of amounts but the next.
    pub(crate) implausible: u64,
    /// What their valuations claim, apart from everything else.
    pub(crate) implausible_usd: String,
    /// Arbitrage cycles; in no other figure.
    pub(crate) cycles: u64,
    /// Fees earned by platforms.
    pub(crate) fees_usd: String,
    /// Proceeds less basis of what was sold of positions with a known basis, before fees; `/v1/book` says by which method,
    /// and which cash has positions.
    pub(crate) realized_pnl_usd: String,
    /// Realized after platform fees.
    pub(crate) realized_pnl_net_usd: String,
    /// Proceeds of sales whose basis is known.
    pub(crate) proceeds_usd: String,
    /// Proceeds of sales whose basis is unknown: neither profit nor loss.
    pub(crate) proceeds_without_basis_usd: String,
    /// What had cost what was sold for cash without a valuation: neither profit nor loss.
    pub(crate) basis_without_proceeds_usd: String,
    /// The part of the proceeds that may have been matched with units that the wallet no longer held: of each position as
    /// large a part as what is held elsewhere is of what was sold; in a window the part of all time.
    pub(crate) proceeds_in_doubt_usd: String,
    /// Of all that was sold, the part whose proceeds and basis are both known and in no doubt, from 0 to 1; absent where
    /// nothing was sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<String>,
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
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

/// A user's wallets and one page of what they hold, by chain and asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct Portfolio {
    /// The address in normalized form.
    pub(crate) address: String,
    /// Whether balances of any of the wallets are left out that the provider could not tell.
    pub(crate) incomplete: bool,
    /// The wallets that are tracked, one per chain.
    pub(crate) wallets: Vec<WalletView>,
    /// The balances.
    pub(crate) items: Vec<BalanceView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A tracked wallet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WalletView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The provider of its balances; absent before the first snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// When the newest snapshot was taken, milliseconds since the Unix epoch; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at: Option<u64>,
    /// The height that the balances are of; absent where the provider does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<u64>,
    /// Whether balances are left out that the provider could not tell; where one was told before, it is `kept`.
    pub(crate) incomplete: bool,
    /// How many rows of the provider's response were left out; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<u32>,
    /// Why the first of them was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete_reason: Option<String>,
    /// Failed refreshes since the last that succeeded; absent where the last one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<u32>,
    /// Why the last of them failed: `unknown-network`, `key-refused`, `wallet-rejected`, `malformed` or `unavailable`; an open
    /// list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// When the provider is asked again, milliseconds since the Unix epoch; absent where nothing failed, and where the wallet is
    /// given up until it trades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<u64>,
}

/// One balance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceView {
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
    /// In the asset's smallest unit, decimal digits.
    pub(crate) raw: String,
    /// `raw` with the decimal point, where the decimals are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<String>,
    /// Whether a provider calls it spam; null where none has told.
    pub(crate) spam: Option<bool>,
    /// Whether a provider calls its contract verified; null where none has told.
    pub(crate) verified: Option<bool>,
    /// The provider that reported it.
    pub(crate) provider: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub(crate) taken_at: u64,
    /// The sum of the wallet's live trades at that time; negative where more was sold than bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) net: Option<String>,
    /// Balance less net: transfers and whatever else was not a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drift: Option<String>,
    /// The provider could not tell it in the newest snapshot: the amount is the last one that was told.
    pub(crate) kept: bool,
    /// The height that it is of; absent where the provider does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<u64>,
    /// What it is worth.
    #[serde(flatten)]
    pub(crate) worth: BalanceWorthView,
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

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            volume_usd: totals.volume.to_string(),
            swaps: totals.swaps,
            unvalued: totals.unvalued,
            implausible: totals.implausible,
            implausible_usd: totals.implausible_usd.to_string(),
            saturated: totals.saturated,
            cycles: totals.cycles,
            fees_usd: totals.fees.to_string(),
            realized_pnl_usd: totals.realized.to_string(),
            realized_pnl_net_usd: totals.realized_net.to_string(),
            coverage: totals.coverage().map(coverage_text),
            basis_without_proceeds_usd: totals.basis_without_proceeds.to_string(),
            proceeds_in_doubt_usd: totals.in_doubt.to_string(),
            proceeds_usd: totals.proceeds.to_string(),
            proceeds_without_basis_usd: totals.without_basis.to_string(),
        }
    }
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

impl From<WalletRow> for WalletView {
    fn from(wallet: WalletRow) -> Self {
        Self {
            chain: wallet.chain,
            provider: wallet.provider,
            taken_at: wallet.taken_at,
            as_of: wallet.as_of,
            incomplete: wallet.left_out > 0,
            left_out: (wallet.left_out > 0).then_some(wallet.left_out),
            incomplete_reason: wallet.left_out_reason,
            failures: (wallet.failures > 0).then_some(wallet.failures),
            failure: wallet.failure,
            retry_at: wallet.retry_at,
        }
    }
}

impl From<BalanceRow> for BalanceView {
    fn from(row: BalanceRow) -> Self {
        Self {
            worth: (&row).into(),
            amount: row.decimals.map(|decimals| wire::v1::trade::with_decimal_point(&row.raw, decimals)),
            chain: row.chain,
            asset: row.asset,
            symbol: row.symbol,
            decimals: row.decimals,
            raw: row.raw,
            spam: row.spam,
            verified: row.verified,
            provider: row.provider,
            taken_at: row.taken_at,
            net: row.net,
            drift: row.drift,
            kept: row.kept,
            as_of: row.as_of,
        }
    }
}
