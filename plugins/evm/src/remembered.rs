//! What the host remembers between scans of how a chain and its endpoints are asked.

use crate::settings::{Settings, Verify};
use chain_plugin_sdk::{Context, Host};

/// The fact under which the host keeps the chain's number.
const CHAIN_ID: &str = "chain-id";
/// Whether the blooms of headers are those of their logs.
const HEADER_BLOOMS: &str = "header-blooms";
/// Whether most blocks of the chain's history can be told by their headers to have no trades.
const QUIET: &str = "quiet";

const YES: &[u8] = b"yes";
const NO: &[u8] = b"no";

/// What is remembered; none of what is not known.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// The chain's number.
    pub chain_id: Option<u64>,
    /// Whether this endpoint gives receipts in their consensus encoding.
    pub has_raw_receipts: Option<bool>,
    /// Whether the blooms of headers are those of their logs.
    pub blooms_hold: Option<bool>,
    /// Whether most blocks can be told by their headers to have no trades.
    pub is_quiet: Option<bool>,
    /// The fact about this endpoint's receipts, where the host says which endpoint it is.
    raw_receipts: Option<String>,
}

impl Remembered {
    /// What matters to a scan with these settings, in one question to the host.
    pub(crate) fn recall(host: &mut impl Host, context: &Context, settings: &Settings) -> Self {
        let attribute = |name: &str| Some(context.attributes.iter().find(|(key, _)| key == name)?.1.as_str());
        let of_network = |network: &str| network.strip_prefix("eip155:")?.split('/').next()?.parse().ok();
        let mut remembered = Self { chain_id: attribute("network").and_then(of_network), ..Self::default() };
        let mut keys = vec![];
        if remembered.chain_id.is_none() {
            keys.push(CHAIN_ID.to_owned());
        }
        if settings.verify.is_proof() {
            let endpoint = attribute("endpoint").filter(|_| settings.raw_receipts);
            remembered.raw_receipts = endpoint.map(|endpoint| format!("raw-receipts/{endpoint}"));
            keys.extend(remembered.raw_receipts.clone());
            keys.push(QUIET.to_owned());
        }
        if settings.verify == Verify::Receipts {
            keys.push(HEADER_BLOOMS.to_owned());
        }
        if keys.is_empty() {
            return remembered;
        }
        for (key, fact) in keys.iter().zip(host.recall(&keys)) {
            let Some(fact) = fact else { continue };
            let is_yes = Some(fact == YES);
            match key.as_str() {
                CHAIN_ID => remembered.chain_id = fact.try_into().ok().map(u64::from_be_bytes),
                HEADER_BLOOMS => remembered.blooms_hold = is_yes,
                QUIET => remembered.is_quiet = is_yes,
                _ => remembered.has_raw_receipts = is_yes,
            }
        }
        remembered
    }

    /// Keeps the chain's number.
    pub(crate) fn keep_chain_id(&mut self, host: &mut impl Host, id: u64) {
        self.chain_id = Some(id);
        host.keep(vec![(CHAIN_ID.to_owned(), id.to_be_bytes().to_vec())]);
    }

    /// Whether this endpoint is still to be asked for receipts in their consensus encoding.
    pub(crate) fn is_to_probe(&self) -> bool {
        self.raw_receipts.is_some() && self.has_raw_receipts.is_none()
    }

    /// Keeps whether this endpoint gives receipts in their consensus encoding.
    pub(crate) fn keep_raw_receipts(&mut self, host: &mut impl Host, has_them: bool) {
        if let Some(key) = self.raw_receipts.clone() {
            keep_new(host, key, &mut self.has_raw_receipts, has_them);
        }
    }

    /// Keeps whether the blooms of headers are those of their logs.
    pub(crate) fn keep_blooms(&mut self, host: &mut impl Host, hold: bool) {
        keep_new(host, HEADER_BLOOMS.to_owned(), &mut self.blooms_hold, hold);
    }

    /// Keeps whether most blocks can be told by their headers to have no trades.
    pub(crate) fn keep_quiet(&mut self, host: &mut impl Host, is_quiet: bool) {
        // A chain that is not known to be quiet is asked as one that is not.
        if is_quiet || self.is_quiet.is_some() {
            keep_new(host, QUIET.to_owned(), &mut self.is_quiet, is_quiet);
        }
    }
}

fn keep_new(host: &mut impl Host, key: String, known: &mut Option<bool>, fact: bool) {
    if known.replace(fact) != Some(fact) {
        host.keep(vec![(key, if fact { YES } else { NO }.to_vec())]);
    }
}
