//! Recorded receipts of 2025: every swap of a Uniswap V4 pool whose key is known is a leg with the event's own amounts.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, context, read_recording};
use recordings::Truth;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A leg by its transaction and pool: amount sold, amount bought.
type Legs = BTreeMap<(String, String), Vec<(i128, i128)>>;

/// The recorded block; most have receipts only, and get a header that says no more than they do.
fn block(recorded: &Value) -> Value {
    let receipts = recorded["receipts"].as_array().unwrap();
    if recorded["block"].is_object() {
        return json!({"block": recorded["block"], "receipts": receipts});
    }
    let zeros = format!("0x{}", "00".repeat(32));
    let hashes: Vec<&Value> = receipts.iter().map(|receipt| &receipt["transactionHash"]).collect();
    let header = json!({
        "hash": receipts[0]["blockHash"], "parentHash": zeros, "number": receipts[0]["blockNumber"], "timestamp": "0x1",
        "receiptsRoot": zeros, "logsBloom": "0x", "transactions": hashes,
    });
    json!({"block": header, "receipts": receipts})
}

fn legs(node: &mut RecordedNode) -> Legs {
    let mut legs = Legs::new();
    for height in node.blocks.keys().copied().collect::<Vec<u64>>() {
        let scanned = Evm::scan(node, &context(r#"{"verify":"none"}"#), Span { first: height, last: height }).unwrap();
        for trade in scanned.blocks.iter().flat_map(|block| &block.trades) {
            for leg in trade.legs.iter().filter(|leg| leg.venue == "uniswap-v4") {
                let raw = |amount: &chain_plugin_sdk::AssetAmount| from_uint256(amount.raw).to::<i128>();
                let key = (trade.transaction.hash.clone(), leg.pool.clone());
                legs.entry(key).or_default().push((raw(&leg.sold), raw(&leg.bought)));
            }
        }
    }
    legs
}

#[test]
fn recorded_v4_swaps_are_legs_with_the_events_amounts() {
    let mut node = RecordedNode { chain_id: 1, ..RecordedNode::default() };
    for name in recordings::names_in("evm/receipts-2025").unwrap() {
        let Some(height) = name.strip_prefix("1_").and_then(|rest| rest.strip_suffix(".json")) else { continue };
        let recorded = read_recording(&format!("evm/receipts-2025/{name}"));
        node.blocks.insert(height.parse().unwrap(), block(&recorded));
    }
    node.know_pools("evm/receipts-2025/pools_inferred.json");
    let legs = legs(&mut node);
    let events = recordings::read_text("evm/receipts-2025/reference_events.jsonl").unwrap();
    let (mut swaps, mut unknown, mut truth) = (0, vec![], Truth::of("evm/receipts-2025"));
    for event in events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if event["kind"] != "v4" || event["status"] != "0x1" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let amount = |name: &str| text(&event["args"][name]).parse::<i128>().unwrap();
        let (first, second) = (amount("amount0"), amount("amount1"));
        let moved = (-first.min(second), first.max(second));
        let key = (text(&event["tx"]), text(&event["args"]["poolId"]));
        truth.count("legs found", "v4", legs.contains_key(&key));
        match legs.get(&key) {
            Some(found) => {
                assert!(found.contains(&moved), "{event}: {found:?}");
                swaps += 1;
            }
            None => unknown.push(event),
        }
    }
    // The keys of these pools are not among those that the recorded node can find: they have hooks or odd spacings.
    assert_eq!((swaps, unknown.len()), (25, 4), "{unknown:#?}");
    assert_eq!(legs.values().map(Vec::len).sum::<usize>(), swaps, "nothing is invented");
}
