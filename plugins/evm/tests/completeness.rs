//! A node that lies: it leaves logs out, falls behind, shows another fork or another network. Over ten thousand blocks
//! every lie is found, the next endpoint heals it, and no lie looks like a reorg of the chain that is followed.
#![expect(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{hex, keccak256};
use chain_plugin_sdk::json::Cursor;
use chain_plugin_sdk::{Block, Context, Failure, Host, Level, Plugin, Request, Response, Span, UpstreamError};
use evm_plugin::rpc::{Header, Receipt};
use evm_plugin::{Evm, events, prove};
use serde_json::{Value, json};

const BLOCKS: u64 = 10_000;
const SPAN: u64 = 50;
const TRANSFER_TOPIC: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const SWAP: &str = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822";

fn hash(kind: &str, number: u64) -> String {
    hex::encode_prefixed(keccak256(format!("{kind} {number}")))
}

fn word(number: u64) -> String {
    format!("{number:064x}")
}

fn topic(address: &str) -> String {
    format!("0x{:0>64}", &address[2..])
}

/// One block of a branch: its header and receipts as texts, and its hash.
struct Made {
    header: Value,
    receipts: Vec<Value>,
    hash: String,
}

/// A block with two swaps, provable; `branch` makes it another one.
fn make(branch: &str, height: u64, parent: &str) -> Made {
    let address = |kind: &str| hash(kind, 0)[..42].to_owned();
    let (pool, user, one, two) = (address("pool"), address("user"), address("one"), address("two"));
    let mut receipts: Vec<Value> = (0..2_u64)
        .map(|index| {
            let (given, got) = (word(1_000 + height), word(2_000 + index));
            let log = |emitter: &str, topics: &[String], data: String| {
                json!({"address": emitter, "topics": topics, "data": format!("0x{data}"), "removed": false})
            };
            let zero = word(0);
            json!({
                "transactionHash": hash(branch, 10 * height + index), "transactionIndex": format!("{index:#x}"),
                "blockHash": "", "from": user, "to": pool, "status": "0x1", "type": "0x2",
                "cumulativeGasUsed": format!("{:#x}", 50_000 * (index + 1)), "logsBloom": format!("0x{}", "01".repeat(256)),
                "logs": [
                    log(&one, &[TRANSFER_TOPIC.to_owned(), topic(&user), topic(&pool)], given.clone()),
                    log(&two, &[TRANSFER_TOPIC.to_owned(), topic(&pool), topic(&user)], got.clone()),
                    log(&pool, &[SWAP.to_owned(), topic(&user), topic(&user)], format!("{given}{zero}{zero}{got}")),
                ],
            })
        })
        .collect();
    let text = Value::from(receipts.clone()).to_string();
    let read = Receipt::read_all(&mut Cursor::new(&text), events::table()).unwrap().unwrap();
    let root = hex::encode_prefixed(prove::receipts_root(&read).unwrap());
    let transactions: Vec<Value> = receipts.iter().map(|receipt| receipt["transactionHash"].clone()).collect();
    let mut header = json!({
        "hash": "", "parentHash": parent, "sha3Uncles": hash("uncles", 0), "miner": &hash(branch, 0)[..42],
        "stateRoot": hash(branch, height), "transactionsRoot": hash("transactions", height), "receiptsRoot": root,
        "logsBloom": format!("0x{}", "01".repeat(256)), "difficulty": "0x0", "number": format!("{height:#x}"),
        "gasLimit": "0x1c9c380", "gasUsed": "0x186a0", "timestamp": format!("{:#x}", 12 * height), "extraData": "0x",
        "mixHash": hash("mix", height), "nonce": "0x0000000000000000", "transactions": transactions,
    });
    let text = header.to_string();
    let read = Header::read(&mut Cursor::new(&text)).unwrap().unwrap();
    let hash = hex::encode_prefixed(prove::header_hash(&read).unwrap());
    header["hash"] = json!(hash);
    for receipt in &mut receipts {
        receipt["blockHash"] = json!(hash);
    }
    Made { header, receipts, hash }
}

/// What a request of the lying endpoint gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    MissingLog,
    StaleHead,
    OtherFork,
    OtherNetwork,
}

/// An endpoint; the seed tells when it lies.
struct Endpoint {
    lies: bool,
    state: u64,
    lies_given: Vec<Lie>,
    this: Option<Lie>,
    head: u64,
    requests: u64,
    kept: std::collections::BTreeMap<String, Vec<u8>>,
    /// The span that was asked last.
    shown: Option<(&'static str, u64, Vec<Made>)>,
}

impl Endpoint {
    fn new(lies: bool) -> Self {
        Self { lies, state: 7, lies_given: vec![], this: None, head: BLOCKS, requests: 0, kept: [].into(), shown: None }
    }

    fn block(&mut self, branch: &'static str, height: u64) -> &Made {
        let first = height - height % SPAN;
        if self.shown.as_ref().is_none_or(|(of, from, _)| (*of, *from) != (branch, first)) {
            self.shown = Some((branch, first, span_of(branch, first)));
        }
        &self.shown.as_ref().unwrap().2[usize::try_from(height % SPAN).unwrap()]
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
    }

    fn answer(&mut self, call: &Value) -> Value {
        let params = &call["params"];
        let height = || u64::from_str_radix(params[0].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let branch = match self.this {
            Some(Lie::OtherFork) => "fork",
            Some(Lie::OtherNetwork) => "network",
            _ => "main",
        };
        match call["method"].as_str().unwrap() {
            "eth_chainId" => json!("0x1"),
            "eth_getBlockByNumber" if matches!(params[0].as_str(), Some("latest" | "finalized")) => {
                let height = if params[0] == "latest" { self.head } else { self.head - 64 };
                self.block(branch, height).header.clone()
            }
            "eth_getBlockByNumber" | "eth_getBlockReceipts" => {
                let height = height();
                if self.this == Some(Lie::StaleHead) && height % SPAN >= SPAN / 2 {
                    return Value::Null;
                }
                let lie = self.this;
                let made = self.block(branch, height);
                if call["method"] == "eth_getBlockByNumber" {
                    return made.header.clone();
                }
                let mut receipts = made.receipts.clone();
                if lie == Some(Lie::MissingLog) && height.is_multiple_of(SPAN) {
                    receipts[1]["logs"].as_array_mut().unwrap().pop();
                }
                Value::from(receipts)
            }
            "eth_call" => {
                let token = |kind: &str| json!(topic(&hash(kind, 0)[..42]));
                match params[0]["data"].as_str().unwrap() {
                    "0x0dfe1681" => token("one"),
                    "0xd21220a7" => token("two"),
                    _ => json!(format!("0x{}", word(18))),
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// The blocks of a span, chained; the first names its parent by a text, so that a span can be made by itself.
fn span_of(branch: &'static str, first: u64) -> Vec<Made> {
    let mut parent = hash(branch, first);
    let mut made = vec![];
    for height in first..first + SPAN {
        let block = make(branch, height, &parent);
        parent.clone_from(&block.hash);
        made.push(block);
    }
    made
}

impl Host for Endpoint {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let mut responses = vec![];
        for request in requests {
            self.requests += 1;
            let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
            let calls = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            let of_blocks = calls.iter().any(|call| call["method"] == "eth_getBlockReceipts");
            self.this = None;
            if self.lies && of_blocks && self.draw().is_multiple_of(2) {
                let lies = [Lie::MissingLog, Lie::StaleHead, Lie::OtherFork, Lie::OtherNetwork];
                let lie = lies[usize::try_from(self.draw() % 4).unwrap()];
                self.this = Some(lie);
                self.lies_given.push(lie);
            }
            let answers: Vec<Value> =
                calls.iter().map(|call| json!({"id": call["id"], "result": self.answer(call)})).collect();
            let body = if body.is_array() { json!(answers) } else { answers[0].clone() };
            responses.push(Ok(Response { status: 200, headers: vec![], body: serde_json::to_vec(&body).unwrap() }));
        }
        responses
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}

fn scan(endpoint: &mut Endpoint, first: u64) -> Result<(Vec<Block>, u64), Failure> {
    let context = Context { settings: r#"{"max-span":100}"#.to_owned(), now_ms: 0, attributes: vec![] };
    let scanned = Evm::scan(endpoint, &context, Span { first, last: first + SPAN - 1 })?;
    Ok((scanned.blocks, scanned.through))
}

#[test]
fn every_lie_is_found_and_healed() {
    let mut liar = Endpoint::new(true);
    let mut honest = Endpoint::new(false);
    let mut by_lie = std::collections::BTreeMap::new();
    for first in (SPAN..BLOCKS + SPAN).step_by(usize::try_from(SPAN).unwrap()) {
        let before = liar.lies_given.len();
        let answer = scan(&mut liar, first);
        let lie = liar.lies_given[before..].first().copied();
        let truth = scan(&mut honest, first).unwrap();
        *by_lie.entry(format!("{lie:?}")).or_insert(0) += 1;
        match lie {
            None => assert_eq!(answer.as_ref(), Ok(&truth)),
            // The endpoint is charged, and another is asked.
            Some(Lie::MissingLog) => {
                assert!(matches!(&answer, Err(Failure::Elsewhere(why)) if why.contains("root")), "{first}: {answer:?}");
            }
            // What it has is right, and the host asks again for the rest.
            Some(Lie::StaleHead) => {
                let (blocks, through) = answer.unwrap();
                assert_eq!(through, first + SPAN / 2 - 1);
                assert_eq!(blocks[..], truth.0[..blocks.len()]);
            }
            // Whole and true by itself, so the plugin gives it with hash and parent: the parent is not the block that
            // the host has, and no height below finality ever moves for it.
            Some(Lie::OtherFork | Lie::OtherNetwork) => {
                let (blocks, _) = answer.unwrap();
                assert_ne!(blocks[0].parent, truth.0[0].parent, "{first}");
                assert!(blocks.iter().zip(&truth.0).all(|(other, own)| other.hash != own.hash));
            }
        }
        assert_eq!(truth.1, first + SPAN - 1);
    }
    println!("{by_lie:?}");
    assert!(by_lie.len() == 5 && by_lie.values().all(|count| *count > 10), "{by_lie:?}");
}

/// Proof included: a backfill needs few requests for its swaps, and a block near the head two, head and block.
#[test]
fn requests_are_few() {
    let mut node = Endpoint::new(false);
    let context = |finalized: u64| Context {
        settings: r#"{"max-span":50}"#.to_owned(),
        now_ms: 0,
        attributes: vec![
            ("finalized".to_owned(), finalized.to_string()),
            ("network".to_owned(), "eip155:1/0x".to_owned()),
        ],
    };
    let mut swaps = 0;
    for first in (0..2_000).step_by(50) {
        let scanned = Evm::scan(&mut node, &context(BLOCKS), Span { first, last: first + 49 }).unwrap();
        swaps += scanned.blocks.iter().map(|block| block.trades.len() as u64).sum::<u64>();
    }
    assert_eq!(swaps, 4_000);
    // 0.02 for each.
    assert!(node.requests * 50 <= swaps, "{} requests for {swaps} swaps", node.requests);
    let mut node = Endpoint::new(false);
    for height in 5_000..5_100 {
        node.head = height;
        let tip = Evm::head(&mut node, &context(0)).unwrap();
        let finalized = tip.finalized.unwrap().height;
        Evm::scan(&mut node, &context(finalized), Span { first: height, last: height }).unwrap();
    }
    // One more, once, for what the pool and its tokens say of themselves.
    assert_eq!(node.requests, 201);
}
