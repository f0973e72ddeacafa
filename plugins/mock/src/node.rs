//! The JSON that a mock node serves over HTTP (`deploy/lab/nodes` has one), and the hash that commits to a block's trades.
//!
//! `GET /head` returns a [`Head`]; `GET /blocks?first=N&last=M` returns [`Blocks`]. Because a block's hash commits to its trades,
//! a node that omits a trade, or a block of the span, is detected.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// The newest blocks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The identity of the chain.
    pub network: String,
    /// Its newest block.
    pub latest: Id,
    /// Its newest final block.
    pub finalized: Option<Id>,
}

/// The height and hash of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// Its height.
    pub height: u64,
    /// Commits to its place, its branch and its trades.
    pub hash: String,
}

/// The blocks of a span, ascending and without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// The blocks.
    pub blocks: Vec<MockBlock>,
}

/// One block with its trades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MockBlock {
    /// Its height and hash.
    #[serde(flatten)]
    pub id: Id,
    /// Its parent; none for the first block.
    pub parent: Option<Id>,
    /// UTC, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Its trades, in chain order.
    pub trades: Vec<Swap>,
}

/// One trade of the mock chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The hash of its transaction.
    pub hash: String,
    /// Who traded.
    pub trader: String,
    /// The asset, by its index.
    pub asset: usize,
    /// Whether dollars were given for the asset, not the other way round.
    pub buys: bool,
    /// The worth in cents.
    pub cents: u64,
    /// The amount of the asset in its smallest unit.
    pub units: u128,
}

impl MockBlock {
    /// The hash that commits to a block's place and trades.
    pub fn hash_of(seed: u64, height: u64, branch: u64, trades: &[Swap]) -> String {
        let mut words = vec![seed, height, branch, trades.len() as u64];
        for trade in trades {
            let tail = u64::from_str_radix(trade.hash.get(2..18).unwrap_or("0"), 16).unwrap_or(0);
            let who = u64::from_str_radix(trade.trader.get(2..18).unwrap_or("0"), 16).unwrap_or(0);
            let [low, high] = halves(trade.units);
            words.extend([tail, who, trade.asset as u64, u64::from(trade.buys), trade.cents, low, high]);
        }
        let mut random = Random::from_words(&words);
        // The hash names its branch, so that it can be computed again.
        format!("{}{branch:08x}", random.hex(24))
    }

    /// Whether the hash commits to these trades.
    pub(crate) fn is_committed(&self, seed: u64) -> bool {
        let branch = self.id.hash.get(50..).and_then(|tail| u64::from_str_radix(tail, 16).ok());
        branch.is_some_and(|branch| Self::hash_of(seed, self.id.height, branch, &self.trades) == self.id.hash)
    }
}

/// The low and the high half of a number.
fn halves(number: u128) -> [u64; 2] {
    [number & u128::from(u64::MAX), number >> 64].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}
