//! What providers call our chains: read from the log, where each chain's file says so.

use crate::vitals::Vitals;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tape::{Start, Unavailable};
use tape_log::{Arrival, Log, topics};
use wire::v1::progress::{self, ChainProgressed};

/// What providers call our chains. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<HashMap<String, BTreeMap<String, String>>>>);

/// Beside the providers' names a chain file may name the contract that wraps its native asset.
const WRAPPED_NATIVE: &str = "wrapped-native";

impl Names {
    /// What a provider calls a chain, where that is known.
    pub fn of(&self, chain: &str, provider: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(chain)?.get(provider).cloned()
    }

    /// The contract that wraps the chain's native asset, where the chain names one.
    pub fn wrapped_native(&self, chain: &str) -> Option<String> {
        self.of(chain, WRAPPED_NATIVE)
    }

    /// Learns what a chain's file says.
    pub fn learn(&self, progress: ChainProgressed) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(progress.chain, progress.providers);
    }

    /// Learns from the log for as long as it can be read.
    pub(crate) async fn follow(&self, log: &Log, vitals: &Vitals) -> Result<(), Unavailable> {
        let mut reader = log.assigned(vec![(topics::PROGRESS.partition(0), Start::Beginning)]).await?;
        loop {
            let Arrival::Records { records, .. } = reader.next().await? else { continue };
            for record in records {
                let Some(value) = record.value else { continue };
                match progress::decode(&value) {
                    Ok(progress) => self.learn(progress),
                    Err(reason) => {
                        vitals.count("progressRefused", 1);
                        tracing::warn!(position = record.position, %reason, "progress record ignored");
                    }
                }
            }
        }
    }
}
