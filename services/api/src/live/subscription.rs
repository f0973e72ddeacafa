//! One subscription of one reader: what it wants, and from where on.

use super::change::{MetricsChange, TradeChange, WalletChange};
use api_domain::{Filter, Folded, Who};
use std::collections::HashMap;

/// What a reader asked to be told, under the name it gave.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) want: Want,
}

/// What a subscription wants. Its snapshot holds everything below the places noted here.
#[derive(Debug)]
pub(crate) enum Want {
    /// Trades that pass a filter, per partition from a position on.
    Trades { filter: Filter, from: Vec<u64> },
    /// A user's metrics, folded beyond these positions.
    Metrics { who: Who, folded: Folded },
    /// A user's balances, per chain taken after these times.
    Wallets { who: Who, taken: HashMap<String, u64> },
    /// Every chain.
    Chains,
}

/// Why a subscription cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The log is not read yet.
    Starting,
    /// What was kept does not reach back to the snapshot; a newer snapshot may do.
    Behind,
    /// The reader has as many as it may.
    TooMany,
    /// The reader has left.
    Gone,
}

impl Subscription {
    /// Most subscriptions of one reader.
    pub(crate) const MOST: usize = 32;

    pub(crate) fn wants_trade(&self, partition: u32, position: u64, change: &TradeChange) -> bool {
        match &self.want {
            Want::Trades { filter, from } => {
                from.get(partition as usize).is_some_and(|from| position >= *from) && change.passes(filter)
            }
            _ => false,
        }
    }

    pub(crate) fn wants_metrics(&self, change: &MetricsChange) -> bool {
        match &self.want {
            Want::Metrics { who, folded } => {
                let as_of = change.body.as_of;
                who.is(&change.body.chain, &change.body.trader) && as_of.offset > folded.as_of(as_of.partition)
            }
            _ => false,
        }
    }

    pub(crate) fn wants_wallet(&self, change: &WalletChange) -> bool {
        match &self.want {
            Want::Wallets { who, taken } => {
                let body = &change.body;
                who.is(&body.chain, &body.address) && taken.get(&body.chain).is_none_or(|taken| body.taken_at > *taken)
            }
            _ => false,
        }
    }

    pub(crate) fn wants_chains(&self) -> bool {
        matches!(self.want, Want::Chains)
    }
}
