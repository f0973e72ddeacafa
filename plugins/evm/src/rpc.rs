//! What an EVM node is asked, and its answers, borrowed from the bytes that came.

use chain_plugin_sdk::jsonrpc::Call;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// A block's header, with the hashes of its transactions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Header<'a> {
    pub hash: &'a str,
    pub parent_hash: &'a str,
    pub number: &'a str,
    pub timestamp: &'a str,
    pub receipts_root: &'a str,
    pub logs_bloom: &'a str,
    pub sha3_uncles: Option<&'a str>,
    pub miner: Option<&'a str>,
    pub state_root: Option<&'a str>,
    pub transactions_root: Option<&'a str>,
    pub difficulty: Option<&'a str>,
    pub gas_limit: Option<&'a str>,
    pub gas_used: Option<&'a str>,
    pub extra_data: Option<&'a str>,
    pub mix_hash: Option<&'a str>,
    pub nonce: Option<&'a str>,
    pub ext_data_hash: Option<&'a str>,
    pub base_fee_per_gas: Option<&'a str>,
    pub ext_data_gas_used: Option<&'a str>,
    pub block_gas_cost: Option<&'a str>,
    pub withdrawals_root: Option<&'a str>,
    pub blob_gas_used: Option<&'a str>,
    pub excess_blob_gas: Option<&'a str>,
    pub parent_beacon_block_root: Option<&'a str>,
    pub requests_hash: Option<&'a str>,
    pub block_access_list_hash: Option<&'a str>,
    pub slot_number: Option<&'a str>,
    pub timestamp_milliseconds: Option<&'a str>,
    pub min_delay_excess: Option<&'a str>,
    #[serde(borrow, default)]
    transactions: Option<&'a RawValue>,
}

impl<'a> Header<'a> {
    /// The hashes of the block's transactions, in order.
    pub fn transactions(&self) -> Option<Vec<&'a str>> {
        #[derive(Deserialize)]
        struct Whole<'a> {
            hash: &'a str,
        }
        let raw = self.transactions?.get();
        // Some nodes send whole transactions whatever they are asked.
        serde_json::from_str(raw).ok().or_else(|| {
            let whole: Vec<Whole<'a>> = serde_json::from_str(raw).ok()?;
            Some(whole.into_iter().map(|transaction| transaction.hash).collect())
        })
    }
}

/// What a block is named by.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Name<'a> {
    pub hash: &'a str,
    pub number: &'a str,
}

/// What a transaction did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Receipt<'a> {
    pub transaction_hash: &'a str,
    pub transaction_index: &'a str,
    pub block_hash: &'a str,
    pub from: &'a str,
    pub to: Option<&'a str>,
    pub status: Option<&'a str>,
    pub root: Option<&'a str>,
    pub cumulative_gas_used: &'a str,
    pub logs_bloom: Option<&'a str>,
    #[serde(rename = "type")]
    pub kind: Option<&'a str>,
    pub deposit_nonce: Option<&'a str>,
    pub deposit_receipt_version: Option<&'a str>,
    #[serde(borrow)]
    pub logs: Vec<Log<'a>>,
}

impl Receipt<'_> {
    /// Whether the transaction took effect. Before Byzantium receipts had no status; there a failed one has no logs.
    pub fn succeeded(&self) -> bool {
        self.status.map_or(self.root.is_some(), |status| status == "0x1")
    }
}

/// One event.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the node's own names")]
pub struct Log<'a> {
    #[serde(borrow)]
    pub address: &'a str,
    #[serde(borrow)]
    pub topics: Topics<'a>,
    pub data: &'a str,
}

/// A log's topics, at most four.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topics<'a> {
    all: [&'a str; 4],
    count: usize,
}

impl<'a> Topics<'a> {
    /// In order.
    pub fn as_slice(&self) -> &[&'a str] {
        &self.all[..self.count]
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Topics<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Topics<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("at most four topics")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut topics = Topics::default();
                while topics.count < 4 {
                    let Some(topic) = list.next_element()? else { return Ok(topics) };
                    topics.all[topics.count] = topic;
                    topics.count += 1;
                }
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(topics),
                    Some(_) => Err(serde::de::Error::invalid_length(5, &self)),
                }
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// The chain's number.
pub fn chain_id() -> Call {
    Call::new("eth_chainId", "[]")
}

/// A block by `latest`, `finalized` or a number from [`number`], with the hashes of its transactions.
pub fn block(which: &str) -> Call {
    Call::new("eth_getBlockByNumber", format!(r#"["{which}",false]"#))
}

/// All receipts of a block.
pub fn receipts(height: u64) -> Call {
    Call::new("eth_getBlockReceipts", format!(r#"["{}"]"#, number(height)))
}

/// One receipt.
pub fn receipt(transaction: &str) -> Call {
    Call::new("eth_getTransactionReceipt", format!(r#"["{transaction}"]"#))
}

/// A height as nodes spell it.
pub fn number(height: u64) -> String {
    format!("{height:#x}")
}
