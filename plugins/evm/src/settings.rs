//! The settings of this plugin, as a chain file writes them.

use crate::chains::{KnownChain, Proof};
use crate::platforms::{self, PlatformSettings};
use crate::rules::{ReferencePool, Rules};
use crate::traces::TraceMode;
use crate::twins::Twins;
use crate::{factories, hex, venues};
use alloy_primitives::{Address, address};
use chain_plugin_sdk::{Context, Failure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The JSON Schema of the settings.
pub(crate) const SETTINGS_SCHEMA: &str = include_str!("../settings.schema.json");

/// On Polygon the native coin is a contract too.
const POLYGON_NATIVE: Address = address!("0000000000000000000000000000000000001010");

/// How much an endpoint is believed.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verify {
    /// Besides, the transactions root is recomputed, and the senders of trades are recovered from their signatures.
    Full,
    /// Header hash and receipts root are recomputed.
    #[default]
    Receipts,
    /// Only an empty answer is noticed.
    Hint,
    /// Everything is believed.
    None,
}

impl Verify {
    /// Whether receipts are proved.
    pub(crate) fn is_proof(self) -> bool {
        matches!(self, Self::Full | Self::Receipts)
    }
}

/// The settings as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How much an endpoint is believed.
    pub verify: Verify,
    /// The most heights in one scan.
    pub max_span: u64,
    /// The most calls in one HTTP request.
    pub batch: usize,
    /// Whether receipts are asked in their consensus encoding where an endpoint has that.
    pub raw_receipts: bool,
    stables: Stables,
    wrapped: Option<String>,
    twins: BTreeMap<String, String>,
    factories: BTreeMap<String, String>,
    vaults: BTreeMap<String, String>,
    /// Whether an exchange with a contract that is no known venue is a trade.
    pub two_sided: bool,
    traces: TraceMode,
    platforms: BTreeMap<String, PlatformSettings>,
    reference: Vec<ReferenceSettings>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceSettings {
    pool: String,
    asset: String,
    #[serde(default)]
    ask: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (stables, factories) = (Stables::List(vec![]), BTreeMap::new());
        Self {
            verify: Verify::Receipts,
            max_span: 16,
            batch: 100,
            raw_receipts: true,
            stables,
            wrapped: None,
            twins: BTreeMap::new(),
            factories,
            vaults: BTreeMap::new(),
            two_sided: false,
            traces: TraceMode::Never,
            platforms: BTreeMap::new(),
            reference: vec![],
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Stables {
    List(Vec<String>),
    Map(BTreeMap<String, Option<u8>>),
}

/// The highest `max-span` that a chain file may set, in blocks.
pub(crate) const MAX_SPAN_BLOCKS: u64 = 1_000;

impl Settings {
    /// Reads the settings of a call.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        const ALLOWED: std::ops::RangeInclusive<u64> = 1..=MAX_SPAN_BLOCKS;
        let text = context.settings.trim();
        let settings: Self = if text.is_empty() || text == "null" {
            Self::default()
        } else {
            serde_json::from_str(text).map_err(|error| Failure::BadSettings(format!("settings: {error}")))?
        };
        for (name, value) in [("max-span", settings.max_span), ("batch", settings.batch as u64)] {
            if !ALLOWED.contains(&value) {
                return Err(Failure::BadSettings(format!("settings: {name} must be from 1 to 1000, not {value}")));
            }
        }
        // Checks addresses even where the chain's number is not yet known.
        settings.rules(0)?;
        Ok(settings)
    }

    /// The settings together with what is built in about the chain.
    pub(crate) fn rules(&self, chain_id: u64) -> Result<Rules, Failure> {
        let chain = KnownChain::by_id(chain_id);
        let mut stables: BTreeMap<Address, Option<u8>> =
            chain.stables.iter().map(|(address, decimals)| (*address, Some(*decimals))).collect();
        match &self.stables {
            Stables::List(list) => {
                for text in list {
                    stables.entry(address("stables", text)?).or_insert(None);
                }
            }
            Stables::Map(map) => {
                for (text, decimals) in map {
                    let address = address("stables", text)?;
                    match decimals {
                        Some(digits) if *digits > 77 => {
                            return Err(Failure::BadSettings(format!(
                                "settings: stables: {text} has {digits} decimals"
                            )));
                        }
                        Some(_) => stables.insert(address, *decimals),
                        None => stables.remove(&address),
                    };
                }
            }
        }
        let mut factories: BTreeMap<Address, String> =
            factories::KNOWN_FACTORIES.iter().map(|(address, name)| (*address, (*name).to_owned())).collect();
        for (text, name) in &self.factories {
            if name.is_empty() || name.len() > 64 {
                return Err(Failure::BadSettings(format!(
                    "settings: factories: the name of {text} is empty or too long"
                )));
            }
            factories.insert(address("factories", text)?, name.clone());
        }
        let mut vaults = vec![];
        for (text, name) in &self.vaults {
            let venue = venues::vault_venue(name).ok_or_else(|| {
                let known = venues::VENUES_OF_VAULTS.join(", ");
                Failure::BadSettings(format!(
                    "settings: vaults: {name}, the venue of {text}, has no vaults: it is one of {known}"
                ))
            })?;
            vaults.push((address("vaults", text)?, venue));
        }
        let wrapped = self.wrapped.as_deref().map(|text| address("wrapped", text)).transpose()?;
        let platforms = platforms::read_platforms(&self.platforms)?;
        let read = |reference: &ReferenceSettings| {
            let [pool, asset] = [&reference.pool, &reference.asset].map(|text| address("reference", text));
            Ok(ReferencePool { pool: pool?, asset: asset?, ask: reference.ask })
        };
        let references = self.reference.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
        let mut twins: BTreeMap<Address, Address> = chain.twins.iter().copied().collect();
        for (twin, asset) in &self.twins {
            twins.insert(address("twins", twin)?, address("twins", asset)?);
        }
        if let Some((twin, asset)) = twins.iter().find(|(_, asset)| twins.contains_key(*asset)) {
            let (twin, asset) = (hex::encode(twin), hex::encode(asset));
            return Err(Failure::BadSettings(format!(
                "settings: twins: {asset}, the asset of {twin}, is a twin itself"
            )));
        }
        let native = (chain.proof == Proof::StateSyncApart).then_some(POLYGON_NATIVE);
        Ok(Rules {
            proof: chain.proof,
            wrapped: wrapped.or(chain.wrapped),
            native,
            twins: Twins::new(twins),
            vaults,
            counts_two_sided: self.two_sided,
            traces: self.traces,
            platforms,
            references,
            stables,
            factories,
        })
    }
}

fn address(field: &str, text: &str) -> Result<Address, Failure> {
    hex::address(text).ok_or_else(|| Failure::BadSettings(format!("settings: {field}: {text} is no address")))
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
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_needs_to_be_said() {
        let settings = read("{}").unwrap();
        assert_eq!((settings.verify, settings.max_span), (Verify::Receipts, 16));
        let unknown = settings.rules(31_337).unwrap();
        assert_eq!(unknown.wrapped, None);
        assert!(unknown.stables.is_empty());
        assert!(settings.rules(1).unwrap().is_quote(address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")));
    }

    #[test]
    fn settings_add_to_what_is_built_in_and_strike_out() {
        let text = r#"{"verify":"hint","stables":{
            "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48":null,"0x1111111111111111111111111111111111111111":8},
            "wrapped":"0x2222222222222222222222222222222222222222",
            "factories":{"0x3333333333333333333333333333333333333333":"ours"}}"#;
        let settings = read(text).unwrap();
        let rules = settings.rules(1).unwrap();
        assert!(!rules.is_stable(address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")));
        assert!(rules.is_stable(address!("dac17f958d2ee523a2206206994597c13d831ec7")));
        assert_eq!(rules.decimals(Address::repeat_byte(0x11)), Some(8));
        assert_eq!(rules.wrapped, Some(Address::repeat_byte(0x22)));
        assert_eq!(rules.venue(Address::repeat_byte(0x33), "v2-like").as_deref(), Some("ours"));
        // On Base this factory makes pools of the third generation.
        let sushi = address!("c35dadb65012ec5796536bd9864ed8773abc74c4");
        assert_eq!(rules.venue(sushi, "v3-like").as_deref(), Some("sushiswap-v3"));
        let list = read(r#"{"stables":["0x1111111111111111111111111111111111111111"]}"#).unwrap();
        assert_eq!(list.rules(1).unwrap().decimals(Address::repeat_byte(0x11)), None);
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        assert!(refusal(r#"{"verifi":"none"}"#).contains("verifi"));
        assert!(refusal(r#"{"reference":[{"pool":"0x12","asset":"0x12"}]}"#).contains("reference: 0x12"));
        assert!(refusal(r#"{"wrapped":"0x12"}"#).contains("wrapped: 0x12"));
        assert!(refusal(r#"{"max-span":0}"#).contains("max-span"));
        assert!(refusal(r#"{"stables":["gold"]}"#).contains("gold"));
        assert!(refusal(r#"{"vaults":{"0x12":"uniswap-v4"}}"#).contains("vaults: 0x12"));
        let venue = r#"{"vaults":{"0x1111111111111111111111111111111111111111":"uniswap-v3"}}"#;
        assert!(
            refusal(venue)
                .contains("uniswap-v3, the venue of 0x1111111111111111111111111111111111111111, has no vaults")
        );
        assert!(refusal(r#"{"twins":{"0x12":"0x12"}}"#).contains("twins: 0x12"));
        let [one, two] = ["11", "22"].map(|digits| format!("0x{}", digits.repeat(20)));
        assert!(refusal(&format!(r#"{{"twins":{{"{one}":"{two}","{two}":"{one}"}}}}"#)).contains("is a twin itself"));
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SETTINGS_SCHEMA).unwrap();
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(
            schema["properties"]["vaults"]["additionalProperties"]["enum"],
            serde_json::json!(venues::VENUES_OF_VAULTS)
        );
        assert_eq!(
            named,
            [
                "batch",
                "factories",
                "max-span",
                "platforms",
                "raw-receipts",
                "reference",
                "stables",
                "traces",
                "twins",
                "two-sided",
                "vaults",
                "verify",
                "wrapped"
            ]
        );
    }
}
