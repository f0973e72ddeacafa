//! What is read from a chain: blocks of one branch with the trades in them, and how far the chain is.

use crate::dropped::DroppedCounts;
use std::sync::Arc;
use tape::{BlockId, Trade};

/// One block with its trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which block.
    pub id: BlockId,
    /// Its parent; none on chains without parent hashes, whose blocks are final at once.
    pub parent: Option<BlockId>,
    /// UTC, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// In chain order.
    pub trades: Vec<Trade>,
    /// Legs that no transfer backs: counted, not published.
    pub unbacked: u64,
    /// Events that look like trades and became none.
    pub dropped: DroppedCounts,
    /// How completeness was proved: `receipts`, `hint`, `none`; an open list.
    pub proof: Arc<str>,
}

/// The answer to a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Ascending by height.
    pub blocks: Vec<Block>,
    /// Every height up to this one is contained or proved empty.
    pub through: u64,
    /// Digest of the code that scanned them; empty where none could, which leaves a gap.
    pub digest: Arc<str>,
}

/// How far an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The chain's own identity.
    pub network: Arc<str>,
    /// Its newest block.
    pub latest: BlockId,
    /// Its newest final block, where it says so.
    pub finalized: Option<BlockId>,
}
