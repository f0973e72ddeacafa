//! The JSON shapes of totals: over REST and in snapshots, and as the stream tells a change.

use super::coverage_text;
use api_domain::Totals;
use serde::Serialize;
use utoipa::ToSchema;
use wire::v1::metrics::{ConfidenceVolumes, MetricsUpdated, Position, Totals as UpdatedTotals};

/// Totals. Amounts in US dollars are decimal texts with at most 18 fractional digits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalsView {
    /// What follows from trades alone.
    #[serde(flatten)]
    pub(crate) figures: TotalFigures,
    /// The part of the proceeds that may have been matched with units that the wallet no longer held: of each position as
    /// large a part as what is held elsewhere is of what was sold; in a window the part of all time.
    pub(crate) proceeds_in_doubt_usd: String,
    /// Of all that was sold, the part whose proceeds and basis are both known and in no doubt, from 0 to 1; absent where
    /// nothing was sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<String>,
}

/// Figures that follow from trades alone. Amounts in US dollars are decimal texts with at most 18 fractional digits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalFigures {
    /// Worth of all valued swaps, each counted once.
    pub(crate) volume_usd: String,
    /// The volume by how sure the sides of its swaps are; the parts add up to it.
    pub(crate) volume_by_confidence: ConfidenceVolumesView,
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
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
}

/// A volume by the words of its swaps' attribute `confidence`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are named as in JSON")]
pub(crate) struct ConfidenceVolumesView {
    /// Both sides are what moved; such a trade has no attribute `confidence`.
    pub(crate) exact_usd: String,
    /// A router's or an order's word alone tells a side.
    pub(crate) reported_usd: String,
    /// A trace alone would tell a side, and there is none.
    pub(crate) estimated_usd: String,
    /// A trace told a side.
    pub(crate) traced_usd: String,
    /// The trades carry another word, or were folded before their words were counted.
    pub(crate) unknown_usd: String,
}

/// What a batch of trades changed of one user's metrics on one chain; readers keep the newest by `asOf`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricsChange<'a> {
    /// Id of the chain.
    pub(crate) chain: &'a str,
    /// The trader's address.
    pub(crate) trader: &'a str,
    /// Up to where the tape is folded in.
    pub(crate) as_of: AsOfView,
    /// Over all time. Those over REST and in snapshots also have `proceedsInDoubtUsd` and `coverage`, which rest on what the
    /// wallet holds.
    pub(crate) totals: TotalFigures,
    /// The positions that changed, as they are now.
    #[schema(value_type = Vec<UpdatedPosition>)]
    pub(crate) positions: &'a [Position],
}

/// A place on the tape.
#[derive(Serialize, ToSchema)]
pub(crate) struct AsOfView {
    /// Partition.
    pub(crate) partition: u32,
    /// Everything below is folded in.
    pub(crate) offset: u64,
}

/// A position as metrics publishes it. Its schema is the wire's; [`crate::http`] adds it.
#[derive(ToSchema)]
#[schema(as = MetricsUpdatedV1Position)]
pub(crate) struct UpdatedPosition {}

impl From<Totals> for TotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            figures: (&totals).into(),
            proceeds_in_doubt_usd: totals.in_doubt.to_string(),
            coverage: totals.coverage().map(coverage_text),
        }
    }
}

impl From<&Totals> for TotalFigures {
    fn from(totals: &Totals) -> Self {
        let volumes = &totals.by_confidence;
        Self {
            volume_usd: totals.volume.to_string(),
            volume_by_confidence: ConfidenceVolumesView {
                exact_usd: volumes.exact.to_string(),
                reported_usd: volumes.reported.to_string(),
                estimated_usd: volumes.estimated.to_string(),
                traced_usd: volumes.traced.to_string(),
                unknown_usd: volumes.unknown(totals.volume).to_string(),
            },
            swaps: totals.swaps,
            unvalued: totals.unvalued,
            implausible: totals.implausible,
            implausible_usd: totals.implausible_usd.to_string(),
            cycles: totals.cycles,
            fees_usd: totals.fees.to_string(),
            realized_pnl_usd: totals.realized.to_string(),
            realized_pnl_net_usd: totals.realized_net.to_string(),
            proceeds_usd: totals.proceeds.to_string(),
            proceeds_without_basis_usd: totals.without_basis.to_string(),
            basis_without_proceeds_usd: totals.basis_without_proceeds.to_string(),
            saturated: totals.saturated,
        }
    }
}

impl From<&UpdatedTotals> for TotalFigures {
    fn from(totals: &UpdatedTotals) -> Self {
        let or_zero = |usd: &Option<String>| usd.clone().unwrap_or_else(|| "0".to_owned());
        // Where a message of a version before tells no words, all of the volume is of unknown confidence.
        let unknown_usd = (totals.volume_usd != "0").then(|| totals.volume_usd.clone());
        let untold = || ConfidenceVolumes { unknown_usd, ..ConfidenceVolumes::default() };
        let volumes = totals.volume_by_confidence.clone().unwrap_or_else(untold);
        Self {
            volume_usd: totals.volume_usd.clone(),
            volume_by_confidence: ConfidenceVolumesView {
                exact_usd: or_zero(&volumes.exact_usd),
                reported_usd: or_zero(&volumes.reported_usd),
                estimated_usd: or_zero(&volumes.estimated_usd),
                traced_usd: or_zero(&volumes.traced_usd),
                unknown_usd: or_zero(&volumes.unknown_usd),
            },
            swaps: totals.swaps,
            unvalued: totals.unvalued,
            implausible: totals.implausible,
            implausible_usd: or_zero(&totals.implausible_usd),
            cycles: totals.cycles,
            fees_usd: totals.fees_usd.clone(),
            realized_pnl_usd: totals.realized_pnl_usd.clone(),
            realized_pnl_net_usd: totals.realized_pnl_net_usd.clone(),
            proceeds_usd: or_zero(&Some(totals.proceeds_usd.clone()).filter(|usd| !usd.is_empty())),
            proceeds_without_basis_usd: totals.proceeds_without_basis_usd.clone(),
            basis_without_proceeds_usd: or_zero(&totals.basis_without_proceeds_usd),
            saturated: false,
        }
    }
}

impl<'a> From<&'a MetricsUpdated> for MetricsChange<'a> {
    fn from(update: &'a MetricsUpdated) -> Self {
        Self {
            chain: &update.chain,
            trader: &update.trader,
            as_of: AsOfView { partition: update.as_of.partition, offset: update.as_of.offset },
            totals: (&update.totals).into(),
            positions: &update.positions,
        }
    }
}
