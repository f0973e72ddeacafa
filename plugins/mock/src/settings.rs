//! The settings that a chain file may give to the mock chain.

use crate::platforms::{self, Platform};
use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// JSON Schema of [`Settings`].
pub(crate) const SETTINGS_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "mock chain",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "seed": {"type": "integer", "minimum": 0, "default": 1, "description": "another seed is another chain"},
    "epoch-ms": {"type": "integer", "minimum": 0, "default": 1767225600000, "description": "time of block 0, Unix milliseconds"},
    "block-ms": {"type": "integer", "minimum": 1, "default": 1000, "description": "time between blocks"},
    "trades-per-block": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 3},
    "users": {"type": "integer", "minimum": 1, "default": 50},
    "reorg-every": {"type": "integer", "minimum": 0, "default": 0, "description": "0 is never"},
    "reorg-depth": {"type": "integer", "minimum": 1, "maximum": 64, "default": 2},
    "node": {"type": "boolean", "default": false, "description": "read the chain from a mock node at the endpoint; only seed and platforms count then"},
    "platforms": {
      "type": "object",
      "maxProperties": 16,
      "default": {},
      "description": "platforms that earn fees, by name",
      "additionalProperties": {
        "type": "object",
        "additionalProperties": false,
        "properties": {
          "routers": {"type": "array", "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 128}, "description": "the contracts that its users call"},
          "codes": {"type": "array", "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 128}, "description": "what its partners put into calls of other routers"},
          "fee-recipient": {"type": "string", "minLength": 1, "maxLength": 128, "default": "mock:fees"},
          "fee-bps": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 50, "description": "what it charges, in hundredths of a percent"},
          "one-in": {"type": "integer", "minimum": 1, "default": 3, "description": "one transaction in so many goes through it"}
        }
      }
    },
    "finality": {"type": "integer", "minimum": 1, "default": 64, "description": "blocks until a block is final"}
  }
}"#;

/// The settings of a mock chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Another seed is another chain.
    pub seed: u64,
    /// Time of block 0, Unix milliseconds.
    pub epoch_ms: u64,
    /// Time between blocks.
    pub block_ms: u64,
    /// Trades in each block.
    pub trades_per_block: u32,
    /// The number of traders.
    pub users: u64,
    /// A losing branch shows at every so many blocks; 0 is never.
    pub reorg_every: u64,
    /// How many blocks a losing branch has.
    pub reorg_depth: u64,
    /// How many blocks later a block is final.
    pub finality: u64,
    /// Whether the chain is read from a mock node.
    pub node: bool,
    /// Platforms that earn fees, by name.
    pub platforms: BTreeMap<String, Platform>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            epoch_ms: 1_767_225_600_000,
            block_ms: 1_000,
            trades_per_block: 3,
            users: 50,
            reorg_every: 0,
            reorg_depth: 2,
            finality: 64,
            node: false,
            platforms: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Parses and checks the settings.
    pub fn read(json: &str) -> Result<Self, Failure> {
        let settings: Self = serde_json::from_str(json).map_err(|e| Failure::BadSettings(e.to_string()))?;
        let bad = |what: &str| Err(Failure::BadSettings(what.to_owned()));
        if settings.block_ms == 0 || settings.users == 0 {
            return bad("block-ms and users must be at least 1");
        }
        if settings.trades_per_block > 10_000 {
            return bad("trades-per-block must be at most 10000");
        }
        if settings.reorg_depth == 0 || settings.reorg_depth > 64 || settings.reorg_depth >= settings.finality {
            return bad("reorg-depth must be from 1 to 64 and below finality");
        }
        if settings.reorg_every != 0 && settings.reorg_every <= settings.reorg_depth {
            return bad("reorg-every must be 0 or above reorg-depth");
        }
        platforms::check(&settings.platforms)?;
        Ok(settings)
    }

    /// The time of the block at a height.
    pub fn timestamp_ms(&self, height: u64) -> u64 {
        self.epoch_ms + height * self.block_ms
    }
}
