//! The names that providers have for our chains, learned from the progress topic, where each chain's file gives them.

use crate::health::ServiceHealth;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tape::{Start, Unavailable};
use tape_log::{Arrival, Log, topics};
use wire::v1::progress::{self, ChainProgressed};

/// By chain, the names that providers have for it. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct ProviderNames(Arc<RwLock<HashMap<String, BTreeMap<String, String>>>>);

/// Beside the providers' names, a chain file may name the contract that wraps its native asset under this key.
const WRAPPED_NATIVE_KEY: &str = "wrapped-native";

impl ProviderNames {
    /// The name that a provider has for a chain, where it is known.
    pub fn name_of_chain(&self, chain: &str, provider: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(chain)?.get(provider).cloned()
    }

    /// The contract that wraps the chain's native asset, where the chain names one.
    pub fn wrapped_native(&self, chain: &str) -> Option<String> {
        self.name_of_chain(chain, WRAPPED_NATIVE_KEY)
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
                        tracing::warn!(position = record.position, %reason, "ignoring a malformed progress record");
                    }
                }
            }
        }
    }
}
