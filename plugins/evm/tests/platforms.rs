//! What settings add to recorded blocks: the worth of trades by reference pools, and platforms with their fees.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::amount::{from_uint256, from_usd};
use chain_plugin_sdk::{Block, Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, context};

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";

fn scan(node: &mut RecordedNode, settings: &str, height: u64) -> Block {
    let scanned = Evm::scan(node, &context(settings), Span { first: height, last: height }).unwrap();
    scanned.blocks.into_iter().next().unwrap()
}

/// The price is that of the pool's last swap in the block, so trades of the asset without a dollar get a worth.
#[test]
fn a_reference_pool_tells_what_trades_were_worth() {
    let mut node = RecordedNode::of_chain(1);
    let mut by_reference = 0;
    // Pools of USDC and the wrapped coin, V2 and V3, and between which dollars it stood on those days.
    for (height, pool, low, high) in [
        (18_000_000, "0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc", 1_600, 1_700),
        (17_053_184, "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640", 2_000, 2_200),
    ] {
        let settings = format!(r#"{{"reference":[{{"pool":"{pool}","asset":"{WETH}"}}]}}"#);
        let plain = scan(&mut node, "{}", height);
        let priced = scan(&mut node, &settings, height);
        assert_eq!(priced, scan(&mut node, &settings, height));
        for (before, after) in plain.trades.iter().zip(&priced.trades) {
            let Some(valuation) = after.valuation.as_ref().filter(|worth| worth.source == "reference-pool") else {
                assert_eq!(before.valuation, after.valuation);
                continue;
            };
            assert_eq!(before.valuation, None);
            let sides = [&after.sold, &after.bought].into_iter().filter(|side| side.asset == WETH);
            let units = sides.map(|side| from_uint256(side.raw).to::<u128>()).min().unwrap();
            let worth = from_usd(valuation.notional);
            assert!((units * low..=units * high).contains(&worth), "{height}: {units} {worth}");
            by_reference += 1;
        }
    }
    assert!(by_reference > 10, "{by_reference}");
}

/// Without whole transactions nothing is found that is not there; only native sides are what the pools moved.
#[test]
fn a_node_that_gives_only_hashes_finds_the_same_trades() {
    let mut node = RecordedNode::of_chain(1);
    let whole = scan(&mut node, "{}", 18_000_000);
    node.lacks_transactions = true;
    let slim = scan(&mut node, "{}", 18_000_000);
    let pairs = |block: &Block| {
        let pair = |trade: &chain_plugin_sdk::Trade| {
            (
                trade.transaction.hash.clone(),
                trade.trader.address.clone(),
                trade.sold.asset.clone(),
                trade.bought.asset.clone(),
            )
        };
        block.trades.iter().filter(|trade| !trade.legs.is_empty()).map(pair).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&whole), pairs(&slim));
}

/// A code in the call tells the platform: here any word of a recorded call serves as one.
#[test]
fn a_code_in_a_recorded_call_tells_the_platform() {
    let mut node = RecordedNode::of_chain(1);
    let block = scan(&mut node, "{}", 18_000_000);
    let recorded = node.blocks[&18_000_000]["block"]["transactions"].as_array().unwrap().clone();
    let (hash, word) = block
        .trades
        .iter()
        .find_map(|trade| {
            let sent = recorded.iter().find(|sent| sent["hash"] == *trade.transaction.hash)?;
            let input = sent["input"].as_str()?;
            let last = input.get(input.len().checked_sub(64)?..)?;
            let is_alone = recorded.iter().filter(|sent| sent["input"].as_str().unwrap().contains(last)).count() == 1;
            (is_alone && last.trim_matches('0').len() > 16).then(|| (trade.transaction.hash.clone(), last.to_owned()))
        })
        .unwrap();
    let found = scan(&mut node, &format!(r#"{{"platforms":{{"shop":{{"codes":["0x{word}"]}}}}}}"#), 18_000_000);
    let of_shop = found.trades.iter().filter(|trade| trade.platform.as_deref() == Some("shop"));
    let hashes: Vec<&str> = of_shop.map(|trade| trade.transaction.hash.as_str()).collect();
    assert!(!hashes.is_empty() && hashes.iter().all(|of| *of == hash), "{hashes:?}");
}
