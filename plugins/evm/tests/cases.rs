//! Invented transactions of kinds that were once told wrongly, served as a node would and held against the right trades.
#![expect(clippy::unwrap_used, reason = "tests")]

use chain_plugin_sdk::{Context, Host, Level, Plugin, Request, Response, Span, Trade, UpstreamError};
use evm_plugin::Evm;
use serde_json::{Value, json};

/// A node that knows the blocks of one file, and what its contracts answer.
struct CaseNode(Value);

impl CaseNode {
    fn read(name: &str) -> Self {
        let path = format!("{}/tests/cases/{name}.json", env!("CARGO_MANIFEST_DIR"));
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    fn block(&self, number: &Value) -> Value {
        let mut blocks = self.0["blocks"].as_array().unwrap().iter();
        blocks.find(|block| block["block"]["number"] == *number).cloned().unwrap_or_default()
    }

    fn answer(&self, call: &Value) -> Value {
        let params = &call["params"];
        match call["method"].as_str().unwrap() {
            "eth_chainId" => json!(format!("{:#x}", self.0["chainId"].as_u64().unwrap())),
            "eth_getBlockByNumber" => self.block(&params[0])["block"].clone(),
            "eth_getBlockReceipts" => self.block(&params[0])["receipts"].clone(),
            "eth_call" => {
                let key = format!("{}:{}", params[0]["to"].as_str().unwrap(), params[0]["data"].as_str().unwrap());
                self.0["calls"].get(key).cloned().unwrap_or(json!("0x"))
            }
            "eth_getLogs" => json!([]),
            other => panic!("{other} is not asked here"),
        }
    }
}

impl Host for CaseNode {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let answer_one = |call: &Value| json!({"jsonrpc": "2.0", "id": call["id"], "result": self.answer(call)});
        let respond = |request: Request| {
            let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
            let answer = match body.as_array() {
                Some(calls) => json!(calls.iter().map(answer_one).collect::<Vec<_>>()),
                None => answer_one(&body),
            };
            Ok(Response { status: 200, headers: vec![], body: serde_json::to_vec(&answer).unwrap() })
        };
        requests.into_iter().map(respond).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, _message: &str) {}
}

/// The trades of all blocks of a case, under the default settings: every block is proved.
fn trades(name: &str) -> Vec<Trade> {
    let mut node = CaseNode::read(name);
    let last = 99 + node.0["blocks"].as_array().unwrap().len() as u64;
    let context = Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
    let scanned = Evm::scan(&mut node, &context, Span { first: 100, last }).unwrap();
    scanned.blocks.into_iter().flat_map(|block| block.trades).collect()
}

/// Two tokens and a pool of one attacker say that a bystander paid and got: it is no trade of the bystander's.
#[test]
fn forged_transfers_make_nobody_a_trader() {
    for trade in trades("forged-transfers") {
        assert_eq!(trade.trader.address, trade.transaction.sender, "{trade:?}");
    }
}

/// Who traded what for what, in short.
fn exchanges(name: &str) -> Vec<(String, String, [String; 2], [String; 2])> {
    let side = |side: &chain_plugin_sdk::Side| {
        [side.asset[..8].to_owned(), chain_plugin_sdk::amount::from_uint256(side.raw).to_string()]
    };
    let short =
        |of: Trade| (of.trader.address[..8].to_owned(), of.trader.evidence.clone(), side(&of.sold), side(&of.bought));
    trades(name).into_iter().map(short).collect()
}

fn exchange(
    trader: &str,
    evidence: &str,
    sold: [&str; 2],
    bought: [&str; 2],
) -> (String, String, [String; 2], [String; 2]) {
    (trader.to_owned(), evidence.to_owned(), sold.map(str::to_owned), bought.map(str::to_owned))
}

/// An account with code of its own, and a Safe, carried out and paid for by somebody else.
#[test]
fn the_account_that_was_called_traded() {
    for name in ["account-that-was-called", "safe-that-was-called"] {
        let right = exchange("0x1ec2cf", "token-flow", ["0xa0b869", "900000000"], ["0xc02aaa", "300000000000000000"]);
        assert_eq!(exchanges(name), [right], "{name}");
    }
}

/// A boosted pool of Balancer: what was wrapped on the way is the way.
#[test]
fn wrappers_on_the_way_are_the_way() {
    let right = exchange("0x70fcd7", "tx-sender", ["0xa0b869", "1000000000"], ["0x40d16f", "999100000000000000000"]);
    assert_eq!(exchanges("boosted-pool"), [right]);
    assert!(trades("boosted-pool").iter().all(|trade| trade.valuation.is_some()));
    let book = exchanges("boosted-pool-book");
    let right = [
        exchange("0x70fcd7", "tx-sender", ["0xc02aaa", "1000000000000000000"], ["0x7f39c5", "820000000000000000"]),
        exchange("0x70fcd7", "tx-sender", ["0x7f39c5", "820000000000000000"], ["0xa0b869", "4100000000"]),
    ];
    assert_eq!(book[1..], right);
}

/// A token that has an event of its own for amounts.
#[test]
fn an_erc404_token_moves_by_its_own_event() {
    let right =
        exchange("0x70fcd7", "tx-sender", ["0xc02aaa", "2000000000000000000"], ["0xde336d", "3700000000000000000"]);
    assert_eq!(exchanges("erc404"), [right]);
}

/// Three swaps in one pool of three coins, each matched with its own transfers.
#[test]
fn several_swaps_in_one_pool_have_their_own_coins() {
    let found = trades("curve-three-swaps");
    let legs = found
        .iter()
        .flat_map(|trade| &trade.legs)
        .map(|leg| (leg.sold.asset[..8].to_owned(), chain_plugin_sdk::amount::from_uint256(leg.sold.raw).to::<u64>()));
    let mut legs: Vec<(String, u64)> = legs.collect();
    legs.sort();
    let of = |asset: &str, raw| (asset.to_owned(), raw);
    assert_eq!(legs, [of("0xa0b869", 400_000_000), of("0xa0b869", 600_000_000), of("0xdac17f", 601_000_000)]);
    let right = [
        exchange("0x70fcd7", "tx-sender", ["0xa0b869", "1000000000"], ["0x6b1754", "997000000000000000000"]),
        exchange("0x70fcd7", "tx-sender", ["0xdac17f", "601000000"], ["0x6b1754", "600000000000000000000"]),
    ];
    assert_eq!(exchanges("curve-three-swaps"), right);
}
