//! The rules of one chain: its cash, names and references, from the built-in tables and the settings.

use crate::chains::Proof;
use crate::model::{NATIVE_COIN, NATIVE_LOGS};
use crate::platforms::Platform;
use crate::traces::TraceMode;
use crate::twins::Twins;
use crate::venues::ListedVault;
use alloy_primitives::Address;
use std::collections::BTreeMap;

/// A pool, and the asset that it prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReferencePool {
    /// A pool of the asset and a dollar token, in the manner of Uniswap V2 or V3.
    pub pool: Address,
    /// What is priced.
    pub asset: Address,
    /// Whether it is asked where it did not trade.
    pub ask: bool,
}

/// What holds on one chain.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How its blocks are proved.
    pub proof: Proof,
    /// The contract that wraps the native coin.
    pub wrapped: Option<Address>,
    /// The contract that the native coin itself goes by, where it has one.
    pub native: Option<Address>,
    /// Tokens that go by two contracts.
    pub twins: Twins,
    /// Vaults and managers that are believed, beside those that are built in.
    pub vaults: Vec<ListedVault>,
    /// Whether an exchange with a contract that is no known venue is a trade.
    pub counts_two_sided: bool,
    /// For which transactions a trace is asked.
    pub traces: TraceMode,
    /// The platforms whose trades are recognised.
    pub platforms: Vec<Platform>,
    /// The pools that price assets.
    pub references: Vec<ReferencePool>,
    /// Dollar tokens, with their decimals where the settings or the tables have them.
    pub stables: BTreeMap<Address, Option<u8>>,
    /// Names of venues by the factories of their pools.
    pub factories: BTreeMap<Address, String>,
}

impl Rules {
    /// Whether a token in an event is native coin.
    pub(crate) fn is_native(&self, token: Address) -> bool {
        token == NATIVE_COIN || token == NATIVE_LOGS || token.is_zero() || Some(token) == self.native
    }

    /// The asset behind a token in an event: native coin is one with the contract that wraps it.
    pub(crate) fn asset(&self, token: Address) -> Address {
        if self.is_native(token) { self.wrapped.unwrap_or(Address::ZERO) } else { token }
    }

    /// Whether an asset is cash.
    pub(crate) fn is_quote(&self, asset: Address) -> bool {
        self.wrapped == Some(asset) || self.is_stable(asset)
    }

    /// Whether an asset is a dollar.
    pub(crate) fn is_stable(&self, asset: Address) -> bool {
        self.stables.contains_key(&asset)
    }

    /// The decimals that are known without asking.
    pub(crate) fn decimals(&self, asset: Address) -> Option<u8> {
        self.stables.get(&asset).copied().flatten().or((self.wrapped == Some(asset)).then_some(18))
    }

    /// The venue that a factory's pools belong to, where the factory is known; `kind` is what their events look like. One
    /// address may have made pools of another generation on another chain.
    pub(crate) fn venue(&self, factory: Address, kind: &str) -> Option<String> {
        let name = self.factories.get(&factory)?;
        let other = match kind {
            "v3-like" => name.strip_suffix("-v2").map(|name| format!("{name}-v3")),
            "v2-like" => name.strip_suffix("-v3").map(|name| format!("{name}-v2")),
            _ => None,
        };
        Some(other.unwrap_or_else(|| name.clone()))
    }
}
