//! Quiet history: where a header proves that no trade is in its block, the receipts are not asked for; whatever makes that
//! doubtful has them asked.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use alloy_primitives::{Bloom, BloomInput, hex};
use chain_plugin_sdk::json::Cursor;
use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use evm_plugin::rpc::{Header, Receipt};
use evm_plugin::{Evm, events, prove};
use node::{RecordedNode, TRANSFER_TOPIC, context_in_history};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Blocks of the chain; the busy one has all that was recorded.
const FIRST: u64 = 100;
const BUSY: u64 = FIRST + 5;
const LAST: u64 = FIRST + 15;
const JSON: &str = "eth_getBlockReceipts";

fn scan(node: &mut RecordedNode, settings: &str, finalized: u64) -> Result<Vec<Block>, Failure> {
    let context = context_in_history(settings, finalized, 7);
    Evm::scan(node, &context, Span { first: FIRST, last: LAST }).map(|scanned| scanned.blocks)
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn bloom_of(receipts: &[Value]) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in receipts.iter().flat_map(|receipt| receipt["logs"].as_array().unwrap()) {
        bloom.accrue(BloomInput::Raw(&bytes(&log["address"])));
        for topic in log["topics"].as_array().unwrap() {
            bloom.accrue(BloomInput::Raw(&bytes(topic)));
        }
    }
    bloom
}

/// A block of these transactions with their receipts, its hash and roots as they are to be.
fn block(height: u64, parent: &str, of: &Value, places: &[usize], bloom: impl Fn(&[Value]) -> Bloom) -> Value {
    let mut transactions: Vec<Value> = places.iter().map(|at| of["block"]["transactions"][*at].clone()).collect();
    let mut receipts: Vec<Value> = places.iter().map(|at| of["receipts"][*at].clone()).collect();
    for (at, (transaction, receipt)) in transactions.iter_mut().zip(&mut receipts).enumerate() {
        transaction["transactionIndex"] = json!(format!("{at:#x}"));
        receipt["transactionIndex"] = json!(format!("{at:#x}"));
    }
    let text = json!(receipts).to_string();
    let read = Receipt::read_all(&mut Cursor::new(&text), events::table()).unwrap().unwrap();
    let mut header = of["block"].clone();
    header["receiptsRoot"] = json!(format!("{:#x}", prove::receipts_root(&read).unwrap()));
    header["logsBloom"] = json!(format!("{:#x}", bloom(&receipts)));
    header["number"] = json!(format!("{height:#x}"));
    header["parentHash"] = json!(parent);
    header["transactions"] = json!(transactions);
    let text = header.to_string();
    let hash = prove::header_hash(&Header::read(&mut Cursor::new(&text)).unwrap().unwrap()).unwrap();
    header["hash"] = json!(format!("{hash:#x}"));
    for receipt in &mut receipts {
        receipt["blockHash"] = header["hash"].clone();
    }
    json!({"block": header, "receipts": receipts})
}

/// Of a recorded block: the transactions with transfers and nothing else known, and those without logs.
fn quiet_places(recorded: &Value) -> (Vec<usize>, Vec<usize>) {
    let receipts = recorded["receipts"].as_array().unwrap();
    let topics = |at: &usize| -> BTreeSet<&str> {
        let logs = receipts[*at]["logs"].as_array().unwrap().iter();
        logs.map(|log| log["topics"][0].as_str().unwrap_or_default()).collect()
    };
    let all: Vec<usize> = (0..receipts.len()).collect();
    let with_transfers = |at: &usize| topics(at) == BTreeSet::from([TRANSFER_TOPIC]);
    let transfers = all.iter().copied().filter(with_transfers).take(6).collect();
    let none = all.iter().copied().filter(|at| topics(at).is_empty()).take(6).collect();
    (transfers, none)
}

/// Sixteen blocks of which one is busy, one is empty, one has no logs, and the others have transfers alone.
fn chain(bloom: impl Fn(&[Value]) -> Bloom + Copy) -> RecordedNode {
    let mut node = RecordedNode::of_chain(1);
    let recorded = node.blocks[&14_000_002].clone();
    node.blocks.clear();
    let (transfers, no_logs) = quiet_places(&recorded);
    assert!(transfers.len() == 6 && no_logs.len() == 6);
    let all: Vec<usize> = (0..recorded["receipts"].as_array().unwrap().len()).collect();
    let mut parent = format!("0x{}", "11".repeat(32));
    for height in FIRST..=LAST {
        let places = match height - FIRST {
            5 => &all,
            7 => &vec![],
            9 => &no_logs,
            _ => &transfers,
        };
        let block = block(height, &parent, &recorded, places, bloom);
        block["block"]["hash"].as_str().unwrap().clone_into(&mut parent);
        node.blocks.insert(height, block);
    }
    node
}

/// The proof of each block.
fn proofs(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().map(|block| block.attributes[0].1.as_str()).collect()
}

fn trades(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| block.trades.len()).sum()
}

#[test]
fn receipts_are_asked_only_of_blocks_that_may_have_trades() {
    let mut node = chain(bloom_of);
    let all = scan(&mut node, r#"{"raw-receipts":false}"#, LAST).unwrap();
    assert_eq!(node.asked(JSON), 16, "nothing is known of the chain yet");
    assert!(trades(&all) > 10 && proofs(&all).iter().all(|proof| *proof == "receipts"));
    assert_eq!((&node.kept["header-blooms"][..], &node.kept["quiet"][..]), (&b"yes"[..], &b"yes"[..]));
    node.requests.clear();
    let again = scan(&mut node, r#"{"raw-receipts":false}"#, LAST).unwrap();
    // The block without logs has an empty bloom, which is no evidence.
    assert_eq!((node.asked(JSON), node.asked("eth_getBlockByNumber")), (2, 16));
    for (one, other) in all.iter().zip(&again) {
        assert_eq!((&one.hash, &one.trades), (&other.hash, &other.trades));
    }
    let proofs = proofs(&again);
    assert_eq!((proofs[5], proofs[7], proofs[9]), ("receipts", "receipts", "receipts"));
    assert_eq!(proofs.iter().filter(|proof| **proof == "bloom").count(), 13);
    // The same in the consensus encoding.
    node.kept.insert("raw-receipts/7".to_owned(), b"yes".to_vec());
    node.requests.clear();
    assert_eq!(scan(&mut node, "{}", LAST).unwrap(), again);
    assert_eq!((node.asked(JSON), node.asked("debug_getRawReceipts")), (0, 2));
}

#[test]
fn blooms_are_learned_from_the_consensus_encoding_too() {
    let mut node = chain(bloom_of);
    node.kept.insert("raw-receipts/7".to_owned(), b"yes".to_vec());
    scan(&mut node, "{}", LAST).unwrap();
    assert_eq!((&node.kept["header-blooms"][..], node.asked(JSON)), (&b"yes"[..], 0));
}

/// A chain whose headers name other blooms, or none, has all its receipts read.
#[test]
fn a_chain_with_blooms_of_its_own_loses_nothing() {
    let truth = trades(&scan(&mut chain(bloom_of), "{}", LAST).unwrap());
    let blooms: [fn(&[Value]) -> Bloom; 3] = [|_| Bloom::ZERO, |_| Bloom::repeat_byte(0xff), |_| Bloom::repeat_byte(1)];
    for bloom in blooms {
        let mut node = chain(bloom);
        for _ in 0..3 {
            assert_eq!(trades(&scan(&mut node, r#"{"raw-receipts":false}"#, LAST).unwrap()), truth);
        }
        assert_eq!(node.kept["header-blooms"], b"no");
        assert_eq!(node.asked(JSON), 48);
    }
    // Even where it was seen to be right once, an empty bloom is believed of no block that has transactions.
    let mut node = chain(|_| Bloom::ZERO);
    node.kept.extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
    assert_eq!(trades(&scan(&mut node, "{}", LAST).unwrap()), truth);
}

#[test]
fn a_bloom_that_is_changed_does_not_hash() {
    let mut node = chain(bloom_of);
    node.kept.extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
    let transfers = node.blocks[&FIRST]["block"]["logsBloom"].clone();
    node.blocks.get_mut(&BUSY).unwrap()["block"]["logsBloom"] = transfers;
    let blocks = scan(&mut node, "{}", LAST).unwrap();
    assert_eq!(blocks.last().unwrap().height, BUSY - 1, "the blocks below it are returned, and the next scan names it");
    let context = context_in_history("{}", LAST, 7);
    let refused = Evm::scan(&mut node, &context, Span { first: BUSY, last: BUSY });
    assert!(matches!(&refused, Err(Failure::Elsewhere(why)) if why.contains("does not hash")), "{refused:?}");
}

/// At the head one round counts more than bytes, and what is proved in full is proved by its receipts.
#[test]
fn only_history_and_only_the_proof_of_receipts_skip() {
    for (settings, finalized) in [("{}", LAST - 1), (r#"{"verify":"full"}"#, LAST), (r#"{"verify":"hint"}"#, LAST)] {
        let mut node = chain(bloom_of);
        node.kept
            .extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
        let asked = scan(&mut node, settings, finalized);
        let receipts = node.asked(JSON);
        match settings {
            // The transactions of this chain are a part of a block's: they do not have its root. Receipts are asked all the
            // same, but for the block that has none.
            r#"{"verify":"full"}"# => assert!(asked.is_err() && receipts == 15, "{receipts}"),
            _ => assert!(asked.is_ok() && receipts == 16, "{settings}: {receipts}"),
        }
    }
}

/// What a listed router was called for may be a trade without an event.
#[test]
fn a_block_in_which_a_listed_router_is_called_is_read() {
    let mut node = chain(bloom_of);
    node.kept.extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
    let called = node.blocks.get_mut(&(FIRST + 1)).unwrap();
    called["block"]["transactions"][2]["to"] = json!("0x1111111254fb6c44bac0bed2854e76f90643097d");
    scan(&mut node, r#"{"raw-receipts":false}"#, LAST).unwrap();
    assert_eq!(node.asked(JSON), 3);
    // Where the targets are not known, every block with a transfer is read.
    let mut hashes_only = RecordedNode { lacks_transactions: true, ..chain(bloom_of) };
    hashes_only
        .kept
        .extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
    scan(&mut hashes_only, r#"{"raw-receipts":false}"#, LAST).unwrap();
    assert_eq!(hashes_only.asked(JSON), 15);
}

/// A chain that is busy again is asked in one round again.
#[test]
fn a_chain_that_was_quiet_is_asked_in_one_round_once_it_is_busy() {
    let mut node = RecordedNode::of_chain(1);
    node.kept.extend([("header-blooms", b"yes"), ("quiet", b"yes")].map(|(key, yes)| (key.to_owned(), yes.to_vec())));
    let span = Span { first: 14_000_000, last: 14_000_004 };
    for rounds in [2, 1] {
        node.requests.clear();
        Evm::scan(&mut node, &context_in_history(r#"{"raw-receipts":false}"#, span.last, 7), span).unwrap();
        let with_blocks = |request: &&Vec<String>| request.iter().any(|method| method.starts_with("eth_getBlock"));
        assert_eq!(node.requests.iter().filter(with_blocks).count(), rounds);
        assert_eq!(node.kept["quiet"], b"no");
    }
}
