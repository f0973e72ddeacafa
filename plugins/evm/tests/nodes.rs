//! Nodes that refuse, are late, have holes or write numbers in their own way: what they say is read or asked for
//! elsewhere, and nothing of it stops a chain or bends a trade.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{
    Block, Context, Failure, Host, Level, Plugin, Request, Response, Side, Span, Tip, Uint256, UpstreamError,
};
use evm_plugin::Evm;
use node::{RecordedNode, context};
use serde_json::{Value, json};

const HEIGHT: u64 = 18_000_000;

/// A recorded node that answers some calls in another way.
struct BentNode<F> {
    node: RecordedNode,
    bend: F,
    /// Every call.
    calls: Vec<Value>,
    lines: Vec<String>,
}

fn error(code: i64, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

fn result(value: impl Into<Value>) -> Value {
    json!({"result": value.into()})
}

impl<F: FnMut(&Value) -> Option<Value>> BentNode<F> {
    fn new(bend: F) -> Self {
        Self { node: RecordedNode::of_chain(1), bend, calls: vec![], lines: vec![] }
    }

    fn scan(&mut self, settings: &str, first: u64, last: u64) -> Result<Vec<Block>, Failure> {
        Evm::scan(self, &context(settings), Span { first, last }).map(|scanned| scanned.blocks)
    }

    /// Scans the block as one that is final.
    fn scan_final(&mut self, height: u64) -> Result<Vec<Block>, Failure> {
        let attributes = vec![("finalized".to_owned(), height.to_string())];
        let context = Context { attributes, ..context("{}") };
        Evm::scan(self, &context, Span { first: height, last: height }).map(|scanned| scanned.blocks)
    }

    fn asked(&self, method: &str) -> usize {
        self.calls.iter().filter(|call| call["method"] == method).count()
    }
}

impl<F: FnMut(&Value) -> Option<Value>> Host for BentNode<F> {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let mut responses = vec![];
        for request in requests {
            let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
            let calls = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            let mut answers = vec![];
            for call in calls {
                self.calls.push(call.clone());
                let mut answer = (self.bend)(&call).unwrap_or_else(|| {
                    let body = Some(serde_json::to_vec(&call).unwrap());
                    let request = Request { path: String::new(), headers: vec![], body, weight: 1 };
                    let response = self.node.send(vec![request]).remove(0).unwrap();
                    serde_json::from_slice(&response.body).unwrap()
                });
                answer["id"] = call["id"].clone();
                answers.push(answer);
            }
            let body = if body.is_array() { json!(answers) } else { answers[0].clone() };
            responses.push(Ok(Response { status: 200, headers: vec![], body: serde_json::to_vec(&body).unwrap() }));
        }
        responses
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        self.node.recall(keys)
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.node.keep(facts);
    }

    fn log(&mut self, _level: Level, message: &str) {
        self.lines.push(message.to_owned());
    }
}

fn truth() -> Vec<Block> {
    BentNode::new(|_| None).scan("{}", HEIGHT, HEIGHT).unwrap()
}

fn is_call(call: &Value, data: &str) -> bool {
    call["method"] == "eth_call" && call["params"][0]["data"] == data
}

fn sides(blocks: &[Block]) -> impl Iterator<Item = &Side> {
    blocks.iter().flat_map(|block| &block.trades).flat_map(|trade| [&trade.sold, &trade.bought])
}

/// What was sold and bought, without what tokens say of themselves.
fn raws(blocks: &[Block]) -> Vec<(String, Uint256)> {
    sides(blocks).map(|side| (side.asset.clone(), side.raw)).collect()
}

fn is_elsewhere<T>(result: &Result<T, Failure>, words: &str) -> bool {
    matches!(result, Err(Failure::Elsewhere(why)) if why.contains(words))
}

#[test]
fn a_token_that_cannot_say_its_decimals_stops_nothing() {
    let truth = raws(&truth());
    assert!(!truth.is_empty());
    for (code, message) in [
        (-32003, "EVM error: InvalidJump"),
        (-32003, "EVM error: InvalidFEOpcode"),
        (-32000, "something nobody has heard of"),
        (-32603, "Internal error"),
        (-32000, "execution aborted (timeout = 5s)"),
    ] {
        let mut bent = BentNode::new(|call| is_call(call, "0x313ce567").then(|| error(code, message)));
        let blocks = bent.scan("{}", HEIGHT, HEIGHT).unwrap();
        assert_eq!(raws(&blocks), truth, "{message}");
        assert!(sides(&blocks).any(|side| side.decimals.is_none() && side.symbol.is_some()), "{message}");
    }
}

#[test]
fn what_was_not_served_is_not_kept() {
    let mut bent = BentNode::new(|call| is_call(call, "0x313ce567").then(|| error(-32603, "Internal error")));
    bent.scan_final(HEIGHT).unwrap();
    assert!(bent.node.kept.keys().any(|key| key.starts_with("pool/")));
    assert!(!bent.node.kept.keys().any(|key| key.starts_with("token/")), "their decimals are not known yet");
    assert!(bent.lines.iter().any(|line| line.contains("goes without")), "{:?}", bent.lines);
}

#[test]
fn a_limit_is_not_a_contracts_answer() {
    for data in ["0x313ce567", "0x0dfe1681"] {
        let mut bent = BentNode::new(|call| is_call(call, data).then(|| error(-32005, "rate limit exceeded")));
        let refused = bent.scan("{}", HEIGHT, HEIGHT);
        assert!(matches!(&refused, Err(Failure::Retry(_))), "{refused:?}");
    }
    let mut bent = BentNode::new(|call| is_call(call, "0x0dfe1681").then(|| error(-32603, "Internal error")));
    let refused = bent.scan("{}", HEIGHT, HEIGHT);
    assert!(is_elsewhere(&refused, "Internal error"), "{refused:?}");
}

#[test]
fn a_call_refused_for_its_gas_is_asked_without() {
    for message in ["out of gas", "call gas limit exceeds the maximum", "EVM error: OutOfGas(Basic)"] {
        let mut bent = BentNode::new(|call| {
            let has_gas = call["method"] == "eth_call" && call["params"][0]["gas"].is_string();
            has_gas.then(|| error(-32000, message))
        });
        assert_eq!(bent.scan("{}", HEIGHT, HEIGHT).unwrap(), truth(), "{message}");
    }
    let mut bent = BentNode::new(|call| (call["method"] == "eth_call").then(|| error(-32000, "out of gas")));
    assert!(bent.scan("{}", HEIGHT, HEIGHT).is_ok(), "an endless loop is no pool");
}

#[test]
fn receipts_refused_for_one_block_are_asked_singly() {
    let truth = truth();
    for (code, message) in
        [(-32000, "failed to find transaction in block"), (-32603, "receipts length mismatch: 1 vs 0")]
    {
        let refuse = |call: &Value| (call["method"] == "eth_getBlockReceipts").then(|| error(code, message));
        assert_eq!(BentNode::new(refuse).scan("{}", HEIGHT, HEIGHT).unwrap(), truth, "{message}");
        let mut both = BentNode::new(|call| match call["method"].as_str().unwrap() {
            "eth_getBlockReceipts" | "eth_getTransactionReceipt" => Some(error(code, message)),
            _ => None,
        });
        let refused = both.scan("{}", HEIGHT, HEIGHT);
        assert!(is_elsewhere(&refused, message), "{refused:?}");
    }
    let mut limited =
        BentNode::new(|call| (call["method"] == "eth_getBlockReceipts").then(|| error(-32005, "rate limit exceeded")));
    assert!(matches!(limited.scan("{}", HEIGHT, HEIGHT), Err(Failure::Retry(_))));
    assert_eq!(limited.asked("eth_getTransactionReceipt"), 0, "a limit is not met with more calls");
}

#[test]
fn an_old_block_without_receipts_is_asked_singly() {
    let mut bent = BentNode::new(|call| (call["method"] == "eth_getBlockReceipts").then(|| result(Value::Null)));
    let late = bent.scan("{}", HEIGHT, HEIGHT);
    assert!(is_elsewhere(&late, "not its receipts"), "{late:?}");
    assert_eq!(raws(&bent.scan_final(HEIGHT).unwrap()), raws(&truth()));
}

#[test]
fn a_hole_is_not_waited_for() {
    let nothing_at =
        |height: u64| move |call: &Value| (call["params"][0] == format!("{height:#x}")).then(|| result(Value::Null));
    // The endpoint shows later blocks.
    let refused = BentNode::new(nothing_at(14_000_000)).scan("{}", 14_000_000, 14_000_002);
    assert!(is_elsewhere(&refused, "14000000"), "{refused:?}");
    assert_eq!(BentNode::new(nothing_at(14_000_001)).scan("{}", 14_000_000, 14_000_002).unwrap().len(), 1);
    // It is final.
    let mut bent = BentNode::new(nothing_at(HEIGHT));
    assert_eq!(bent.scan("{}", HEIGHT, HEIGHT), Err(Failure::NotYet(HEIGHT)));
    let refused = bent.scan_final(HEIGHT);
    assert!(is_elsewhere(&refused, "final"), "{refused:?}");
}

/// The recorded block, changed.
fn changed(settings: &str, change: impl Fn(&mut Value)) -> Result<Vec<Block>, Failure> {
    let mut bent = BentNode::new(|_| None);
    change(bent.node.blocks.get_mut(&HEIGHT).unwrap());
    bent.scan(settings, HEIGHT, HEIGHT)
}

#[test]
fn numbers_with_leading_zeros_are_numbers() {
    let pad = |value: &mut Value| {
        if let Some(digits) = value.as_str().and_then(|text| text.strip_prefix("0x")) {
            *value = json!(format!("0x000{digits}"));
        }
    };
    let blocks = changed("{}", |block| {
        for name in ["number", "timestamp", "gasUsed", "gasLimit", "difficulty", "baseFeePerGas"] {
            pad(&mut block["block"][name]);
        }
        for receipt in block["receipts"].as_array_mut().unwrap() {
            for name in ["status", "type", "cumulativeGasUsed", "transactionIndex"] {
                pad(&mut receipt[name]);
            }
        }
    });
    assert_eq!(blocks.unwrap(), truth());
    let word = changed(r#"{"verify":"none"}"#, |block| block["receipts"][0]["status"] = json!("success"));
    assert!(is_elsewhere(&word, "status"), "{word:?}");
}

/// A failed transaction has no logs, so logs without status and root are of one that took effect; the proof needs one.
#[test]
fn receipts_without_status_and_root_are_read_where_nothing_is_proved() {
    let strip = |block: &mut Value| {
        for receipt in block["receipts"].as_array_mut().unwrap() {
            receipt["status"] = Value::Null;
        }
    };
    assert_eq!(raws(&changed(r#"{"verify":"none"}"#, strip).unwrap()), raws(&truth()));
    let refused = changed("{}", strip);
    assert!(is_elsewhere(&refused, "cannot be read"), "{refused:?}");
}

#[test]
fn a_wrong_bloom_of_a_receipt_is_made_anew() {
    for bloom in [json!(format!("0x{}", "00".repeat(256))), json!(format!("0x{}", "ff".repeat(256))), Value::Null] {
        let blocks = changed("{}", |block| {
            for receipt in block["receipts"].as_array_mut().unwrap() {
                receipt["logsBloom"] = bloom.clone();
            }
        });
        assert_eq!(blocks.unwrap(), truth(), "{bloom}");
    }
}

#[test]
fn a_block_without_transactions_is_empty_whatever_its_bloom() {
    let empty = |receipts: Value| {
        changed(r#"{"verify":"hint"}"#, |block| {
            block["block"]["transactions"] = json!([]);
            block["receipts"] = receipts.clone();
        })
    };
    for receipts in [json!([]), Value::Null] {
        assert!(empty(receipts).unwrap()[0].trades.is_empty());
    }
    let one = BentNode::new(|_| None).node.blocks[&HEIGHT]["receipts"][0].clone();
    let refused = empty(json!([one]));
    assert!(is_elsewhere(&refused, "has 0 transactions"), "{refused:?}");
    let full = changed(r#"{"verify":"hint"}"#, |block| {
        block["block"]["logsBloom"] = json!(format!("0x{}", "ff".repeat(256)));
        for receipt in block["receipts"].as_array_mut().unwrap() {
            receipt["logs"] = json!([]);
        }
    });
    assert!(full.is_ok(), "a full bloom says nothing");
}

#[test]
fn too_few_or_too_many_receipts_are_named() {
    for mode in ["receipts", "hint", "none"] {
        let settings = format!(r#"{{"verify":"{mode}"}}"#);
        let fewer = changed(&settings, |block| drop(block["receipts"].as_array_mut().unwrap().pop()));
        assert!(is_elsewhere(&fewer, "the endpoint gave"), "{fewer:?}");
        let more = changed(&settings, |block| {
            let receipts = block["receipts"].as_array_mut().unwrap();
            receipts.push(receipts[0].clone());
        });
        assert!(is_elsewhere(&more, "the endpoint gave"), "{more:?}");
    }
}

/// A block of Celo: its one transaction pays its fee in another currency (CIP-64), and its receipt ends with a base fee.
#[test]
fn celos_receipts_are_proved() {
    let recorded: Value = serde_json::from_str(include_str!("support/celo-0x7b.json")).unwrap();
    let mut bent = BentNode::new(|_| None);
    bent.node = RecordedNode { chain_id: 42_220, ..RecordedNode::default() };
    bent.node.blocks.insert(100, recorded);
    let blocks = bent.scan("{}", 100, 100).unwrap();
    assert_eq!(blocks[0].attributes[0], ("proof".to_owned(), "receipts".to_owned()));
    bent.node.blocks.get_mut(&100).unwrap()["receipts"][0]["baseFee"] = json!("0x1");
    let forged = bent.scan("{}", 100, 100);
    assert!(is_elsewhere(&forged, "root"), "{forged:?}");
}

fn head(bent: &mut impl Host, network: Option<&str>) -> Result<Tip, Failure> {
    let attributes = network.map(|network| ("network".to_owned(), network.to_owned()));
    Evm::head(bent, &Context { attributes: attributes.into_iter().collect(), ..context("{}") })
}

#[test]
fn an_endpoint_without_a_first_block_is_of_the_same_network() {
    let whole = format!("eip155:1/0x{}", "ab".repeat(32));
    for nothing in [result(Value::Null), error(-32000, "history pruned")] {
        let mut bent = BentNode::new(|call| (call["params"][0] == "0x0").then(|| nothing.clone()));
        assert_eq!(head(&mut bent, None).unwrap().network, "eip155:1", "nobody has told of a first block");
        assert_eq!(head(&mut bent, Some(&whole)).unwrap().network, whole, "the tape knows it");
        assert_eq!(head(&mut bent, Some("eip155:11/0x12")).unwrap().network, "eip155:1");
        // Another endpoint told.
        let mut other = BentNode::new(|_| None);
        assert_eq!(head(&mut other, None).unwrap().network, whole);
        bent.node.kept = other.node.kept.clone();
        assert_eq!(head(&mut bent, None).unwrap().network, whole);
        // The tape began without.
        assert_eq!(head(&mut other, Some("eip155:1")).unwrap().network, "eip155:1");
    }
    let mut limited = BentNode::new(|call| (call["params"][0] == "0x0").then(|| error(429, "slow down")));
    assert!(matches!(head(&mut limited, None), Err(Failure::Retry(_))));
}

/// The range of an `eth_getLogs`, first and last block.
fn range_of_logs(call: &Value) -> Option<[u64; 2]> {
    let number = |name: &str| {
        u64::from_str_radix(call["params"][0][name].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    (call["method"] == "eth_getLogs").then(|| ["fromBlock", "toBlock"].map(number))
}

/// A block with V4 swaps whose keys the recorded node can tell.
fn v4_block() -> (u64, Vec<Block>) {
    let heights: Vec<u64> = RecordedNode::of_chain(1).blocks.into_keys().collect();
    let scan = |height: u64| {
        let blocks = BentNode::new(|_| None).scan("{}", height, height).unwrap();
        let legs = blocks.iter().flat_map(|block| &block.trades).flat_map(|trade| &trade.legs);
        (legs.filter(|leg| leg.venue == "uniswap-v4").count() > 0).then_some((height, blocks.clone()))
    };
    heights.into_iter().rev().find_map(scan).unwrap()
}

#[test]
fn a_v4_key_is_looked_for_behind_a_limit_on_logs() {
    let (height, truth) = v4_block();
    for (limit, depth, words) in [
        (10, 45, "range 102 exceeds limit of 10"),
        (10_000, 70_000, "eth_getLogs is limited to a 10,000 blocks range"),
        (2_000, 30_000, "block range is too wide, up to 2k blocks"),
        (1_000, 9_000, "query exceeds the limit, please narrow it"),
    ] {
        let mut bent = BentNode::new(|call| {
            let [first, last] = range_of_logs(call)?;
            let born = height - depth;
            match last - first + 1 {
                blocks if blocks > limit => Some(error(-32602, words)),
                _ if (first..=last).contains(&born) => None,
                _ => Some(result(json!([]))),
            }
        });
        assert_eq!(bent.scan("{}", height, height).unwrap(), truth, "{words}");
    }
}

#[test]
fn a_v4_key_that_nobody_tells_is_no_missing_pool() {
    let (height, truth) = v4_block();
    for (code, words) in [(-32602, "range 102 exceeds limit of 10"), (-32601, "the method eth_getLogs does not exist")]
    {
        let mut bent = BentNode::new(|call| range_of_logs(call).map(|_| error(code, words)));
        let refused = bent.scan("{}", height, height);
        assert!(is_elsewhere(&refused, "the key of the pool"), "{refused:?}");
        assert!(bent.asked("eth_getLogs") < 1_000, "the search is bounded");
    }
    // No such event in all logs: that is an answer, and the swaps are of no pool.
    let mut bent = BentNode::new(|call| range_of_logs(call).map(|_| result(json!([]))));
    assert!(raws(&bent.scan("{}", height, height).unwrap()).len() <= raws(&truth).len());
    let mut limited = BentNode::new(|call| range_of_logs(call).map(|_| error(-32005, "rate limit exceeded")));
    assert!(matches!(limited.scan("{}", height, height), Err(Failure::Retry(_))));
}
