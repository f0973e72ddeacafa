//! Subscriptions: what a client asks for, and which updates it still needs after its snapshot.

use super::channel::Channel;
use super::update::Update;
use super::watch_key::WatchKey;
use api_domain::{FoldedPositions, TradeFilter, UserQuery};
use std::collections::HashMap;
use std::sync::Arc;

/// The channel a client asks for, with its filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    Trades {
        filter: TradeFilter,
        limit: usize,
    },
    Metrics(UserQuery),
    Wallets(UserQuery),
    Chains,
    /// The price or the candles of an asset, and how many of these the snapshot has.
    Watched {
        key: WatchKey,
        candles: u32,
    },
}

impl Selection {
    /// Matches what a client needs that has received everything below the `next` positions.
    pub(super) fn matcher_since(&self, next: &[u64]) -> Matcher {
        match self {
            Self::Trades { filter, .. } => Matcher::Trades { filter: filter.clone(), from: next.to_vec() },
            Self::Metrics(user) => Matcher::Metrics { user: user.clone(), folded: FoldedPositions::default() },
            Self::Wallets(user) => Matcher::Wallets { user: user.clone(), taken_at: HashMap::new() },
            Self::Chains => Matcher::Chains,
            Self::Watched { key, .. } => Matcher::Watched(key.clone()),
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
    /// The price or the candles of an asset.
    Watched(WatchKey),
}

impl Matcher {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Trades { .. } => Channel::Trades,
            Self::Metrics { .. } => Channel::Metrics,
            Self::Wallets { .. } => Channel::Wallets,
            Self::Chains => Channel::Chains,
            Self::Watched(key) => key.channel(),
        }
    }

    /// What is watched in the database, where something is.
    pub(super) fn watch(&self) -> Option<&WatchKey> {
        match self {
            Self::Watched(key) => Some(key),
            _ => None,
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
            (Self::Watched(key), Update::Watched(update)) => *key == update.watch,
            _ => false,
        }
    }
}

/// One subscription of one reader, under the id that the client gave it.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(super) id: String,
    /// The id as JSON, shared with the messages that name it.
    pub(super) id_json: Arc<str>,
    pub(super) matcher: Matcher,
}

/// The subscriptions of a reader that a message belongs to: their ids as JSON, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionIds {
    One(Arc<str>),
    Several(Vec<Arc<str>>),
}

impl SubscriptionIds {
    /// These ids; none where there are none.
    pub(super) fn from_matching<'a>(mut ids: impl Iterator<Item = &'a Arc<str>>) -> Option<Self> {
        let first = Arc::clone(ids.next()?);
        let Some(second) = ids.next() else { return Some(Self::One(first)) };
        Some(Self::Several([first, Arc::clone(second)].into_iter().chain(ids.cloned()).collect()))
    }

    /// Both, each once.
    pub(super) fn joined_with(&self, other: &Self) -> Self {
        let mut all = self.as_slice().to_vec();
        all.extend(other.as_slice().iter().filter(|id| !self.as_slice().contains(id)).cloned());
        if all.len() == self.as_slice().len() { self.clone() } else { Self::Several(all) }
    }

    /// The ids.
    pub(super) fn as_slice(&self) -> &[Arc<str>] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Several(ids) => ids,
        }
    }
}

/// Why a subscription cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionRefused {
    /// The log is not followed yet.
    Starting,
    /// The kept updates do not reach back to the snapshot; they may reach back to a newer one.
    Behind,
    /// As many prices and lists of candles are watched as may be.
    Full,
    /// The reader has the most subscriptions it may have.
    TooMany,
    /// The reader has left.
    Gone,
}

impl Subscription {
    pub(super) fn new(id: &str, matcher: Matcher) -> Self {
        Self { id: id.to_owned(), id_json: serde_json::Value::from(id).to_string().into(), matcher }
    }

    /// Subscriptions of one reader at most.
    pub(crate) const MAX_PER_READER: usize = 32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_named_once() {
        let [a, b, c]: [Arc<str>; 3] = ["\"a\"", "\"b\"", "\"c\""].map(Into::into);
        let ids = |ids: &[&Arc<str>]| SubscriptionIds::from_matching(ids.iter().copied());
        assert_eq!(ids(&[]), None);
        let one = ids(&[&a]).unwrap();
        assert_eq!((one.as_slice(), one.joined_with(&one)), (&[Arc::clone(&a)][..], one.clone()));
        let both = ids(&[&b, &a]).unwrap();
        assert_eq!(one.joined_with(&both).as_slice(), [Arc::clone(&a), Arc::clone(&b)]);
        assert_eq!(both.joined_with(&ids(&[&c]).unwrap()).as_slice(), [b, a, c]);
    }
}
