//! A block without a time, as old blocks are: the time that the node tells on request, or one between the neighbours, marked
//! as estimated; where nothing tells it, another endpoint is asked.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on recorded data")]
mod node;

use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use node::{RecordedNode, context, empty_block};
use serde_json::Value;
use serde_json::value::RawValue;
use solana_plugin::Solana;

const SLOT: u64 = 1_000;

/// A chain with a block at each of these slots and with these times.
fn chain(blocks: &[(u64, Option<i64>)]) -> RecordedNode {
    let mut node = RecordedNode::default();
    let mut parent = blocks[0].0 - 1;
    for (slot, time) in blocks {
        let block = empty_block(&format!("hash{slot}"), (parent, &format!("hash{parent}")));
        let mut block: Value = serde_json::from_str(block.get()).unwrap();
        block["blockTime"] = (*time).into();
        node.blocks.insert(*slot, RawValue::from_string(block.to_string()).unwrap());
        parent = *slot;
    }
    node
}

fn scan(node: &mut RecordedNode) -> Result<Block, Failure> {
    let scanned = Solana::scan(node, &context(""), Span { first: SLOT, last: SLOT })?;
    Ok(scanned.blocks.into_iter().next().unwrap())
}

fn is_estimated(block: &Block) -> bool {
    block.attributes.contains(&("time".to_owned(), "estimated".to_owned()))
}

#[test]
fn a_blocks_own_time_is_no_estimate() {
    let block = scan(&mut chain(&[(SLOT, Some(1_600_000_000)), (1_001, None)])).unwrap();
    assert_eq!((block.timestamp_ms, is_estimated(&block)), (1_600_000_000_000, false));
}

#[test]
fn a_time_told_on_request_is_taken() {
    let mut node = chain(&[(999, None), (SLOT, None), (1_001, None)]);
    node.times.insert(SLOT, 1_600_000_004);
    let block = scan(&mut node).unwrap();
    assert_eq!((block.timestamp_ms, is_estimated(&block)), (1_600_000_004_000, true));
}

#[test]
fn a_time_between_neighbours_is_in_proportion_to_the_slots() {
    // Slots may have no block, and the nearest blocks may have no time either.
    let blocks = [(980, Some(1_600_000_000)), (998, None), (SLOT, None), (1_001, None), (1_020, Some(1_600_000_020))];
    for times in [&[][..], &[(5, 1_600_000_000)]] {
        let mut node = chain(&blocks);
        node.times = times.iter().copied().collect();
        let block = scan(&mut node).unwrap();
        assert_eq!((block.timestamp_ms, is_estimated(&block)), (1_600_000_010_000, true), "{times:?}");
    }
}

#[test]
fn zero_and_negative_times_are_none() {
    for time in [0, -1] {
        let mut node = chain(&[(990, Some(1_600_000_000)), (SLOT, Some(time)), (1_010, Some(1_600_000_008))]);
        let block = scan(&mut node).unwrap();
        assert_eq!((block.timestamp_ms, is_estimated(&block)), (1_600_000_004_000, true), "{time}");
    }
}

#[test]
fn at_the_head_the_block_is_asked_for_again() {
    match scan(&mut chain(&[(999, Some(1_600_000_000)), (SLOT, None)])) {
        Err(Failure::Retry((_, why))) => assert!(why.contains("slot 1000: its block has no time"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_nothing_tells_the_time_another_endpoint_is_asked() {
    let sides = [
        (vec![(999, None), (SLOT, None), (1_001, Some(1_600_000_000))], "before"),
        (vec![(999, Some(1_600_000_000)), (SLOT, None), (1_001, None), (9_000, None)], "after"),
    ];
    for (blocks, side) in sides {
        match scan(&mut chain(&blocks)) {
            Err(Failure::Elsewhere(why)) => {
                assert!(why.contains("slot 1000") && why.contains("blockTime") && why.contains(side), "{why}");
            }
            other => panic!("{side}: {other:?}"),
        }
    }
}
