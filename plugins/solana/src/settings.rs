//! The settings that a chain file may give to this plugin.

use crate::base58;
use crate::cash::Cash;
use chain_plugin_sdk::{Context, Failure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The JSON Schema of the settings.
pub(crate) const SETTINGS_SCHEMA: &str = include_str!("../settings.schema.json");

/// How much an endpoint is believed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verify {
    /// A block's place in the chain is proved.
    #[default]
    Parents,
    /// The signatures of trades' transactions too.
    Full,
}

/// The settings of a chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How much an endpoint is believed.
    pub(crate) verify: Verify,
    /// The most slots in one scan.
    pub(crate) max_span: u64,
    /// How many blocks are asked for at once.
    pub(crate) parallel: usize,
    stables: BTreeMap<String, Option<u8>>,
    reference_pools: Option<Vec<String>>,
    /// Platforms that earn fees by trades, by name.
    pub(crate) platforms: BTreeMap<String, Platform>,
}

impl Default for Settings {
    fn default() -> Self {
        let (stables, platforms) = (BTreeMap::new(), BTreeMap::new());
        Self { verify: Verify::Parents, max_span: 4, parallel: 2, stables, reference_pools: None, platforms }
    }
}

/// How a platform's trades are recognised.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Platform {
    /// Accounts that its fees go to, or the owners of such accounts.
    pub(crate) accounts: Vec<String>,
    /// Programs whose calls mark a trade as its own.
    pub(crate) programs: Vec<String>,
}

impl Settings {
    /// Reads and checks the settings that the host passed.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        let bad = |why: String| Failure::BadSettings(format!("settings: {why}"));
        let text = context.settings.trim();
        let settings: Self = if text.is_empty() || text == "null" {
            Self::default()
        } else {
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?
        };
        for (name, value, max) in [("max-span", settings.max_span, 64), ("parallel", settings.parallel as u64, 8)] {
            if !(1..=max).contains(&value) {
                return Err(bad(format!("{name} must be from 1 to {max}, not {value}")));
            }
        }
        let key = |field: &str, text: &str| match base58::decode(text) {
            Some(key) if key.len() == 32 => Ok(()),
            _ => Err(bad(format!("{field}: {text} is no account: 32 bytes in base58 are expected"))),
        };
        for (mint, decimals) in &settings.stables {
            key("stables", mint)?;
            if decimals.is_some_and(|digits| digits > 18) {
                return Err(bad(format!("stables: {mint} has more than 18 decimals")));
            }
        }
        for pool in settings.reference_pools.iter().flatten() {
            key("reference-pools", pool)?;
        }
        for (name, platform) in &settings.platforms {
            for account in platform.accounts.iter().chain(&platform.programs) {
                key(&format!("platforms: {name}"), account)?;
            }
        }
        Ok(settings)
    }

    /// Which assets count as cash, and which pools say what SOL costs.
    pub(crate) fn cash(&self) -> Cash {
        Cash::new(&self.stables, self.reference_pools.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str) -> Result<Settings, Failure> {
        Settings::read(&Context { settings: settings.to_owned(), now_ms: 0, attributes: vec![] })
    }

    fn refusal(settings: &str) -> String {
        match read(settings) {
            Err(Failure::BadSettings(why)) => why,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn every_setting_has_a_default() {
        let settings = read("").unwrap();
        assert_eq!((settings.max_span, settings.parallel), (4, 2));
        assert!(settings.cash().is_stable("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"));
    }

    #[test]
    fn stables_can_be_added_and_removed() {
        let coin = "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN";
        let usdc = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
        let cash = read(&format!(r#"{{"stables":{{"{coin}":6,"{usdc}":null}}}}"#)).unwrap().cash();
        assert!(cash.is_stable(coin) && !cash.is_stable(usdc));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        assert!(refusal(r#"{"max-spam":1}"#).contains("max-spam"));
        assert!(refusal(r#"{"max-span":0}"#).contains("max-span must be from 1 to 64, not 0"));
        assert!(refusal(r#"{"stables":{"gold":6}}"#).contains("gold is no account"));
        assert!(refusal(r#"{"platforms":{"ours":{"accounts":["us"]}}}"#).contains("platforms: ours: us"));
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SETTINGS_SCHEMA).unwrap();
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(named, ["max-span", "parallel", "platforms", "reference-pools", "stables", "verify"]);
    }
}
