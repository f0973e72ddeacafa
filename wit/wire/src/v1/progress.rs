//! `ChainProgressedV1`: how far a chain is, written only inside a step's transaction.

use crate::check::{self, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far one chain is after a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChainProgressedV1")]
pub struct ChainProgressed {
    /// Id from the chain file.
    pub chain: String,
    /// The chain's own identity.
    pub network: String,
    /// Number of the step that wrote this.
    pub step: u64,
    /// When, milliseconds since the Unix epoch.
    pub at: u64,
    /// What the ingestor is doing with it.
    pub state: State,
    /// Why it is parked or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The newest block on the tape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Block>,
    /// The newest block the endpoint knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Block>,
    /// The newest block that is final by hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized: Option<Block>,
    /// Heights between latest and published.
    pub lag_blocks: u64,
    /// The code in force.
    pub detector: Generation,
    /// `receipts`, `hint`, `none`: how completeness is proved; an open list.
    pub proof: String,
    /// Names, symbols and explorer links from the chain file; free of meaning to the services.
    #[serde(default)]
    pub display: BTreeMap<String, String>,
    /// What providers of balances call this chain: provider to name.
    #[serde(default)]
    pub providers: BTreeMap<String, String>,
    /// Per partition of the trades log that this chain has written to.
    #[serde(default)]
    pub partitions: Vec<PartitionProgress>,
    /// The same of the history log, which backfills write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PartitionProgress>,
    /// Heights on the tape, ascending, each once; what lies between two of them is a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered: Vec<Covered>,
    /// Versions of the plugin that were dropped in and are not in force, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Trades without backing that were counted and not published, since the chain began.
    #[serde(default)]
    pub unbacked: u64,
    /// What looks like a trade and became none, counted since the chain began, by `REASON.VENUE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// The chain cannot be read now and is tried again; `reason` says why. A chain that was never followed has no
    /// network and no block then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub waiting: bool,
    /// Since when it has been live, catching up, waiting or parked, milliseconds since the Unix epoch; 0 where that is
    /// not known.
    #[serde(default)]
    pub since: u64,
    /// The endpoint in use, or those that do not answer, by name and without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The code that wrote the newest step, where it is not the one in force: that one has put nothing on the tape yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_by: Option<Generation>,
}

impl ChainProgressed {
    /// The code that the tape knows: what it holds of the chain was written by it, where it holds anything.
    pub fn known_code(&self) -> &Generation {
        self.written_by.as_ref().unwrap_or(&self.detector)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What the ingestor is doing with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// At the head.
    Live,
    /// Behind the head.
    Catching,
    /// Stopped; `reason` says why and what cures it.
    Parked,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// Block number, on Solana the slot.
    pub height: u64,
    /// Byte-exact.
    pub hash: String,
}

/// The code in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// Plugin id.
    pub plugin: String,
    /// Plugin version.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
}

/// A version of the plugin that is not in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its file.
    pub file: String,
    /// Its version, where it came far enough to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of the component, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `refused`, `shadowing`, `held`, `withdrawn`; an open list.
    pub state: String,
    /// The step of admission that it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Heights that are on the tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Covered {
    /// First height.
    pub from: u64,
    /// Last height.
    pub to: u64,
}

/// How much of one partition is this chain's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Partition")]
pub struct PartitionProgress {
    /// Number of the partition.
    pub partition: u32,
    /// The offset after this chain's newest record in it.
    pub next: u64,
    /// Records this chain has written to it, ever.
    pub count: u64,
}

/// Most covered ranges in one record: beyond, the oldest are left out.
pub const MAX_COVERED: usize = 256;

/// Most candidates in one record.
pub const MAX_CANDIDATES: usize = 16;

/// The record's JSON.
pub fn encode(progress: &ChainProgressed) -> Vec<u8> {
    super::to_bytes(progress)
}

/// Reads and checks one record.
pub fn decode(bytes: &[u8]) -> Result<ChainProgressed, Invalid> {
    let progress: ChainProgressed = super::from_bytes(bytes)?;
    check::id("chain", &progress.chain)?;
    check::count("display", progress.display.len(), 64)?;
    check::count("providers", progress.providers.len(), 64)?;
    check::count("candidates", progress.candidates.len(), MAX_CANDIDATES)?;
    check::count("covered", progress.covered.len(), MAX_COVERED)?;
    Ok(progress)
}
