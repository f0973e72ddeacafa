//! A node's notifications wake the poll, and a node that has none is polled.

use serde_json::json;
use std::time::Duration;
use system::anvil;
use system::ingest::Ingest;
use tape_log::{Log, Target};

/// Much shorter than the poll, much longer than a block takes.
const WAKE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn new_blocks_are_not_waited_for() {
    let Some(folder) = anvil::installed_for_test().unwrap() else { return };
    let node = anvil::start(&folder).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let chain =
        format!("id = \"anvil\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nstart = 0\npoll_ms = 600000\n", node.url);
    let ingest = Ingest::start(&log, &chain).unwrap();
    // The subscription may come later than the first look, and what came between is found with the next block.
    let first = async {
        loop {
            node.rpc("evm_mine", json!([])).await.unwrap();
            if ingest.until_within(node.head().await.unwrap(), Duration::from_secs(1)).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(WAKE_TIMEOUT, first).await.unwrap();
    for _ in 0..5 {
        node.rpc("evm_mine", json!([])).await.unwrap();
        ingest.until_within(node.head().await.unwrap(), WAKE_TIMEOUT).await.unwrap();
    }
    ingest.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_sockets_is_polled() {
    let Some(folder) = anvil::installed_for_test().unwrap() else { return };
    let node = anvil::start(&folder).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    // Nothing listens on the discard port.
    for sockets in ["[]", "[\"ws://127.0.0.1:9\"]"] {
        let chain = format!(
            "id = \"anvil\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nsockets = {sockets}\nstart = 0\npoll_ms = 50\n",
            node.url
        );
        let ingest = Ingest::start(&log, &chain).unwrap();
        node.rpc("evm_mine", json!([])).await.unwrap();
        ingest.until(node.head().await.unwrap()).await.unwrap();
        ingest.stop().await.unwrap();
    }
}
