//! Contracts written to deceive, on a real node: forged `Swap` events publish nothing and stop nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::keccak256;
use chain_plugin_sdk::{self as sdk, Host, Level, Plugin};
use evm_plugin::Evm;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use system::anvil::{Anvil, installed};

const V2: &str = "Swap(address,uint256,uint256,uint256,uint256,address)";
const V3: &str = "Swap(address,address,int256,int256,uint160,uint128,int24)";
const TRANSFER: &str = "Transfer(address,address,uint256)";

/// What the plugin is lent: the node, over HTTP.
struct Lent {
    runtime: tokio::runtime::Handle,
    http: reqwest::Client,
    url: String,
    kept: HashMap<String, Vec<u8>>,
}

impl Host for Lent {
    fn send(&mut self, requests: Vec<sdk::Request>) -> Vec<Result<sdk::Response, sdk::UpstreamError>> {
        let ask = |request: sdk::Request| {
            let call = self.http.post(&self.url).header("content-type", "application/json");
            self.runtime.block_on(async {
                let answer = call.body(request.body.unwrap()).send().await.unwrap();
                Ok(sdk::Response { status: 200, headers: vec![], body: answer.bytes().await.unwrap().to_vec() })
            })
        };
        requests.into_iter().map(ask).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.kept.get(key).cloned()).collect()
    }

    fn keep(&mut self, facts: Vec<(String, Vec<u8>)>) {
        self.kept.extend(facts);
    }

    fn log(&mut self, _level: Level, _message: &str) {}
}

async fn scan(node: &Anvil, dollar: &str, height: u64) -> sdk::Block {
    let mut lent = Lent {
        runtime: tokio::runtime::Handle::current(),
        http: reqwest::Client::new(),
        url: node.url.clone(),
        kept: HashMap::new(),
    };
    let settings = json!({"stables": {dollar: 18}}).to_string();
    let context = sdk::Context { settings, now_ms: 0, attributes: vec![] };
    let span = sdk::Span { first: height, last: height };
    let scanned = tokio::task::spawn_blocking(move || Evm::scan(&mut lent, &context, span)).await.unwrap().unwrap();
    scanned.blocks.into_iter().next().unwrap()
}

/// Bytecode, put together instruction by instruction.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn push(self, bytes: &[u8]) -> Self {
        let code = 0x5f + u8::try_from(bytes.len()).unwrap();
        self.op(&[code]).op(bytes)
    }

    /// Stores a number at a place in memory.
    fn store(self, value: u128, place: u8) -> Self {
        self.push(&value.to_be_bytes()).push(&[place]).op(&[0x52])
    }

    /// Answers a call whose data begins with this selector with one word.
    fn answers(self, name: &str, address: &str) -> Self {
        let next = u8::try_from(self.0.len() + 45).unwrap();
        let word = hex::decode(address.trim_start_matches("0x")).unwrap();
        // CALLDATALOAD(0) >> 224 == selector, else on to the next.
        self.push(&[0])
            .op(&[0x35])
            .push(&[0xe0])
            .op(&[0x1c])
            .push(&keccak256(name)[..4])
            .op(&[0x14, 0x15])
            .push(&[next])
            .op(&[0x57])
            .push(&word)
            .push(&[0])
            .op(&[0x52])
            .push(&[0x20])
            .push(&[0])
            .op(&[0xf3])
            .op(&[0x5b])
    }

    /// Emits one event with the contract and its caller as indexed addresses, and `size` bytes of memory, so many times.
    fn emits(self, event: &str, size: u8, times: u16) -> Self {
        let code = self.push(&times.to_be_bytes());
        let start = u16::try_from(code.0.len()).unwrap();
        code.op(&[0x5b, 0x33, 0x30])
            .push(keccak256(event).as_slice())
            .push(&[size])
            .push(&[0])
            .op(&[0xa3])
            .push(&[1])
            .op(&[0x90, 0x03, 0x80])
            .push(&start.to_be_bytes())
            .op(&[0x57, 0x50])
    }

    /// The transaction's data that deploys it.
    fn deploying(self) -> String {
        let code = self.op(&[0x00]).0;
        let size = u16::try_from(code.len()).unwrap().to_be_bytes();
        // CODECOPY(0, 12, size); RETURN(0, size)
        let start = Code::default().push(&size).op(&[0x80]).push(&[12]).push(&[0]).op(&[0x39]).push(&[0]).op(&[0xf3]);
        assert_eq!(start.0.len(), 12);
        format!("0x{}{}", hex::encode(start.0), hex::encode(code))
    }
}

async fn deploy(node: &Anvil, from: &str, code: Code) -> String {
    let receipt = node.send(from, None, &code.deploying()).await.unwrap();
    receipt["contractAddress"].as_str().unwrap().to_owned()
}

/// The receipt of a transaction, once it is mined.
async fn mined(node: &Anvil, hash: &Value) -> Value {
    let asked = async {
        loop {
            let receipt = node.rpc("eth_getTransactionReceipt", json!([hash])).await.unwrap();
            if !receipt.is_null() {
                return receipt;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asked).await.expect("mined within a minute")
}

fn height(receipt: &Value) -> u64 {
    u64::from_str_radix(receipt["blockNumber"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn attribute(block: &sdk::Block, name: &str) -> u64 {
    let found = block.attributes.iter().find(|(key, _)| key == name);
    found.map_or(0, |(_, value)| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_swaps_publish_nothing_and_stop_nothing() {
    environment::install_crypto();
    let Some(folder) = installed() else {
        println!("skipped: no anvil; run cargo xtask anvil");
        return;
    };
    let node = Anvil::start(&folder).await.unwrap();
    let venues = node.deploy_venues().await.unwrap();
    let accounts = node.accounts().await.unwrap();
    let (forger, honest) = (accounts[4].clone(), accounts[1].clone());
    let pool = || {
        Code::default()
            .answers("token0()", &venues.dollar)
            .answers("token1()", &venues.token)
            .store(10_u128.pow(30), 0)
            .store(0, 32)
            .store(0, 64)
            .store(10_u128.pow(30), 96)
    };
    // Claims a fortune of real dollars, moves nothing; once, and in a loop of twenty thousand.
    for times in [1, 20_000] {
        let contract = deploy(&node, &forger, pool().emits(V2, 128, times)).await;
        let call = json!([{"from": forger, "to": contract, "gas": "0x5f5e100"}]);
        let hash = node.rpc("eth_sendTransaction", call).await.unwrap();
        let forged = mined(&node, &hash).await;
        assert_eq!(forged["status"], "0x1");
        let block = scan(&node, &venues.dollar, height(&forged)).await;
        assert!(block.trades.is_empty(), "{:?}", block.trades);
        assert_eq!(attribute(&block, "unbacked"), u64::from(times));
    }
    // The same in the words of V3.
    let contract = deploy(&node, &forger, pool().store(0, 128).emits(V3, 160, 3)).await;
    let forged = node.send(&forger, Some(&contract), "0x").await.unwrap();
    let block = scan(&node, &venues.dollar, height(&forged)).await;
    assert!(block.trades.is_empty());
    assert_eq!(attribute(&block, "unbacked"), 3);
    // A contract that is pool and token at once: it says that it moved itself, and that dollars moved.
    let both = pool().emits(TRANSFER, 32, 1).emits(V2, 128, 1);
    let contract = deploy(&node, &forger, both).await;
    let forged = node.send(&forger, Some(&contract), "0x").await.unwrap();
    let block = scan(&node, &venues.dollar, height(&forged)).await;
    assert!(block.trades.is_empty(), "{:?}", block.trades);
    // An honest swap in the same block as a forgery is found, and only it.
    let contract = deploy(&node, &forger, pool().emits(V2, 128, 50)).await;
    node.rpc("evm_setAutomine", json!([false])).await.unwrap();
    let forged =
        node.rpc("eth_sendTransaction", json!([{"from": forger, "to": contract, "gas": "0x989680"}])).await.unwrap();
    let swapping = node.swap_v2(&venues, &honest, [&venues.dollar, &venues.token], 10_u128.pow(18));
    let mining = async {
        let both = json!({"pending": "0x2", "queued": "0x0"});
        while node.rpc("txpool_status", json!([])).await.unwrap() != both {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        node.rpc("evm_mine", json!([])).await.unwrap();
    };
    let both = async { tokio::join!(swapping, mining) };
    let (swapped, ()) = tokio::time::timeout(Duration::from_mins(1), both).await.expect("both within a minute");
    let swapped = swapped.unwrap();
    let receipt = mined(&node, &forged).await;
    assert_eq!(height(&receipt), height(&swapped), "both stand in one block");
    let block = scan(&node, &venues.dollar, height(&swapped)).await;
    assert_eq!((block.trades.len(), attribute(&block, "unbacked")), (1, 50));
    assert_eq!(block.trades[0].trader.address, honest);
    assert_eq!(block.trades[0].legs[0].pool, venues.v2_pair);
}
