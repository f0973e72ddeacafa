//! What an operator decides ahead: when a new version of a plugin takes over, and what happens when one fails.

use serde::Deserialize;

/// What happens with new versions, and with versions that fail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// When a new version takes over.
    pub promote: Promote,
    /// What happens when a block cannot be scanned.
    pub on_failure: OnFailure,
    /// Proved failures in a row, each with fresh answers, before `on_failure` applies.
    pub strikes: u32,
    /// Newest blocks that a new version must scan beside the old one; 0 is none.
    pub shadow_blocks: u64,
    /// Blocks that both versions must have read before a new one may take over.
    pub compared_blocks: u64,
    /// One scan in so many is run twice, to see whether the plugin is deterministic; 0 is never.
    pub twice_in: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            promote: Promote::default(),
            on_failure: OnFailure::default(),
            strikes: 3,
            shadow_blocks: 16,
            compared_blocks: 8,
            twice_in: 1_000,
        }
    }
}

/// When a new version takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promote {
    /// As soon as it has scanned the shadow blocks.
    #[default]
    Auto,
    /// Only if it finds every trade that the old one finds, unchanged; it may find more.
    IdenticalOrSuperset,
    /// When the chain file names it: `plugin = "evm@1.4.0"`.
    Manual,
}

/// What happens when a block cannot be scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The chain is parked until a person has changed something.
    #[default]
    Halt,
    /// The next older version takes over; without one the chain is parked.
    Previous,
    /// The block is left out: a gap, to be repaired by backfill.
    Skip,
}
