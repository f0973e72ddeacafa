//! `verify = "full"` on recorded blocks: transactions and the senders of trades are proved, and a node that changes any of
//! it is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use evm_plugin::Evm;
use node::{RecordedNode, context};
use serde_json::{Value, json};

const FULL: &str = r#"{"verify":"full"}"#;

fn scan(node: &mut RecordedNode, settings: &str, height: u64) -> Result<Block, Failure> {
    let scanned = Evm::scan(node, &context(settings), Span { first: height, last: height })?;
    Ok(scanned.blocks.into_iter().next().unwrap())
}

fn proof(block: &Block) -> &str {
    &block.attributes[0].1
}

#[test]
fn recorded_blocks_are_proved_in_full_with_the_same_trades() {
    // Ethereum's types 0, 2 and 3, Polygon's state sync, and Arbitrum's own.
    for chain in [1, 137, 42_161] {
        let mut node = RecordedNode::of_chain(chain);
        for height in node.blocks.keys().copied().collect::<Vec<_>>() {
            let believed = scan(&mut node, "{}", height).unwrap();
            let proved = scan(&mut node, FULL, height).unwrap();
            assert_eq!((proof(&believed), proof(&proved)), ("receipts", "full"), "{chain} {height}");
            assert_eq!(proved.trades, believed.trades, "{chain} {height}");
        }
    }
}

#[test]
fn what_a_deposit_needs_and_the_recording_lacks_is_named() {
    // The recordings of Optimism and Base lack the source hash of deposits.
    for (chain, height) in [(10, 107_353_722), (8_453, 2_000_000)] {
        match scan(&mut RecordedNode::of_chain(chain), FULL, height) {
            Err(Failure::Elsewhere(why)) => {
                assert!(why.contains("transaction 0 of block") && why.contains("field"), "{why}");
            }
            other => panic!("{chain}: {other:?}"),
        }
    }
}

/// What comes of a block of Ethereum that a node changed: the transaction of its first trade, and that trade's receipt.
fn changed(change: impl Fn(&mut Value, &mut Value)) -> Result<Block, Failure> {
    const HEIGHT: u64 = 18_000_000;
    let mut node = RecordedNode::of_chain(1);
    let hash = scan(&mut node, "{}", HEIGHT).unwrap().trades[0].transaction.hash.clone();
    let block = node.blocks.get_mut(&HEIGHT).unwrap();
    let at =
        block["receipts"].as_array().unwrap().iter().position(|it| it["transactionHash"] == hash.as_str()).unwrap();
    let (mut transaction, mut receipt) = (block["block"]["transactions"][at].take(), block["receipts"][at].take());
    change(&mut transaction, &mut receipt);
    block["block"]["transactions"][at] = transaction;
    block["receipts"][at] = receipt;
    scan(&mut node, FULL, HEIGHT)
}

#[test]
fn a_changed_transaction_or_sender_is_asked_elsewhere() {
    let other = json!("0x1111111111111111111111111111111111111111");
    let refused = |change: &dyn Fn(&mut Value, &mut Value), expected: &str| match changed(change) {
        Err(Failure::Elsewhere(why)) => assert!(why.contains(expected), "{why}"),
        result => panic!("{expected}: {result:?}"),
    };
    refused(&|_, receipt| receipt["from"] = other.clone(), "sender");
    refused(&|_, receipt| receipt["to"] = other.clone(), "target");
    refused(&|sent, _| sent["value"] = json!("0x1"), "root");
    refused(&|sent, _| sent["input"] = json!("0x"), "root");
    refused(&|sent, _| sent["r"] = json!("0x1"), "root");
    refused(&|sent, _| *sent = sent["hash"].take(), "only its hash");
    refused(&|sent, _| sent["type"] = json!("0x7d"), "type 0x7d");
    refused(&|sent, _| sent["nonce"] = Value::Null, "field");
    // The sender that the transaction's own JSON names proves nothing.
    assert!(changed(|sent, _| sent["from"] = other.clone()).is_ok());
}
