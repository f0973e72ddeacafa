//! Vaults and managers that are in no list: recorded swaps of the known ones, told by a contract of another address, are the
//! same trades as far as tokens moved, and are counted.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{Block, Plugin, Span, Trade};
use evm_plugin::Evm;
use node::{RecordedNode, context};
use std::collections::BTreeMap;

/// Balancer V2's vault and Uniswap V4's manager on Ethereum, with the name of their venue.
const KNOWN: [(&str, &str); 2] = [
    ("ba12222222228d8ba445958a75a0704d566bf2c8", "balancer-v2"),
    ("000000000004444c5dc75cb358380d2e3de08a90", "uniswap-v4"),
];

/// Where the known one's events come from in the renamed blocks.
const RENAMED: &str = "00000000000000000000000000000000000f0f0f";

fn renamed(node: &RecordedNode, vault: &str) -> RecordedNode {
    let mut renamed = RecordedNode { requests: vec![], kept: BTreeMap::new(), ..node.clone() };
    for block in renamed.blocks.values_mut() {
        *block = serde_json::from_str(&block.to_string().replace(vault, RENAMED)).unwrap();
    }
    renamed
}

fn scan_all(node: &mut RecordedNode) -> Vec<Block> {
    scan_with(node, r#"{"verify":"none"}"#)
}

fn scan_with(node: &mut RecordedNode, settings: &str) -> Vec<Block> {
    let heights: Vec<u64> = node.blocks.keys().copied().collect();
    let scan = |height| {
        let scanned = Evm::scan(node, &context(settings), Span { first: height, last: height });
        scanned.unwrap().blocks
    };
    heights.into_iter().flat_map(scan).collect()
}

/// The trades by their ids.
fn trades(blocks: &[Block]) -> BTreeMap<(String, u32), Trade> {
    let trades = blocks.iter().flat_map(|block| block.trades.clone());
    trades.map(|trade| ((trade.transaction.hash.clone(), trade.ordinal), trade)).collect()
}

fn count(blocks: &[Block], name: &str) -> u64 {
    let attributes = blocks.iter().flat_map(|block| &block.attributes).filter(|(key, _)| key == name);
    attributes.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

#[test]
fn swaps_of_an_unlisted_vault_count_as_far_as_tokens_moved() {
    let mut node = RecordedNode::of_chain(1);
    let before = scan_all(&mut node);
    assert_eq!(count(&before, "unlisted"), count(&before, "dropped.unlisted.uniswap-v4"), "managers of forks, at most");
    let before = trades(&before);
    let mut compared = 0;
    for (vault, venue) in KNOWN {
        let mut renamed = renamed(&node, vault);
        let blocks = scan_all(&mut renamed);
        let after = trades(&blocks);
        if venue == "uniswap-v4" {
            let asked = renamed.requests.iter().flatten().any(|method| method == "eth_getLogs");
            assert!(!asked, "no key is looked for because an unknown contract names it");
        }
        assert!(count(&blocks, &format!("dropped.unlisted.{venue}")) > 0, "{venue} is counted");
        let is_of = |trade: &&Trade| trade.legs.iter().any(|leg| leg.venue == venue);
        assert!(!after.values().any(|trade| is_of(&trade)), "nobody passes for {venue}");
        for trade in before.values().filter(is_of) {
            let Some(same) = after.get(&(trade.transaction.hash.clone(), trade.ordinal)) else { continue };
            if let ([leg], [twin]) = (&trade.legs[..], &same.legs[..]) {
                assert_eq!((&trade.trader.address, &trade.sold.asset), (&same.trader.address, &same.sold.asset));
                assert_eq!(
                    (leg.sold.raw, leg.bought.raw),
                    (twin.sold.raw, twin.bought.raw),
                    "{}",
                    trade.transaction.hash
                );
                assert_eq!(twin.venue, format!("{venue}-like"));
                compared += 1;
            }
        }
    }
    assert!(compared >= 5, "{compared} trades were compared");
}

#[test]
fn a_vault_that_the_settings_list_counts_like_the_known_ones() {
    let mut node = RecordedNode::of_chain(1);
    let before = trades(&scan_all(&mut node));
    for (vault, venue) in KNOWN {
        let mut renamed = renamed(&node, vault);
        let settings = format!(r#"{{"verify":"none","vaults":{{"0x{RENAMED}":"{venue}"}}}}"#);
        let after = trades(&scan_with(&mut renamed, &settings));
        let sides = |trades: &BTreeMap<(String, u32), Trade>| -> Vec<_> {
            trades.values().map(|trade| (trade.sold.clone(), trade.bought.clone(), trade.legs.len())).collect()
        };
        assert!(before.values().any(|trade| trade.legs.iter().any(|leg| leg.venue == venue)), "{venue} is recorded");
        assert_eq!(sides(&after), sides(&before), "{venue}");
    }
}
