//! Subscriptions: what a client asks for, and which updates it still needs after its snapshot.

use super::channel::Channel;
use super::update::Update;
use api_domain::{FoldedPositions, TradeFilter, UserQuery};
use std::collections::HashMap;

/// The channel a client asks for, with its filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    Trades { filter: TradeFilter, limit: usize },
    Metrics(UserQuery),
    Wallets(UserQuery),
    Chains,
}

impl Selection {
    /// Matches what a client needs that has received everything below the `next` positions.
    pub(super) fn matcher_since(&self, next: &[u64]) -> Matcher {
        match self {
            Self::Trades { filter, .. } => Matcher::Trades { filter: filter.clone(), from: next.to_vec() },
            Self::Metrics(user) => Matcher::Metrics { user: user.clone(), folded: FoldedPositions::default() },
            Self::Wallets(user) => Matcher::Wallets { user: user.clone(), taken_at: HashMap::new() },
            Self::Chains => Matcher::Chains,
        }
    }
}

/// Which updates a subscription needs: those that pass its filter and that its snapshot does not contain.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Trades that pass a filter, from a position of each partition on.
    Trades { filter: TradeFilter, from: Vec<u64> },
    /// A user's metrics, folded beyond these positions.
    Metrics { user: UserQuery, folded: FoldedPositions },
    /// A user's balances, taken after the time given for their chain.
    Wallets { user: UserQuery, taken_at: HashMap<String, u64> },
    /// Every chain.
    Chains,
}

impl Matcher {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Trades { .. } => Channel::Trades,
            Self::Metrics { .. } => Channel::Metrics,
            Self::Wallets { .. } => Channel::Wallets,
            Self::Chains => Channel::Chains,
        }
    }

    /// Whether the subscription needs an update.
    pub(super) fn matches(&self, update: &Update) -> bool {
        match (self, update) {
            (Self::Trades { filter, from }, Update::Trade(trade)) => {
                from.get(trade.partition as usize).is_some_and(|from| trade.position >= *from) && trade.passes(filter)
            }
            (Self::Metrics { user, folded }, Update::Metrics(update)) => {
                let (body, as_of) = (&update.body, update.body.as_of);
                user.matches(&body.chain, &body.trader) && as_of.offset > folded.as_of(as_of.partition)
            }
            (Self::Wallets { user, taken_at }, Update::Wallet(update)) => {
                let body = &update.body;
                user.matches(&body.chain, &body.address)
                    && taken_at.get(&body.chain).is_none_or(|taken_at| body.taken_at > *taken_at)
            }
            (Self::Chains, Update::Chain(_)) => true,
            _ => false,
        }
    }
}

/// One subscription of one reader, under the id that the client gave it.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(super) id: String,
    pub(super) matcher: Matcher,
}

/// Why a subscription cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionRefused {
    /// The log is not followed yet.
    Starting,
    /// The kept updates do not reach back to the snapshot; they may reach back to a newer one.
    Behind,
    /// The reader has the most subscriptions it may have.
    TooMany,
    /// The reader has left.
    Gone,
}

impl Subscription {
    /// Subscriptions of one reader at most.
    pub(crate) const MAX_PER_READER: usize = 32;
}
