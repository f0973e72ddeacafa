//! A step: what changes on the tape at once, and where the chain stands after it.

use crate::block::Block;
use crate::coverage::{Range, Recorded};
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
    /// Where the chain was begun: trades of lower blocks go on the history log, for ever, and all others on the live
    /// one, so that what comes and goes of one trade stays in one order.
    pub origin: u64,
    /// The first height that the code below has followed without a break up to `through`.
    pub since: u64,
    /// Digest of the code that followed them.
    pub digest: Arc<str>,
    /// The newest block that is final: by the node's hash, or published below what it called final.
    pub finalized: Option<BlockId>,
    /// Legs without backing since the chain began.
    pub unbacked: u64,
}

impl Cursor {
    /// The heights that the code in force has followed; none before the first.
    pub fn followed(&self) -> Option<Range> {
        let range = Range { from: self.since, to: self.through, digest: Arc::clone(&self.digest) };
        (self.since <= self.through && !self.digest.is_empty()).then_some(range)
    }
}

/// What the chain is being done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// At the head.
    Live,
    /// Behind the head.
    Catching,
    /// Stopped, with the sentence that says why and what cures it.
    Parked(String),
}

/// What readers are told beside the trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the chain is being done with.
    pub state: State,
    /// The newest block the endpoint knows.
    pub latest: Option<BlockId>,
    /// How completeness is proved.
    pub proof: Arc<str>,
}

/// One atomic change of the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The trades that come and go, in the order they are published.
    pub changes: Vec<(Status, Trade)>,
    /// Heights that leave the journal because their blocks left the branch.
    pub popped: Vec<u64>,
    /// Blocks that may still be left: they enter the journal.
    pub pushed: Vec<Block>,
    /// Heights that leave the journal because they can no longer be left.
    pub settled: Vec<u64>,
    /// Covered ranges that change.
    pub ranges: Vec<Recorded>,
    /// Requests that are fulfilled by it.
    pub answered: Vec<String>,
    /// Where the chain stands after it.
    pub cursor: Cursor,
    /// What readers are told.
    pub progress: Progress,
}

impl Step {
    /// A step that changes nothing but what readers are told.
    pub fn still(cursor: Cursor, progress: Progress) -> Self {
        Self {
            changes: vec![],
            popped: vec![],
            pushed: vec![],
            settled: vec![],
            ranges: vec![],
            answered: vec![],
            cursor,
            progress,
        }
    }
}
