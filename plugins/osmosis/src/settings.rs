//! What a chain file may set, and what is known of the main network.

use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "osmosis",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "stables": {
      "type": "object",
      "description": "denoms that are worth one dollar: denom to decimals; replaces the built-in list",
      "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 18}
    }
  }
}"#;

/// The native token.
pub const NATIVE: &str = "uosmo";
/// USDC as Noble issues it, over IBC.
const USDC: &str = "ibc/498A0751C798A0D9A389AA3691123DADA57DAA4FE165D5C75894505B876BA6E4";

/// The settings of a chain.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    stables: Option<BTreeMap<String, u8>>,
}

impl Settings {
    /// Reads them.
    pub fn read(json: &str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(|e| Failure::BadSettings(e.to_string()))
    }

    /// The decimals of a denom that is worth one dollar.
    pub fn stable(&self, denom: &str) -> Option<u8> {
        match &self.stables {
            Some(stables) => stables.get(denom).copied(),
            None => (denom == USDC).then_some(6),
        }
    }

    /// Whether a denom is cash.
    pub fn is_quote(&self, denom: &str) -> bool {
        denom == NATIVE || self.stable(denom).is_some()
    }
}

/// Symbol and decimals, where they are known: decoration.
pub fn decoration(denom: &str) -> (Option<String>, Option<u8>) {
    match denom {
        NATIVE => (Some("OSMO".to_owned()), Some(6)),
        USDC => (Some("USDC".to_owned()), Some(6)),
        _ => (None, None),
    }
}
