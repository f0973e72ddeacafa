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
