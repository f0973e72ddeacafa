//! The replay node over real HTTP: every recorded answer as it was, every scripted fault as it is meant.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use nodes::replay::{Fault, Faults, Node, Recording, Server, blocks_dir, read_all};
use serde_json::{Value, json};

const SWAP_V2: &str = "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822";

struct Client {
    http: reqwest::Client,
    address: String,
    _server: Server,
}

async fn start(node: &Node) -> Client {
    environment::install_crypto();
    let (address, server) = node.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    Client { http: reqwest::Client::new(), address: format!("http://{address}/any/path"), _server: server }
}

impl Client {
    async fn post(&self, body: &Value) -> reqwest::Result<reqwest::Response> {
        self.http.post(&self.address).json(body).send().await
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer: Value = self.post(&body).await.unwrap().json().await.unwrap();
        assert_eq!(answer["id"], 7);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }
}

fn node() -> Node {
    Node::load(&blocks_dir()).unwrap()
}

#[tokio::test]
async fn serves_each_block_whole_slim_and_by_hash() {
    let (node, recordings) = (node(), read_all(&blocks_dir(), 1).unwrap());
    assert_eq!(node.heights(), (14_000_000..=14_000_004).collect::<Vec<_>>());
    let client = start(&node).await;
    for recording in &recordings {
        let recorded: Value = serde_json::from_str(recording.block_json()).unwrap();
        let number = format!("0x{:x}", recording.height());
        let by_number = client.call("eth_getBlockByNumber", json!([number, true])).await;
        assert_eq!(by_number, recorded);
        assert_eq!(client.call("eth_getBlockByHash", json!([recording.hash(), true])).await, recorded);
        let slim = client.call("eth_getBlockByNumber", json!([number, false])).await;
        assert_eq!(slim["transactions"][0], recorded["transactions"][0]["hash"]);
        let receipts: Value = serde_json::from_str(recording.receipts_json()).unwrap();
        for which in [json!(number), json!(recording.hash()), json!({ "blockHash": recording.hash() })] {
            assert_eq!(client.call("eth_getBlockReceipts", json!([which])).await, receipts);
        }
        let transaction = &receipts[0]["transactionHash"];
        assert_eq!(client.call("eth_getTransactionReceipt", json!([transaction])).await, receipts[0]);
    }
}

#[tokio::test]
async fn the_head_moves_and_finality_trails_it() {
    let node = node();
    let client = start(&node).await;
    node.set_head(14_000_002);
    let number = |tag: &'static str| {
        let client = &client;
        async move { client.call("eth_getBlockByNumber", json!([tag, false])).await["number"].clone() }
    };
    assert_eq!(client.call("eth_chainId", json!([])).await, "0x1");
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xd59f82");
    assert_eq!(number("latest").await, "0xd59f82");
    assert_eq!(number("finalized").await, "0xd59f80");
    assert_eq!(client.call("eth_getBlockByNumber", json!(["0xd59f83", false])).await, Value::Null);
    node.set_head(14_000_003);
    assert_eq!(number("0xd59f83").await, "0xd59f83");
    assert_eq!(number("safe").await, "0xd59f81");
    node.set_finality(64);
    let genesis = client.call("eth_getBlockByNumber", json!(["finalized", false])).await;
    assert_eq!(genesis["hash"], "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
    assert_eq!(client.call("eth_getBlockByNumber", json!(["0x0", false])).await, genesis);
}

#[tokio::test]
async fn logs_are_filtered_by_range_topic_and_address() {
    let client = start(&node()).await;
    let logs = async |filter: Value| client.call("eth_getLogs", json!([filter])).await.as_array().unwrap().clone();
    let all = logs(json!({ "fromBlock": "0xd59f80", "toBlock": "latest", "topics": [SWAP_V2] })).await;
    // As many as the fixtures' own second decode counts: 4 + 2 + 25 + 22 + 9.
    assert_eq!(all.len(), 62);
    let one = logs(json!({ "fromBlock": "0xd59f81", "toBlock": "0xd59f81", "topics": [[SWAP_V2]] })).await;
    assert_eq!(one.len(), 2);
    let pool = &one[0]["address"];
    let of_pool = logs(json!({ "fromBlock": "0xd59f81", "toBlock": "0xd59f81", "address": [pool] })).await;
    assert!(of_pool.len() > 1 && of_pool.iter().all(|log| log["address"] == *pool));
    let by_hash = logs(json!({ "blockHash": one[0]["blockHash"], "topics": [SWAP_V2] })).await;
    assert_eq!(by_hash, one);
}

#[tokio::test]
async fn batches_answer_in_order_and_unknown_methods_are_errors() {
    let node = node();
    let client = start(&node).await;
    let weth = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let call = json!([{ "to": weth, "data": "0x313ce567" }, "latest"]);
    let body = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] },
        { "jsonrpc": "2.0", "id": "b", "method": "eth_call", "params": call },
        { "jsonrpc": "2.0", "id": 3, "method": "eth_nonsense" },
    ]);
    let answers: Value = client.post(&body).await.unwrap().json().await.unwrap();
    assert_eq!(answers[0]["result"], "0x1");
    assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!("b"), &json!(format!("0x{:064x}", 18))));
    assert_eq!(answers[2]["error"]["code"], -32601);
    assert_eq!((node.requests(), node.calls()), (1, 3));
}

#[tokio::test]
async fn each_fault_is_what_its_name_says() {
    let node = node();
    let client = start(&node).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] });
    node.faults(Faults::list(
        [
            Fault::Status(500),
            Fault::RetryAfter(3),
            Fault::CutOff,
            Fault::HalfJson,
            Fault::NotJson,
            Fault::RpcError(-32005, "limit exceeded".to_owned()),
            Fault::Huge(3_000_000),
            Fault::Delay(Duration::from_millis(50)),
            Fault::StaleHead(3),
        ]
        .map(Some),
    ));
    assert_eq!(client.post(&body).await.unwrap().status(), 500);
    let slow_down = client.post(&body).await.unwrap();
    assert_eq!((slow_down.status().as_u16(), slow_down.headers()["retry-after"].as_bytes()), (429, &b"3"[..]));
    assert!(client.post(&body).await.unwrap().bytes().await.is_err());
    let half = client.post(&body).await.unwrap().text().await.unwrap();
    assert!(half.starts_with('{') && serde_json::from_str::<Value>(&half).is_err());
    assert!(client.post(&body).await.unwrap().text().await.unwrap().starts_with("<html>"));
    let refused: Value = client.post(&body).await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"]["code"], -32005);
    let huge = client.post(&body).await.unwrap().text().await.unwrap();
    assert_eq!(huge.len(), 3_000_000);
    assert!(serde_json::from_str::<String>(&huge).is_ok());
    let begun = Instant::now();
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xd59f84");
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xd59f81");
    assert_eq!(client.call("eth_blockNumber", json!([])).await, "0xd59f84");
}

#[tokio::test]
async fn a_missing_log_shows_only_in_the_receipts() {
    let node = node();
    let client = start(&node).await;
    let count = |receipts: &Value| -> usize {
        receipts.as_array().unwrap().iter().map(|it| it["logs"].as_array().unwrap().len()).sum()
    };
    let whole = client.call("eth_getBlockReceipts", json!(["0xd59f81"])).await;
    node.faults(Faults::each(Fault::MissingLog));
    let short = client.call("eth_getBlockReceipts", json!(["0xd59f81"])).await;
    assert_eq!(count(&short) + 1, count(&whole));
}

#[tokio::test]
async fn another_branch_takes_a_height_over() {
    let node = node();
    let client = start(&node).await;
    let old = client.call("eth_getBlockByNumber", json!(["0xd59f84", false])).await;
    let winner = json!({ "number": "0xd59f84", "hash": format!("0x{:064x}", 1), "transactions": [] });
    node.add(Recording::from_answers(1, &winner.to_string(), "[]").unwrap());
    assert_eq!(client.call("eth_getBlockByNumber", json!(["latest", false])).await["hash"], winner["hash"]);
    assert_eq!(client.call("eth_getBlockByHash", json!([old["hash"], false])).await, Value::Null);
}

#[tokio::test]
async fn raw_receipts_and_gzip_are_served_where_they_are_asked_for() {
    let node = node();
    let client = start(&node).await;
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "debug_getRawReceipts", "params": ["0xd59f80"] });
    let refused: Value = client.post(&body).await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"]["code"], -32601);
    node.serve_raw_receipts(true);
    let raw = client.call("debug_getRawReceipts", json!(["0xd59f80"])).await;
    let receipts = client.call("eth_getBlockReceipts", json!(["0xd59f80"])).await;
    assert_eq!(raw.as_array().unwrap().len(), receipts.as_array().unwrap().len());
    assert_eq!(node.calls_of("debug_getRawReceipts"), 2);
    let plain = node.sent_bytes();
    node.serve_gzip(true);
    assert_eq!(client.call("eth_getBlockReceipts", json!(["0xd59f80"])).await, receipts);
    let packed = node.sent_bytes() - plain;
    assert!(packed < receipts.to_string().len() as u64 / 2, "{packed}");
}
