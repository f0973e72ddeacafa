//! Invented chains whose blocks hold nothing but swaps, one in each transaction, spelled as nodes spell them and provable.
//!
//! A swap is a receipt with four logs: two transfers, the pool's reserves, the swap. The same shape always gives the same
//! blocks, and shapes that differ in their branch alone give the same heights with other blocks.

use alloy_primitives::{Bloom, BloomInput};
use chain_plugin_sdk::Request;
use chain_plugin_sdk::json::Cursor;
use evm_plugin::rpc::{Header, Receipt};
use evm_plugin::{events, prove};
use nodes::replay::Node;
use serde_json::{Value, json};

/// Pools that swaps go to.
const POOLS: u64 = 20;

/// Which chain.
#[derive(Clone, Copy, Debug)]
pub struct DenseShape {
    /// A word that makes its blocks other than those of another.
    pub branch: &'static str,
    /// First height.
    pub first: u64,
    /// Last height.
    pub last: u64,
    /// Swaps in each block.
    pub swaps: u64,
}

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const SYNC: &str = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1";
const SWAP: &str = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822";

/// What one swap is about.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Hash of its transaction.
    pub transaction: String,
    /// Who sends it and gets what it buys.
    pub user: String,
    /// The token sold.
    pub sold: String,
    /// The token bought.
    pub bought: String,
    /// How much is sold, in its smallest unit.
    pub given: u128,
    /// How much is bought, in its smallest unit.
    pub got: u128,
    pool: String,
}

impl DenseShape {
    /// Every swap, the lowest height first.
    pub fn all(&self) -> impl Iterator<Item = Swap> {
        (self.first * self.swaps..(self.last + 1) * self.swaps).map(|number| self.swap(number))
    }

    fn swap(&self, number: u64) -> Swap {
        let [sold, bought] = [0, 1].map(|at| address("token", 2 * (number % POOLS) + at));
        Swap {
            transaction: hash(self.branch, number),
            user: address("user", number % 500),
            sold,
            bought,
            given: 1_000_000_000_000_000_000 + u128::from(number),
            got: 2_500_000_000 + u128::from(number),
            pool: address("pool", number % POOLS),
        }
    }
}

/// The chain.
#[derive(Clone, Debug)]
pub struct DenseChain {
    shape: DenseShape,
    /// Headers and receipts, as texts.
    blocks: Vec<(String, String)>,
}

impl DenseChain {
    /// Makes all blocks.
    pub fn new(shape: DenseShape) -> Self {
        Self::on(shape, hash("parent", 0))
    }

    /// Makes all blocks, on top of a block of another chain.
    pub fn on(shape: DenseShape, mut parent: String) -> Self {
        let mut blocks = vec![];
        for height in shape.first..=shape.last {
            let (header, receipts, hash) = block(&shape, height, &parent);
            parent = hash;
            blocks.push((header, receipts));
        }
        Self { shape, blocks }
    }

    /// Headers and receipts, lowest first, as a node answers them.
    pub fn blocks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.blocks.iter().map(|(header, receipts)| (header.as_str(), receipts.as_str()))
    }

    /// What a node would answer.
    pub fn answer(&self, request: &Request) -> Vec<u8> {
        let asked: Value =
            request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let calls = asked.as_array().cloned().unwrap_or_else(|| vec![asked.clone()]);
        let answers: Vec<String> = calls
            .iter()
            .map(|call| format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, call["id"], self.result(call)))
            .collect();
        if asked.is_array() { format!("[{}]", answers.join(",")) } else { answers.concat() }.into_bytes()
    }

    fn result(&self, call: &Value) -> String {
        let params = &call["params"];
        let block = || {
            let height = u64::from_str_radix(params[0].as_str()?.trim_start_matches("0x"), 16).ok()?;
            self.blocks.get(usize::try_from(height.checked_sub(self.shape.first)?).ok()?)
        };
        let text = match call["method"].as_str() {
            Some("eth_chainId") => Some(r#""0x1""#.to_owned()),
            Some("eth_getBlockByNumber") => block().map(|(header, _)| header.clone()),
            Some("eth_getBlockReceipts") => block().map(|(_, receipts)| receipts.clone()),
            Some("eth_call") => {
                let text = |name: &str| params[0][name].as_str().unwrap_or_default();
                contract_answer(text("to"), text("data")).map(|word| format!(r#""{word}""#))
            }
            _ => None,
        };
        text.unwrap_or_else(|| "null".to_owned())
    }
}

/// A node that serves an invented chain as the one of this id.
pub fn node(chain_id: u64, chain: &DenseChain) -> anyhow::Result<Node> {
    Node::invented(chain_id, chain.blocks(), contract_answer)
}

/// What pools and tokens of every such chain say of themselves.
pub fn contract_answer(to: &str, data: &str) -> Option<String> {
    let pool = || (0..POOLS).find(|pool| address("pool", *pool) == to);
    let word = |hex: &str| format!("0x{:0>64}", hex.trim_start_matches("0x"));
    Some(match data {
        "0x0dfe1681" => word(&address("token", 2 * pool()?)),
        "0xd21220a7" => word(&address("token", 2 * pool()? + 1)),
        "0xc45a0155" => word("5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f"),
        "0x95d89b41" => format!("0x{:064x}{:064x}{:0<64}", 32, 3, "544f4b"),
        "0x313ce567" => word("12"),
        _ => return None,
    })
}

fn address(kind: &str, number: u64) -> String {
    hash(kind, number)[..42].to_owned()
}

fn hash(kind: &str, number: u64) -> String {
    format!("{:#x}", alloy_primitives::keccak256(format!("{kind} {number}")))
}

/// A header and its receipts as texts, and the block's hash.
fn block(shape: &DenseShape, height: u64, parent: &str) -> (String, String, String) {
    let mut receipts: Vec<Value> = (0..shape.swaps).map(|index| receipt(shape, height, index)).collect();
    let root = {
        let text = Value::from(receipts.clone()).to_string();
        let read = Receipt::read_all(&mut Cursor::new(&text), events::table()).ok().flatten().unwrap_or_default();
        prove::receipts_root(&read).unwrap_or_default()
    };
    let zeros = |bytes: usize| format!("0x{}", "00".repeat(bytes));
    let mut transactions: Vec<Value> = (0..shape.swaps).map(|index| transaction(shape, height, index)).collect();
    let bloom = receipts.iter().fold(Bloom::ZERO, |all, receipt| all | bloom_of(&receipt["logs"]));
    let mut header = json!({
        "hash": zeros(32), "parentHash": parent, "sha3Uncles": hash("uncles", 0), "miner": address("miner", 0),
        "stateRoot": hash(shape.branch, height), "transactionsRoot": hash("transactions", height),
        "receiptsRoot": format!("{root:#x}"), "logsBloom": format!("{bloom:#x}"), "difficulty": "0x0",
        "number": format!("{height:#x}"), "gasLimit": "0x1c9c380", "gasUsed": "0x989680",
        "timestamp": format!("{:#x}", 1_700_000_000 + 12 * height), "extraData": "0x", "mixHash": hash("mix", height),
        "nonce": zeros(8), "baseFeePerGas": "0x7", "size": "0x5208", "uncles": [], "transactions": [],
    });
    let text = header.to_string();
    let read = Header::read(&mut Cursor::new(&text)).ok().flatten().unwrap_or_default();
    let hash = format!("{:#x}", prove::header_hash(&read).unwrap_or_default());
    header["hash"] = hash.as_str().into();
    for transaction in &mut transactions {
        transaction["blockHash"] = hash.as_str().into();
    }
    header["transactions"] = transactions.into();
    for receipt in &mut receipts {
        receipt["blockHash"] = hash.as_str().into();
        for log in receipt["logs"].as_array_mut().into_iter().flatten() {
            log["blockHash"] = hash.as_str().into();
        }
    }
    (header.to_string(), Value::from(receipts).to_string(), hash)
}

fn receipt(shape: &DenseShape, height: u64, index: u64) -> Value {
    let Swap { transaction, user, sold, bought, given, got, pool } = shape.swap(height * shape.swaps + index);
    let router = address("router", 0);
    let word = |raw: u128| format!("{raw:064x}");
    let topic = |address: &str| format!("0x{:0>64}", address.trim_start_matches("0x"));
    let logs = [
        (&sold, vec![TRANSFER.to_owned(), topic(&user), topic(&pool)], word(given)),
        (&bought, vec![TRANSFER.to_owned(), topic(&pool), topic(&user)], word(got)),
        (&pool, vec![SYNC.to_owned()], word(1 << 90) + &word(1 << 80)),
        (&pool, vec![SWAP.to_owned(), topic(&router), topic(&user)], word(given) + &word(0) + &word(0) + &word(got)),
    ];
    let spell = |(place, (emitter, topics, data)): (u64, &(&String, Vec<String>, String))| {
        json!({
            "address": emitter, "topics": topics, "data": format!("0x{data}"), "blockNumber": format!("{height:#x}"),
            "transactionHash": transaction, "transactionIndex": format!("{index:#x}"), "blockHash": "",
            "logIndex": format!("{:#x}", 4 * index + place), "removed": false,
        })
    };
    let logs: Value = (0..).zip(&logs).map(spell).collect();
    let bloom = bloom_of(&logs);
    json!({
        "blockHash": "", "blockNumber": format!("{height:#x}"), "contractAddress": null,
        "cumulativeGasUsed": format!("{:#x}", 100_000 * (index + 1)), "effectiveGasPrice": "0x3b9aca07", "from": user,
        "gasUsed": "0x186a0", "logs": logs, "logsBloom": format!("{bloom:#x}"), "status": "0x1", "to": router,
        "transactionHash": transaction, "transactionIndex": format!("{index:#x}"), "type": "0x2",
    })
}

/// The whole transaction, a call of a router that names amounts, path and receiver.
fn transaction(shape: &DenseShape, height: u64, index: u64) -> Value {
    let number = height * shape.swaps + index;
    let Swap { transaction, user, sold, bought, given, got, .. } = shape.swap(number);
    let padded = |address: &str| format!("{:0>64}", address.trim_start_matches("0x"));
    let words = [0xa0, u128::from(1_700_000_000 + 12 * height), 2].map(|word: u128| format!("{word:064x}"));
    let [offset, deadline, length] = &words;
    let input = format!(
        "0x38ed1739{given:064x}{got:064x}{offset}{}{deadline}{length}{}{}",
        padded(&user),
        padded(&sold),
        padded(&bought)
    );
    json!({
        "blockHash": "", "blockNumber": format!("{height:#x}"), "transactionIndex": format!("{index:#x}"),
        "hash": transaction, "from": user, "to": address("router", 0), "value": "0x0", "input": input,
        "nonce": format!("{:#x}", number / 500), "gas": "0x30d40", "gasPrice": "0x3b9aca07",
        "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3b9aca00", "type": "0x2", "chainId": "0x1",
        "accessList": [], "v": "0x0", "yParity": "0x0", "r": hash("r", number), "s": hash("s", number),
    })
}

/// The bloom of logs.
fn bloom_of(logs: &Value) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs.as_array().into_iter().flatten() {
        for part in log["topics"].as_array().into_iter().flatten().chain([&log["address"]]) {
            let bytes = part.as_str().and_then(|text| alloy_primitives::hex::decode(text).ok());
            bloom.accrue(BloomInput::Raw(&bytes.unwrap_or_default()));
        }
    }
    bloom
}
