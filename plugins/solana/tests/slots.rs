//! The chain of slots: skipped slots are proved, missing blocks are never passed over, forks are reported.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on recorded data")]
mod node;

use chain_plugin_sdk::{Failure, Plugin, Scanned, Span};
use node::{RecordedNode, context, empty_block};
use solana_plugin::Solana;

/// A node with blocks at these slots, each with the one before as its parent.
fn node_with_blocks(slots: &[u64]) -> RecordedNode {
    let mut node = RecordedNode::default();
    let mut parent = (slots[0] - 1, format!("hash{}", slots[0] - 1));
    for slot in slots {
        let hash = format!("hash{slot}");
        node.blocks.insert(*slot, empty_block(&hash, (parent.0, &parent.1)));
        parent = (*slot, hash);
    }
    node
}

fn scan(node: &mut RecordedNode, first: u64, last: u64) -> Result<Scanned, Failure> {
    Solana::scan(node, &context(""), Span { first, last })
}

/// The slots of delivered blocks, and how far the proof reaches.
fn slots_and_proof(scanned: &Scanned) -> (Vec<u64>, u64) {
    (scanned.blocks.iter().map(|block| block.height).collect(), scanned.through)
}

#[test]
fn the_head_names_its_network() {
    let mut node = node_with_blocks(&[5, 6, 8]);
    let tip = Solana::head(&mut node, &context("")).unwrap();
    assert_eq!(tip.network, "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d");
    assert_eq!((tip.latest.height, tip.latest.hash.as_str()), (8, "hash8"));
    assert_eq!(tip.finalized.unwrap().height, 5);
    node.refused.insert(8, -32_004);
    assert!(matches!(Solana::head(&mut node, &context("")), Err(Failure::Retry((Some(100), _)))));
}

#[test]
fn every_slot_is_delivered_or_proved_empty() {
    let mut node = node_with_blocks(&[10, 11, 13, 14]);
    let scanned = scan(&mut node, 10, 13).unwrap();
    assert_eq!(slots_and_proof(&scanned), (vec![10, 11, 13], 13));
    let parents: Vec<_> = scanned.blocks.iter().map(|block| block.parent.clone().unwrap()).collect();
    assert_eq!((parents[2].height, parents[2].hash.as_str()), (11, "hash11"));
    assert_eq!(node.seen.len(), 4, "a span that ends with a block needs no further call: {:?}", node.seen);
}

#[test]
fn a_gap_at_the_end_is_proved_by_the_block_after_it() {
    let mut node = node_with_blocks(&[10, 11, 15]);
    assert_eq!(slots_and_proof(&scan(&mut node, 10, 13).unwrap()), (vec![10, 11], 13));
    assert_eq!(slots_and_proof(&scan(&mut node, 12, 14).unwrap()), (vec![], 14));
}

#[test]
fn a_gap_without_proof_is_not_passed() {
    let mut node = node_with_blocks(&[10, 11]);
    assert_eq!(slots_and_proof(&scan(&mut node, 10, 13).unwrap()), (vec![10, 11], 11));
    assert_eq!(slots_and_proof(&scan(&mut node, 12, 13).unwrap()), (vec![], 11));
}

#[test]
fn through_ends_before_a_block_that_is_not_available_yet() {
    let mut node = node_with_blocks(&[10, 11, 12]);
    for code in [-32_004, -32_014] {
        node.refused = [(11, code)].into();
        assert_eq!(slots_and_proof(&scan(&mut node, 10, 12).unwrap()), (vec![10], 10));
        node.refused = [(10, code)].into();
        assert_eq!(slots_and_proof(&scan(&mut node, 10, 12).unwrap()), (vec![], 9));
    }
    // The proof of a gap can be late as well.
    let mut node = node_with_blocks(&[10, 13]);
    node.refused = [(13, -32_004)].into();
    assert_eq!(slots_and_proof(&scan(&mut node, 10, 12).unwrap()), (vec![10], 10));
}

#[test]
fn an_endpoint_that_omits_a_block_is_charged() {
    for unlisted in [10, 11, 13] {
        let mut node = node_with_blocks(&[10, 11, 13, 14]);
        node.unlisted = vec![unlisted];
        let scanned = scan(&mut node, 10, 13);
        assert!(matches!(&scanned, Err(Failure::Elsewhere(why)) if why.contains(&unlisted.to_string())), "{scanned:?}");
    }
    for code in [-32_001, -32_007, -32_009, -32_011] {
        let mut node = node_with_blocks(&[10, 11, 12]);
        node.refused = [(11, code)].into();
        assert!(matches!(scan(&mut node, 10, 12), Err(Failure::Elsewhere(_))), "{code}");
    }
}

#[test]
fn forks_within_one_scan_are_reported() {
    // The same parent slot, another hash.
    let mut node = node_with_blocks(&[10, 11, 12]);
    node.blocks.insert(12, empty_block("other", (11, "another hash11")));
    assert_eq!(scan(&mut node, 10, 12), Err(Failure::Reorged));
    // A block whose parent is older than its neighbour.
    let mut node = node_with_blocks(&[10, 11, 12]);
    node.blocks.insert(12, empty_block("other", (10, "hash10")));
    assert_eq!(scan(&mut node, 10, 12), Err(Failure::Reorged));
}

#[test]
fn contradictions_are_refused() {
    let mut node = node_with_blocks(&[10]);
    node.blocks.insert(10, empty_block("hash10", (10, "hash10")));
    assert!(matches!(scan(&mut node, 10, 10), Err(Failure::BadData(_))));
    assert_eq!(scan(&mut node_with_blocks(&[10]), 10, 14), Err(Failure::SpanTooWide(4)));
    assert!(matches!(scan(&mut node_with_blocks(&[10]), 11, 10), Err(Failure::Other(_))));
    let mut node = node_with_blocks(&[10]);
    node.refused.insert(10, -32_015);
    assert!(matches!(scan(&mut node, 10, 10), Err(Failure::Other((code, _))) if code == "transaction-version"));
}
