//! The settings that a chain file may give, and known tokens of the main network.

use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// JSON Schema of [`Settings`].
pub(crate) const SETTINGS_SCHEMA: &str = r#"{
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

/// The denom of the native token.
pub(crate) const NATIVE_DENOM: &str = "uosmo";
/// USDC as Noble issues it, over IBC.
const USDC_DENOM: &str = "ibc/498A0751C798A0D9A389AA3691123DADA57DAA4FE165D5C75894505B876BA6E4";

/// The settings of a chain.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    stables: Option<BTreeMap<String, u8>>,
}

impl Settings {
    /// Parses the settings.
    pub(crate) fn read(json: &str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(|e| Failure::BadSettings(e.to_string()))
    }

    /// The decimals of a denom that is worth one dollar; none for any other.
    pub(crate) fn stable_decimals(&self, denom: &str) -> Option<u8> {
        match &self.stables {
            Some(stables) => stables.get(denom).copied(),
            None => (denom == USDC_DENOM).then_some(6),
        }
    }

    /// Whether a denom is cash: the native token or a dollar.
    pub(crate) fn is_quote(&self, denom: &str) -> bool {
        denom == NATIVE_DENOM || self.stable_decimals(denom).is_some()
    }
}

/// Symbol and decimals for display, where they are known.
pub(crate) fn symbol_and_decimals(denom: &str) -> (Option<String>, Option<u8>) {
    match denom {
        NATIVE_DENOM => (Some("OSMO".to_owned()), Some(6)),
        USDC_DENOM => (Some("USDC".to_owned()), Some(6)),
        _ => (None, None),
    }
}
