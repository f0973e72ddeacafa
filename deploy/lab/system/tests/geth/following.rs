//! The whole ingestor on Geth: subscriptions wake it, raw receipts prove its blocks, and what Geth takes back it takes back.

use chain_plugin_sdk::Trade;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use system::evm_node::height_of;
use system::geth::{self, Fork, Geth};
use system::ingest::Ingest;
use system::plugin_host::scan_block;
use system::venues::Venues;
use tape::Status;
use tape_log::{Log, Target, topics};

/// Ten dollars.
const TEN: u128 = 10_000_000_000_000_000_000;

/// Much shorter than the poll, much longer than a block takes, and than a loaded machine needs to compile the plugins.
const WAKE_TIMEOUT: Duration = Duration::from_mins(2);

/// Without an address for a socket: Geth's own is at the port above, where it is looked for.
fn chain_file(geth: &Geth, venues: &Venues, poll_ms: u64) -> String {
    format!(
        "id = \"geth\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nstart = 0\npoll_ms = {poll_ms}\n\
         [settings.stables]\n\"{}\" = 18\n",
        geth.node.url, venues.dollar
    )
}

fn hash(receipt: &Value) -> String {
    receipt["transactionHash"].as_str().unwrap().to_owned()
}

/// The transactions whose trades are on the tape; nothing may come twice, or go without having come.
async fn on_tape(log: &Log) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for partition in topics::TRADES.partitions() {
        for record in log.read_all(&partition).await.unwrap() {
            let event = wire::v1::trade::decode(&record.value.unwrap()).unwrap();
            let (id, hash) = (event.trade.id(), event.trade.transaction.hash.to_string());
            match event.status {
                Status::Reverted => assert!(live.remove(&(id, hash)), "reverted without being there"),
                Status::Observed | Status::Finalized => assert!(live.insert((id, hash)), "published twice"),
            }
        }
    }
    live.into_iter().map(|(_, hash)| hash).collect()
}

/// Waits until just these transactions have trades on the tape.
async fn until_on_tape(log: &Log, wanted: &BTreeSet<String>) {
    let there = async {
        while on_tape(log).await != *wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(WAKE_TIMEOUT, there).await.is_ok();
    assert!(in_time, "{:?} instead of {wanted:?}", on_tape(log).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_are_proved_by_raw_receipts() {
    let Some(installed) = geth::installed_for_test().unwrap() else { return };
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        let geth = Geth::start(&installed, fork).await.unwrap();
        let venues = geth.node.deploy_venues().await.unwrap();
        let accounts = geth.node.accounts().await.unwrap();
        let path = [venues.dollar.as_str(), venues.token.as_str()];
        let first = geth.node.swap_v2(&venues, &accounts[1], path, TEN).await.unwrap();
        let second = geth.node.swap_v3(&venues, &accounts[2], 2 * TEN).await.unwrap();
        let mut kept = BTreeMap::new();
        for (verify, proof) in [("receipts", "receipts"), ("full", "full")] {
            for (receipt, trader, pool) in
                [(&first, &accounts[1], &venues.v2_pair), (&second, &accounts[2], &venues.v3_pool)]
            {
                let settings = json!({"stables": {&venues.dollar: 18}, "verify": verify});
                let scanned = scan_block(&geth.node, settings, height_of(receipt).unwrap(), &mut kept).await.unwrap();
                assert_eq!(scanned.attribute("proof"), Some(proof), "{fork:?}");
                let [Trade { trader: found, legs, transaction, .. }] = &scanned.block.trades[..] else {
                    unreachable!("{fork:?}: one trade in {:?}", scanned.block.trades)
                };
                assert_eq!((&found.address, &transaction.hash), (trader, &hash(receipt)));
                assert_eq!(legs[0].pool, pool.to_lowercase());
                let asked = |name: &str| scanned.methods.iter().any(|method| method == name);
                // The first block is where it is learned that Geth has them.
                if (verify, receipt) != ("receipts", &first) {
                    assert!(asked("debug_getRawReceipts") && !asked("eth_getBlockReceipts"), "{:?}", scanned.methods);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_wakes_and_a_reorg_and_a_restart_leave_no_trace() {
    let Some(installed) = geth::installed_for_test().unwrap() else { return };
    let mut geth = Geth::start(&installed, Fork::Osaka).await.unwrap();
    let venues = geth.node.deploy_venues().await.unwrap();
    let accounts = geth.node.accounts().await.unwrap();
    let path = [venues.dollar.as_str(), venues.token.as_str()];
    let log = Log::open(&Target::Memory).await.unwrap();
    // It is not polled within the test: what comes in time comes by the socket.
    let ingest = Ingest::start(&log, &chain_file(&geth, &venues, 600_000)).unwrap();
    let mut wanted = BTreeSet::new();
    // The subscription may come later than the first look, and what came between is found with the next block.
    let first = async {
        loop {
            let swap = geth.node.swap_v2(&venues, &accounts[1], path, TEN).await.unwrap();
            wanted.insert(hash(&swap));
            if ingest.until_within(height_of(&swap).unwrap(), Duration::from_secs(1)).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(WAKE_TIMEOUT, first).await.unwrap();
    geth.mine_into_an_epoch().await.unwrap();
    let below = geth.node.head().await.unwrap();
    let mut lost = BTreeSet::new();
    for trader in &accounts[1..4] {
        lost.insert(hash(&geth.node.swap_v2(&venues, trader, path, TEN).await.unwrap()));
    }
    until_on_tape(&log, &wanted.union(&lost).cloned().collect()).await;

    geth.set_head(below).await.unwrap();
    // The other branch is longer, as branches that win are.
    for trader in [1, 2, 3, 1].map(|at| &accounts[at]) {
        wanted.insert(hash(&geth.node.swap_v3(&venues, trader, TEN).await.unwrap()));
    }
    until_on_tape(&log, &wanted).await;
    assert!(lost.is_disjoint(&on_tape(&log).await), "what Geth took back is taken back");

    geth.restart().await.unwrap();
    // The socket is connected again at growing intervals; each block after that wakes.
    let again = async {
        loop {
            let swap = geth.node.swap_v2(&venues, &accounts[1], path, TEN).await.unwrap();
            wanted.insert(hash(&swap));
            if ingest.until_within(height_of(&swap).unwrap(), Duration::from_secs(1)).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(2 * WAKE_TIMEOUT, again).await.unwrap();
    until_on_tape(&log, &wanted).await;
    ingest.stop().await.unwrap();
}
