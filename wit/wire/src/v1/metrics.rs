//! `MetricsUpdatedV1`: the state of one user's metrics on one chain after a batch of trades.

use crate::check::{self, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of one user's metrics on one chain; readers keep the newest by `asOf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MetricsUpdatedV1")]
pub struct MetricsUpdated {
    /// Id from the chain file.
    pub chain: String,
    /// The trader's address.
    pub trader: String,
    /// Up to where the trades log is folded in.
    pub as_of: AsOf,
    /// Over all time.
    pub totals: Totals,
    /// The positions that this batch touched, as they are now.
    pub positions: Vec<Position>,
}

/// A place in the trades log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsOf {
    /// Partition.
    pub partition: u32,
    /// The next offset: everything below is folded in.
    pub offset: u64,
}

/// Totals of one user. Amounts in US dollars are decimal texts with at most 18 fractional digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Worth of all valued swaps.
    pub volume_usd: String,
    /// The volume by how sure the sides of its swaps are; absent in messages of the first days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_by_confidence: Option<ConfidenceVolumes>,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation; not in the volume.
    pub unvalued: u64,
    /// Swaps with an implausible valuation; in no sum of amounts but the next; absent where there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub implausible: u64,
    /// What their valuations claim; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implausible_usd: Option<String>,
    /// Arbitrage cycles; in no other figure.
    pub cycles: u64,
    /// Fees earned by platforms on these swaps.
    pub fees_usd: String,
    /// Realized profit and loss before fees, of the part with a known basis.
    pub realized_pnl_usd: String,
    /// Realized profit and loss after platform fees.
    pub realized_pnl_net_usd: String,
    /// Proceeds of sales whose basis is unknown.
    pub proceeds_without_basis_usd: String,
    /// Proceeds of sales whose basis is known; absent in messages of the first days.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proceeds_usd: String,
    /// What had cost what was sold for cash without a valuation: neither profit nor loss; absent where it is zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_without_proceeds_usd: Option<String>,
}

/// A volume by the words of its swaps' attribute `confidence`; an amount is absent where it is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfidenceVolumes {
    /// Both sides are what moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_usd: Option<String>,
    /// A router's or an order's word alone tells a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_usd: Option<String>,
    /// A trace alone would tell a side, and there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_usd: Option<String>,
    /// A trace told a side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traced_usd: Option<String>,
    /// The swaps carry another word, or were folded before their words were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_usd: Option<String>,
}

/// One position. Quantities are decimal texts in the asset's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The asset.
    pub asset: String,
    /// Ticker, decoration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Fractional digits, decoration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Held with a known basis.
    pub quantity: String,
    /// Held with an unknown basis.
    pub unknown_quantity: String,
    /// What the known part cost.
    pub basis_usd: String,
    /// Realized on this asset.
    pub realized_pnl_usd: String,
    /// Proceeds of sales whose basis is unknown.
    pub proceeds_without_basis_usd: String,
    /// Proceeds of sales whose basis is known; absent in messages of the first days.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proceeds_usd: String,
    /// What had cost what was sold for cash without a valuation: neither profit nor loss; absent where it is zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_without_proceeds_usd: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The message's JSON.
pub fn encode(message: &MetricsUpdated) -> Vec<u8> {
    super::to_bytes(message)
}

/// Reads and checks one message.
pub fn decode(bytes: &[u8]) -> Result<MetricsUpdated, Invalid> {
    let message: MetricsUpdated = super::from_bytes(bytes)?;
    check::id("chain", &message.chain)?;
    check::id("trader", &message.trader)?;
    Ok(message)
}
