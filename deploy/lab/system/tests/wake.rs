//! A node's notifications wake the poll, and a node that has none is polled.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::time::Duration;
use system::anvil::{Anvil, installed};
use system::ingest::Ingest;
use tape_log::{Log, Target};

/// Much shorter than the poll, much longer than a block takes.
const WAKE_TIMEOUT: Duration = Duration::from_secs(30);

async fn head(anvil: &Anvil) -> u64 {
    let head: Value = anvil.rpc("eth_blockNumber", json!([])).await.unwrap();
    u64::from_str_radix(head.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_blocks_are_not_waited_for() {
    let Some(folder) = installed() else { return };
    let anvil = Anvil::start(&folder).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let chain =
        format!("id = \"anvil\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nstart = 0\npoll_ms = 600000\n", anvil.url);
    let ingest = Ingest::start(&log, &chain).unwrap();
    // The subscription may come later than the first look, and what came between is found with the next block.
    let first = async {
        loop {
            anvil.rpc("evm_mine", json!([])).await.unwrap();
            if ingest.until_within(head(&anvil).await, Duration::from_secs(1)).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(WAKE_TIMEOUT, first).await.unwrap();
    for _ in 0..5 {
        anvil.rpc("evm_mine", json!([])).await.unwrap();
        ingest.until_within(head(&anvil).await, WAKE_TIMEOUT).await.unwrap();
    }
    ingest.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_sockets_is_polled() {
    let Some(folder) = installed() else { return };
    let anvil = Anvil::start(&folder).await.unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    // Nothing listens on the discard port.
    for sockets in ["[]", "[\"ws://127.0.0.1:9\"]"] {
        let chain = format!(
            "id = \"anvil\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nsockets = {sockets}\nstart = 0\npoll_ms = 50\n",
            anvil.url
        );
        let ingest = Ingest::start(&log, &chain).unwrap();
        anvil.rpc("evm_mine", json!([])).await.unwrap();
        ingest.until(head(&anvil).await).await.unwrap();
        ingest.stop().await.unwrap();
    }
}
