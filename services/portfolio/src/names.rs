//! The names that providers have for our chains, learned from the progress topic, where each chain's file gives them.

use crate::health::ServiceHealth;
use portfolio_domain::Balance;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tape::{Start, Unavailable};
use tape_log::{Arrival, Log, topics};
use wire::v1::progress::{self, ChainProgressed};

/// By chain, the names that providers have for it. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct ProviderNames(Arc<RwLock<HashMap<String, BTreeMap<String, String>>>>);

/// Beside the providers' names, a chain file may name the contract that wraps its native coin under this key.
const WRAPPED_NATIVE_KEY: &str = "wrapped-native";
/// The same of the contract that is the native coin.
const NATIVE_TOKEN_KEY: &str = "native-token";

/// The contracts of a chain's native coin, where its file names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeContracts {
    /// Wraps the coin: what it holds is added to the coin.
    pub wrapped: Option<String>,
    /// Is the coin: its balance is the coin's, told once more.
    pub token: Option<String>,
}

impl NativeContracts {
    /// The name of the native asset: that of the wrapper, which trades are in, else of the coin's own contract.
    pub fn native_asset(&self) -> String {
        let contract = self.wrapped.as_ref().or(self.token.as_ref());
        contract.cloned().unwrap_or_else(|| Balance::NATIVE_ASSET.to_owned())
    }

    /// Whether this contract is the coin.
    pub fn is_coin(&self, contract: &str) -> bool {
        self.token.as_deref() == Some(contract)
    }

    /// Whether this contract wraps the coin.
    pub fn wraps_coin(&self, contract: &str) -> bool {
        self.wrapped.as_deref() == Some(contract) && !self.is_coin(contract)
    }
}

impl ProviderNames {
    /// The name that a provider has for a chain, where it is known.
    pub fn name_of_chain(&self, chain: &str, provider: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(chain)?.get(provider).cloned()
    }

    /// The contracts of the chain's native coin.
    pub fn native_contracts(&self, chain: &str) -> NativeContracts {
        let contract = |key| self.name_of_chain(chain, key).map(normalized);
        NativeContracts { wrapped: contract(WRAPPED_NATIVE_KEY), token: contract(NATIVE_TOKEN_KEY) }
    }

    /// Replaces the names of a chain.
    pub fn learn(&self, progress: ChainProgressed) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(progress.chain, progress.providers);
    }

    /// Learns from the progress topic until it cannot be read.
    pub(crate) async fn follow(&self, log: &Log, health: &ServiceHealth) -> Result<(), Unavailable> {
        let mut reader = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
        loop {
            let Arrival::Records { records, .. } = reader.next().await? else { continue };
            for record in records {
                let Some(value) = record.value else { continue };
                match progress::decode(&value) {
                    Ok(progress) => self.learn(progress),
                    Err(reason) => {
                        health.count("progressRefused", 1);
                        tracing::warn!(
                            event = "progress.unreadable", position = record.position, %reason,
                            "ignoring a malformed progress record"
                        );
                    }
                }
            }
        }
    }
}

/// A contract as providers' rows name it here: people paste checksummed addresses.
fn normalized(contract: String) -> String {
    if contract.starts_with("0x") || contract.starts_with("0X") { contract.to_lowercase() } else { contract }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_asset_has_the_name_that_its_trades_have() {
        let text = |text: &str| Some(text.to_owned());
        let of = |wrapped, token| NativeContracts { wrapped, token };
        assert_eq!(of(None, None).native_asset(), "native");
        assert_eq!(of(None, text("0xc")).native_asset(), "0xc");
        assert_eq!(of(text("0xw"), text("0xc")).native_asset(), "0xw");
        let both = of(text("0xc"), text("0xc"));
        assert!(both.is_coin("0xc") && !both.wraps_coin("0xc") && of(text("0xw"), None).wraps_coin("0xw"));
        assert_eq!(normalized("0xAbC".to_owned()), "0xabc");
        assert_eq!(normalized("So1".to_owned()), "So1");
    }
}
