//! `PortfolioUpdatedV1`: what a refresh of one wallet changed.

use crate::check::{self, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a refresh of one wallet on one chain changed; readers keep the newest by `takenAt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PortfolioUpdatedV1")]
pub struct PortfolioUpdated {
    /// Id from the chain file.
    pub chain: String,
    /// The wallet.
    pub address: String,
    /// Who says so: `moralis`, `alchemy`, `mock`; an open list.
    pub provider: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub taken_at: u64,
    /// The height that the balances are of, where the provider tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    /// Whether balances are left out that the provider could not tell; their last ones are `kept`.
    #[serde(default)]
    pub incomplete: bool,
    /// How many rows of the provider's response were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u32>,
    /// Why the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete_reason: Option<String>,
    /// What differs from the snapshot before: a balance, or what is said of one.
    pub changes: Vec<BalanceChange>,
}

/// A balance that changed, or of which something else is said. Amounts are decimal texts in the asset's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BalanceChange {
    /// The asset; native goes by the wrapped contract where the chain names one, else `native`.
    pub asset: String,
    /// Ticker, decoration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Fractional digits, decoration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Before; `0` when it was not there.
    pub before: String,
    /// Now; `0` when it vanished.
    pub after: String,
    /// Whether a provider calls it spam; null where none has told.
    #[serde(default)]
    pub spam: Option<bool>,
    /// Whether a provider calls its contract verified; null where none has told.
    #[serde(default)]
    pub verified: Option<bool>,
    /// The provider could not tell the balance: `after` is the last one that was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// The message's JSON.
pub fn encode(message: &PortfolioUpdated) -> Vec<u8> {
    super::to_bytes(message)
}

/// Reads and checks one message.
pub fn decode(bytes: &[u8]) -> Result<PortfolioUpdated, Invalid> {
    let message: PortfolioUpdated = super::from_bytes(bytes)?;
    check::id("chain", &message.chain)?;
    check::id("address", &message.address)?;
    for (at, change) in message.changes.iter().enumerate() {
        check::id(&format!("changes[{at}].asset"), &change.asset)?;
        check::raw(&format!("changes[{at}].before"), &change.before)?;
        check::raw(&format!("changes[{at}].after"), &change.after)?;
    }
    Ok(message)
}
