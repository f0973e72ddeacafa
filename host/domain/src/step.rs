//! A step: one atomic change of the tape, and where the chain stands after it.

use crate::block::Block;
use crate::coverage::{Range, RangeChange};
use crate::dropped::DroppedCounts;
use std::sync::Arc;
use tape::{BlockId, Status, Trade};

/// Where a chain stands on the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Number of the last step; 0 before the first.
    pub step: u64,
    /// The chain's own identity, pinned by the first step.
    pub network: Arc<str>,
    /// The newest block on the tape.
    pub head: Option<BlockId>,
    /// Every height up to this one is on the tape or proved empty.
    pub through: u64,
    /// The height the chain began at: trades of lower blocks go to the history topic, for ever, and all others to the
    /// live one, so that all records of one trade stay in one order.
    pub origin: u64,
    /// The first of the heights up to `through` that the code named by `digest` has followed without a break.
    pub since: u64,
    /// Digest of the code in force.
    pub digest: Arc<str>,
    /// The newest block that is final: by the node's hash, or published below what it called final.
    pub finalized: Option<BlockId>,
    /// Legs that no transfer backs, counted since the chain began.
    pub unbacked: u64,
    /// Events that look like trades and became none, counted since the chain began.
    pub dropped: DroppedCounts,
}

impl Cursor {
    /// The heights that the code in force has followed; none before the first.
    pub fn followed(&self) -> Option<Range> {
        let range = Range { from: self.since, to: self.through, digest: Arc::clone(&self.digest) };
        (self.since <= self.through && !self.digest.is_empty()).then_some(range)
    }
}

/// How the chain is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// At the head.
    Live,
    /// Behind the head.
    Catching,
    /// It cannot be read now and is tried again; the sentence says why.
    Waiting(String),
    /// Not followed; the sentence says why and what cures it.
    Parked(String),
}

/// What a step publishes about the chain, next to its trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How the chain is doing.
    pub state: ChainState,
    /// The newest block the endpoint knows.
    pub latest: Option<BlockId>,
    /// How completeness is proved.
    pub proof: Arc<str>,
    /// Since when the state is what it is, milliseconds of the clock.
    pub since_ms: u64,
    /// The endpoint in use by its name.
    pub endpoint: Option<Arc<str>>,
}

/// One atomic change of the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The trades that are applied and reverted, in the order they are published.
    pub changes: Vec<(Status, Trade)>,
    /// Heights that leave the journal because their blocks left the branch.
    pub popped: Vec<u64>,
    /// Blocks that may still leave the branch: they enter the journal.
    pub pushed: Vec<Block>,
    /// Heights that leave the journal because their blocks can no longer leave the branch.
    pub settled: Vec<u64>,
    /// Covered ranges that change.
    pub ranges: Vec<RangeChange>,
    /// Ids of the requests that it fulfils.
    pub fulfilled: Vec<String>,
    /// Where the chain stands after it.
    pub cursor: Cursor,
    /// What is published about the chain.
    pub progress: Progress,
}

impl Step {
    /// A step that changes nothing but the cursor and the progress.
    pub fn without_changes(cursor: Cursor, progress: Progress) -> Self {
        Self {
            changes: vec![],
            popped: vec![],
            pushed: vec![],
            settled: vec![],
            ranges: vec![],
            fulfilled: vec![],
            cursor,
            progress,
        }
    }
}
