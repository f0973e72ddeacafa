//! A Solana node that serves recorded blocks and transactions as real nodes do.

use chain_plugin_sdk::{Context, Host, Level, Request, Response, UpstreamError};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Recorded blocks by slot, and the faults of the node.
#[derive(Default)]
pub(crate) struct RecordedNode {
    pub(crate) blocks: BTreeMap<u64, Box<RawValue>>,
    /// Codes that `getBlock` refuses slots with.
    pub(crate) refused: BTreeMap<u64, i64>,
    /// Slots with a block that it does not list.
    pub(crate) unlisted: Vec<u64>,
    /// What `getBlockTime` knows; the method is unknown where this is empty.
    pub(crate) times: BTreeMap<u64, i64>,
    /// Methods of each request, in order.
    pub(crate) seen: Vec<Vec<String>>,
}

/// The folder of recordings that may not be copied; none, with a line printed, where there is no such folder.
pub(crate) fn fixtures() -> Option<PathBuf> {
    recordings::fixtures().map(|folder| folder.join("solana"))
}

pub(crate) fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// A small block without transactions.
pub(crate) fn empty_block(hash: &str, parent: (u64, &str)) -> Box<RawValue> {
    block_of(hash, parent, &json!([]))
}

/// A block with these transactions.
pub(crate) fn block_of(hash: &str, (parent_slot, parent_hash): (u64, &str), transactions: &Value) -> Box<RawValue> {
    let block = json!({
        "blockhash": hash, "previousBlockhash": parent_hash, "parentSlot": parent_slot, "blockTime": 1_700_000_000,
        "transactions": transactions,
    });
    RawValue::from_string(block.to_string()).unwrap()
}

impl RecordedNode {
    fn listed(&self, from: u64) -> impl Iterator<Item = u64> {
        self.blocks.range(from..).map(|(slot, _)| *slot).filter(|slot| !self.unlisted.contains(slot))
    }

    fn answer(&self, call: &Value) -> Result<String, (i64, String)> {
        let params = &call["params"];
        let head = || self.blocks.keys().next_back().copied().unwrap();
        match call["method"].as_str().unwrap() {
            "getGenesisHash" => Ok(json!("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d").to_string()),
            "getSlot" if params[0]["commitment"] == "finalized" => Ok(self.blocks.keys().next().unwrap().to_string()),
            "getSlot" => Ok(head().to_string()),
            "getBlocks" => {
                let last = params[1].as_u64().unwrap();
                let slots: Vec<u64> =
                    self.listed(params[0].as_u64().unwrap()).take_while(|slot| *slot <= last).collect();
                Ok(json!(slots).to_string())
            }
            "getBlocksWithLimit" => {
                let slots: Vec<u64> = self
                    .listed(params[0].as_u64().unwrap())
                    .take(usize::try_from(params[1].as_u64().unwrap()).unwrap())
                    .collect();
                Ok(json!(slots).to_string())
            }
            "getBlock" => self.block(params),
            "getBlockTime" if !self.times.is_empty() => {
                Ok(json!(params[0].as_u64().and_then(|slot| self.times.get(&slot))).to_string())
            }
            method => Err((-32601, format!("Method not found: {method}"))),
        }
    }

    fn block(&self, params: &Value) -> Result<String, (i64, String)> {
        let (slot, wish) = (params[0].as_u64().unwrap(), &params[1]);
        assert_eq!(wish["maxSupportedTransactionVersion"], 1);
        if let Some(code) = self.refused.get(&slot) {
            return Err((*code, format!("no block for slot {slot}")));
        }
        let Some(block) = self.blocks.get(&slot) else {
            return Err((-32007, format!("Slot {slot} was skipped, or missing due to ledger jump to recent snapshot")));
        };
        if wish["transactionDetails"] == "full" {
            return Ok(block.get().to_owned());
        }
        let mut block: Value = serde_json::from_str(block.get()).unwrap();
        block.as_object_mut().unwrap().remove("transactions");
        Ok(block.to_string())
    }
}

impl Host for RecordedNode {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let mut responses = vec![];
        for request in requests {
            let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
            let calls = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            self.seen.push(calls.iter().map(|call| call["method"].as_str().unwrap().to_owned()).collect());
            let answers: Vec<String> = calls
                .iter()
                .map(|call| match self.answer(call) {
                    Ok(result) => format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{}}}"#, call["id"]),
                    Err((code, message)) => {
                        json!({"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": call["id"]})
                            .to_string()
                    }
                })
                .collect();
            let body = if body.is_array() { format!("[{}]", answers.join(",")) } else { answers[0].clone() };
            responses.push(Ok(Response { status: 200, headers: vec![], body: body.into_bytes() }));
        }
        responses
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, _message: &str) {}
}

/// A context with settings and nothing final.
pub(crate) fn context(settings: &str) -> Context {
    Context { settings: settings.to_owned(), now_ms: 0, attributes: vec![] }
}
