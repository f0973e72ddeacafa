//! Contracts written to deceive, on a real node: forged `Swap` events publish nothing and stop nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use system::anvil;
use system::contract_code::Code;
use system::evm_node::{EvmNode, height_of};
use system::plugin_host::{ScannedBlock, scan_block};

const V2: &str = "Swap(address,uint256,uint256,uint256,uint256,address)";
const V3: &str = "Swap(address,address,int256,int256,uint160,uint128,int24)";
const TRANSFER: &str = "Transfer(address,address,uint256)";

async fn scan(node: &EvmNode, dollar: &str, receipt: &Value) -> ScannedBlock {
    let height = height_of(receipt).unwrap();
    scan_block(node, json!({"stables": {dollar: 18}}), height, &mut BTreeMap::new()).await.unwrap()
}

async fn deploy(node: &EvmNode, from: &str, code: Code) -> String {
    node.create(from, &code.deploying().unwrap()).await.unwrap()
}

fn count(scanned: &ScannedBlock, name: &str) -> u64 {
    scanned.attribute(name).map_or(0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_swaps_publish_nothing_and_stop_nothing() {
    let Some(folder) = anvil::installed_for_test().unwrap() else { return };
    let node = anvil::start(&folder).await.unwrap();
    let venues = node.deploy_venues().await.unwrap();
    let accounts = node.accounts().await.unwrap();
    let (forger, honest) = (accounts[4].clone(), accounts[1].clone());
    let pool = || {
        Code::default()
            .answers("token0()", &venues.dollar)
            .unwrap()
            .answers("token1()", &venues.token)
            .unwrap()
            .store(10_u128.pow(30), 0)
            .store(0, 32)
            .store(0, 64)
            .store(10_u128.pow(30), 96)
    };
    // Claims a fortune of real dollars, moves nothing; once, and in a loop of twenty thousand.
    for times in [1, 20_000] {
        let contract = deploy(&node, &forger, pool().emits(V2, 128, times).unwrap()).await;
        let call = json!([{"from": forger, "to": contract, "gas": "0x5f5e100"}]);
        let hash = node.rpc("eth_sendTransaction", call).await.unwrap();
        let forged = node.mined(&hash).await.unwrap();
        assert_eq!(forged["status"], "0x1");
        let scanned = scan(&node, &venues.dollar, &forged).await;
        assert!(scanned.block.trades.is_empty(), "{:?}", scanned.block.trades);
        assert_eq!(count(&scanned, "unbacked"), u64::from(times));
    }
    // The same in the words of V3.
    let contract = deploy(&node, &forger, pool().store(0, 128).emits(V3, 160, 3).unwrap()).await;
    let forged = node.send(&forger, Some(&contract), "0x").await.unwrap();
    let scanned = scan(&node, &venues.dollar, &forged).await;
    assert!(scanned.block.trades.is_empty());
    assert_eq!(count(&scanned, "unbacked"), 3);
    // A contract that is pool and token at once: it says that it moved itself, and that dollars moved.
    let both = pool().emits(TRANSFER, 32, 1).unwrap().emits(V2, 128, 1).unwrap();
    let contract = deploy(&node, &forger, both).await;
    let forged = node.send(&forger, Some(&contract), "0x").await.unwrap();
    let scanned = scan(&node, &venues.dollar, &forged).await;
    assert!(scanned.block.trades.is_empty(), "{:?}", scanned.block.trades);
    // An honest swap in the same block as a forgery is found, and only it.
    let contract = deploy(&node, &forger, pool().emits(V2, 128, 50).unwrap()).await;
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
    let receipt = node.mined(&forged).await.unwrap();
    assert_eq!(height_of(&receipt).unwrap(), height_of(&swapped).unwrap(), "both stand in one block");
    let scanned = scan(&node, &venues.dollar, &swapped).await;
    assert_eq!((scanned.block.trades.len(), count(&scanned, "unbacked")), (1, 50));
    assert_eq!(scanned.block.trades[0].trader.address, honest);
    assert_eq!(scanned.block.trades[0].legs[0].pool, venues.v2_pair);
}
