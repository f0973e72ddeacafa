//! A node made of recorded blocks: answers a plugin's JSON-RPC from the recordings.
#![allow(clippy::allow_attributes, dead_code, reason = "each test uses its own part")]

use alloy_primitives::{U256, hex, keccak256};
use chain_plugin_sdk::{Context, Host, Level, Request, Response, UpstreamError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// `Transfer(address,address,uint256)`.
pub(crate) const TRANSFER_TOPIC: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// Reads one JSON file of the folder of recordings that may not be copied.
pub(crate) fn read_json(folder: &std::path::Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// Reads one JSON file of the recordings that the repository carries.
pub(crate) fn read_recording(name: &str) -> Value {
    serde_json::from_str(&recordings::read_text(name).unwrap()).unwrap()
}

/// What a pool answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolFacts {
    pub tokens: [Option<String>; 2],
}

/// The node, which is the plugin's whole host.
#[derive(Clone, Default)]
pub(crate) struct RecordedNode {
    pub chain_id: u64,
    /// By height: `{block, receipts}`.
    pub blocks: BTreeMap<u64, Value>,
    pub pools: BTreeMap<String, PoolFacts>,
    /// What `debug_traceTransaction` and `trace_transaction` give, by transaction.
    pub traces: BTreeMap<String, Value>,
    /// What other contracts return, by contract and call.
    pub returns: BTreeMap<(String, String), String>,
    /// Methods it does not know.
    pub lacks: Vec<&'static str>,
    /// Whether it takes a block's hash in place of its number.
    pub lacks_hashes: bool,
    /// Whether it gives hashes of transactions whatever it is asked.
    pub lacks_transactions: bool,
    /// What it does to receipts in their consensus encoding before it gives them.
    pub bend_raw: Option<fn(&mut Vec<String>)>,
    /// The HTTP status with which it refuses a whole request for a method that it lacks.
    pub refuses_with: Option<u16>,
    /// Below this height it has no state.
    pub oldest_state: u64,
    /// Every HTTP request, by the methods in it.
    pub requests: Vec<Vec<String>>,
    pub kept: BTreeMap<String, Vec<u8>>,
}

impl RecordedNode {
    /// All recorded blocks of one chain.
    pub(crate) fn of_chain(chain_id: u64) -> Self {
        let mut node = Self { chain_id, ..Self::default() };
        for name in recordings::names_in("evm/blocks").unwrap() {
            let Some(height) = name.strip_prefix(&format!("{chain_id}_")).and_then(|rest| rest.strip_suffix(".json"))
            else {
                continue;
            };
            node.blocks.insert(height.parse().unwrap(), read_recording(&format!("evm/blocks/{name}")));
        }
        node.know_pools("evm/blocks/pools_inferred.json");
        node
    }

    /// Lets it answer for the pools of a recorded list.
    pub(crate) fn know_pools(&mut self, recording: &str) {
        for pool in read_recording(recording).as_array().unwrap() {
            if pool["chainId"] == self.chain_id {
                let token = |name: &str| pool[name].as_str().map(str::to_owned);
                let facts = PoolFacts { tokens: [token("token0"), token("token1")] };
                self.pools.insert(pool["pool"].as_str().unwrap().to_owned(), facts);
            }
        }
        self.complete_pools();
    }

    /// Where only one token of a pool is known, the other is the one that moved with the pool most often.
    fn complete_pools(&mut self) {
        let mut moved: BTreeMap<(String, String), u32> = BTreeMap::new();
        for log in self.logs() {
            let topics = log["topics"].as_array().unwrap();
            if topics.len() != 3 || topics[0] != TRANSFER_TOPIC {
                continue;
            }
            for topic in &topics[1..] {
                let account = format!("0x{}", &topic.as_str().unwrap()[26..]);
                *moved.entry((account, log["address"].as_str().unwrap().to_owned())).or_default() += 1;
            }
        }
        for (pool, facts) in &mut self.pools {
            let known: Vec<String> = facts.tokens.iter().flatten().cloned().chain([pool.clone()]).collect();
            let other = moved
                .iter()
                .filter(|((account, token), _)| account == pool && !known.contains(token))
                .max_by_key(|(_, count)| **count)
                .map(|((_, token), _)| token.clone());
            for token in facts.tokens.iter_mut().filter(|token| token.is_none()) {
                token.clone_from(&other);
            }
        }
    }

    /// Every log of every block.
    pub(crate) fn logs(&self) -> Vec<Value> {
        let receipts = self.blocks.values().flat_map(|block| block["receipts"].as_array().unwrap());
        receipts.flat_map(|receipt| receipt["logs"].as_array().unwrap().clone()).collect()
    }

    /// How often a method was asked.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.requests.iter().flatten().filter(|asked| *asked == method).count()
    }

    fn answer(&self, call: &Value) -> Result<Value, (i64, String)> {
        let method = call["method"].as_str().unwrap();
        let params = &call["params"];
        if self.lacks.contains(&method) {
            return Err((-32601, format!("the method {method} does not exist/is not available")));
        }
        match method {
            "eth_chainId" => Ok(json!(format!("{:#x}", self.chain_id))),
            "eth_getBlockByNumber" => Ok(self.block(params[0].as_str().unwrap(), params[1] == true)),
            "eth_getBlockReceipts" => {
                Ok(self.at(params[0].as_str().unwrap()).map_or(Value::Null, |block| block["receipts"].clone()))
            }
            "debug_getRawReceipts" => {
                let Some(block) = self.at(params[0].as_str().unwrap()) else { return Ok(Value::Null) };
                let mut raw = recordings::raw_receipts(block["receipts"].as_array().unwrap()).unwrap();
                self.bend_raw.into_iter().for_each(|bend| bend(&mut raw));
                Ok(json!(raw))
            }
            "eth_getTransactionReceipt" => {
                let receipts = self.blocks.values().flat_map(|block| block["receipts"].as_array().unwrap());
                let mut receipts = receipts.filter(|receipt| receipt["transactionHash"] == params[0]);
                Ok(receipts.next().cloned().unwrap_or(Value::Null))
            }
            "debug_traceTransaction" | "trace_transaction" if !self.traces.is_empty() => {
                Ok(self.traces[params[0].as_str().unwrap()].clone())
            }
            "eth_call" => self.call(params),
            "eth_getLogs" => Ok(self.key(params[0]["topics"][1].as_str().unwrap()).into_iter().collect()),
            _ => Err((-32601, format!("the method {method} does not exist/is not available"))),
        }
    }

    fn at(&self, tag: &str) -> Option<&Value> {
        match tag {
            "latest" => self.blocks.values().next_back(),
            "finalized" => self.blocks.values().next(),
            number => self.blocks.get(&u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap()),
        }
    }

    fn block(&self, tag: &str, is_whole: bool) -> Value {
        if tag == "0x0" {
            return json!({"number": "0x0", "hash": format!("0x{}", "ab".repeat(32))});
        }
        let Some(recorded) = self.at(tag) else { return Value::Null };
        let mut block = recorded["block"].clone();
        if let Some(transactions) = block["transactions"].as_array().filter(|_| !is_whole || self.lacks_transactions) {
            block["transactions"] = transactions.iter().map(|transaction| transaction["hash"].clone()).collect();
        }
        block
    }

    /// The event of a V4 pool's beginning, which no recording has: its key is found by trying the tokens that moved beside
    /// its swaps, and is the right one, since its hash is the pool's id.
    fn key(&self, id: &str) -> Option<Value> {
        let receipts = self.blocks.values().flat_map(|block| block["receipts"].as_array().unwrap());
        let of = |receipt: &&Value| receipt["logs"].as_array().unwrap().iter().any(|log| log["topics"][1] == id);
        let receipts: Vec<&Value> = receipts.filter(of).collect();
        let swap = receipts.first()?["logs"].as_array()?.iter().find(|log| log["topics"][1] == id)?;
        let fee = word(&swap["data"].as_str()?[2 + 5 * 64..]);
        let logs = receipts.iter().flat_map(|receipt| receipt["logs"].as_array().unwrap());
        let mut tokens: Vec<[u8; 32]> = logs
            .filter_map(|log| log["address"].as_str())
            .map(|address| word(&address[2..]))
            .chain([[0; 32]])
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        let spacings = [1_u64, 2, 5, 10, 20, 30, 50, 60, 100, 120, 200, 400, 1_000, 2_000];
        let wanted = word(&id[2..]);
        for spacing in spacings.map(|spacing| U256::from(spacing).to_be_bytes::<32>()) {
            for (at, first) in tokens.iter().enumerate() {
                for second in &tokens[at + 1..] {
                    if keccak256([*first, *second, fee, spacing, [0; 32]].concat()).0 == wanted {
                        let data = hex::encode_prefixed([fee, spacing, [0; 32], [1; 32], [0; 32]].concat());
                        let topics = [wanted, wanted, *first, *second].map(hex::encode_prefixed);
                        return Some(json!({"address": swap["address"], "topics": topics, "data": data}));
                    }
                }
            }
        }
        None
    }

    fn call(&self, params: &Value) -> Result<Value, (i64, String)> {
        if params[1].is_object() {
            if self.lacks_hashes {
                return Err((-32602, "invalid argument 1: cannot unmarshal object into string".into()));
            }
            let known = self.blocks.values().any(|block| block["block"]["hash"] == params[1]["blockHash"]);
            assert!(known, "asked at a block that was never given: {params}");
        }
        let height = params[1].as_str().and_then(|tag| u64::from_str_radix(tag.trim_start_matches("0x"), 16).ok());
        if height.is_some_and(|height| height < self.oldest_state) {
            return Err((-32000, "missing trie node 12ab (path )".to_owned()));
        }
        let reverted = || (3, "execution reverted".to_owned());
        let to = params[0]["to"].as_str().unwrap();
        let tokens = self.pools.get(to).map(|facts| facts.tokens.clone());
        let token = |at: usize| tokens.clone().and_then(|tokens| tokens[at].clone());
        let address = |text: String| json!(format!("0x{}{}", "0".repeat(24), &text[2..]));
        match params[0]["data"].as_str().unwrap() {
            "0x0dfe1681" => token(0).map(address).ok_or_else(reverted),
            "0xd21220a7" => token(1).map(address).ok_or_else(reverted),
            "0x313ce567" => Ok(json!(format!("0x{:064x}", 18))),
            "0x95d89b41" => Ok(json!(format!("0x{:064x}{:064x}{:0<64}", 32, 3, "544f4b"))),
            data => {
                let returned = self.returns.get(&(to.to_owned(), data.to_owned()));
                returned.map(|returned| json!(returned)).ok_or_else(reverted)
            }
        }
    }
}

impl Host for RecordedNode {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let mut responses = vec![];
        for request in requests {
            let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
            let calls = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            assert_eq!(request.weight as usize, calls.len());
            let methods: Vec<String> = calls.iter().map(|call| call["method"].as_str().unwrap().to_owned()).collect();
            let refusal =
                self.refuses_with.filter(|_| methods.iter().any(|method| self.lacks.contains(&method.as_str())));
            self.requests.push(methods);
            if let Some(status) = refusal {
                let body = b"this method is not part of your plan".to_vec();
                responses.push(Ok(Response { status, headers: vec![], body }));
                continue;
            }
            let answers: Vec<Value> = calls
                .iter()
                .map(|call| match self.answer(call) {
                    Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
                    Err((code, message)) => {
                        json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}})
                    }
                })
                .collect();
            let body = if body.is_array() { json!(answers) } else { answers[0].clone() };
            responses.push(Ok(Response { status: 200, headers: vec![], body: serde_json::to_vec(&body).unwrap() }));
        }
        responses
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        assert!(facts.iter().all(|(_, fact)| !fact.is_empty()));
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}

/// For each contract that gave and got two tokens in a transaction: those, in the order that pools keep them.
pub(crate) fn pools_of(receipt: &Value) -> BTreeMap<String, PoolFacts> {
    let mut moved: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for log in receipt["logs"].as_array().unwrap() {
        let topics = log["topics"].as_array().unwrap();
        if topics.len() == 3 && topics[0] == TRANSFER_TOPIC {
            for party in &topics[1..] {
                let account = format!("0x{}", &party.as_str().unwrap()[26..]);
                moved.entry(account).or_default().insert(log["address"].as_str().unwrap().to_lowercase());
            }
        }
    }
    let facts = |tokens: BTreeSet<String>| {
        let tokens: Vec<String> = tokens.into_iter().collect();
        let [first, second] = &tokens[..] else { return None };
        Some(PoolFacts { tokens: [Some(first.clone()), Some(second.clone())] })
    };
    moved.into_iter().filter_map(|(pool, tokens)| Some((pool, facts(tokens)?))).collect()
}

/// A context in which the host says what is final, and which endpoint answers.
pub(crate) fn context_in_history(settings: &str, finalized: u64, endpoint: u64) -> Context {
    let attributes = [("finalized", finalized), ("endpoint", endpoint)];
    let attributes = attributes.map(|(name, number)| (name.to_owned(), number.to_string())).to_vec();
    Context { attributes, ..context(settings) }
}

/// A context with settings and nothing final.
pub(crate) fn context(settings: &str) -> Context {
    Context { settings: settings.to_owned(), now_ms: 0, attributes: vec![] }
}

/// Hex digits as a word, zeros in front.
fn word(digits: &str) -> [u8; 32] {
    U256::from_str_radix(&digits[..digits.len().min(64)], 16).unwrap().to_be_bytes()
}
