//! Signatures of recorded transactions: with `verify = "full"` what was signed is proved, and what was changed is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on slots")]
mod node;

use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use node::{RecordedNode, block_of, context, fixtures, read};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use solana_plugin::Solana;

/// Changes a transaction; the second is another one's signature.
type Change = fn(&mut Value, &Value);

const RECORDED_SLOT: u64 = 285_000_037;
const FULL: &str = r#"{"verify":"full"}"#;

fn scan(slot: u64, block: Box<RawValue>, settings: &str) -> Result<Block, Failure> {
    let mut node = RecordedNode::default();
    node.blocks.insert(slot, block);
    let scanned = Solana::scan(&mut node, &context(settings), Span { first: slot, last: slot });
    scanned.map(|scanned| scanned.blocks.into_iter().next().unwrap())
}

fn recorded_block() -> Value {
    let text = recordings::read_text("solana/block/block_285000037_json.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn scan_value(block: &Value, settings: &str) -> Result<Block, Failure> {
    scan(RECORDED_SLOT, RawValue::from_string(block.to_string()).unwrap(), settings)
}

fn proof(block: &Block) -> &str {
    &block.attributes.iter().find(|(name, _)| name == "proof").unwrap().1
}

#[test]
fn a_recorded_block_is_what_its_traders_signed() {
    let recorded = recorded_block();
    let believed = scan_value(&recorded, "").unwrap();
    let proved = scan_value(&recorded, FULL).unwrap();
    assert_eq!((proof(&believed), proof(&proved)), ("parents", "signatures"));
    assert!(!proved.trades.is_empty());
    assert_eq!(proved.trades, believed.trades);
}

#[test]
fn whatever_is_changed_in_a_trades_transaction_is_refused() {
    let recorded = recorded_block();
    let trades = scan_value(&recorded, "").unwrap().trades;
    let index = usize::try_from(trades[trades.len() / 2].transaction.index).unwrap();
    let other = recorded["transactions"][index + 1]["transaction"]["signatures"][0].clone();
    let changes: [(&str, Change); 3] = [
        ("its signature", |message, other| message["signatures"][0] = other.clone()),
        ("its lifetime", |message, _| message["message"]["recentBlockhash"] = json!("1".repeat(32))),
        ("a number of its header", |message, _| {
            let number = &mut message["message"]["header"]["numReadonlyUnsignedAccounts"];
            *number = json!(number.as_u64().unwrap() + 1);
        }),
    ];
    for (what, change) in changes {
        let mut changed = recorded.clone();
        change(&mut changed["transactions"][index]["transaction"], &other);
        assert!(scan_value(&changed, "").is_ok(), "{what} is not looked at");
        let Err(Failure::Elsewhere(why)) = scan_value(&changed, FULL) else { panic!("{what} was changed") };
        assert!(why.contains(&format!("transaction {index} is not signed by its account")), "{why}");
    }
}

/// In every encoding that holds what was signed; where it is left out, the block says that it is not proved.
#[test]
fn every_encoding_is_checked_as_far_as_it_goes() {
    let Some(folder) = fixtures() else { return };
    let mut proved = 0;
    let recorded = read(&folder, "transactions-2026/transactions.json");
    for entry in recorded.as_array().unwrap() {
        for encoding in ["rpc_json", "rpc_base64"] {
            let raw = &entry[encoding];
            if !raw.is_object() {
                continue;
            }
            let list = json!([{"transaction": raw["transaction"], "meta": raw["meta"], "version": raw["version"]}]);
            let block = scan(7, block_of("hash7", (6, "hash6"), &list), FULL).unwrap();
            // What is signed in version 1 stands in its bytes only.
            let is_left_out = encoding == "rpc_json" && raw["version"] == 1;
            let expected = if is_left_out && !block.trades.is_empty() { "parents" } else { "signatures" };
            assert_eq!(proof(&block), expected, "{} as {encoding}", entry["signature"]);
            proved += usize::from(!is_left_out) * block.trades.len();
        }
    }
    assert!(proved >= 12, "{proved} trades");
    for entry in read(&folder, "jupiter-events/swaps_jsonparsed.json").as_array().unwrap() {
        let raw = &entry["raw"];
        let list = json!([{"transaction": raw["transaction"], "meta": raw["meta"], "version": raw["version"]}]);
        let block = scan(7, block_of("hash7", (6, "hash6"), &list), FULL).unwrap();
        assert_eq!((proof(&block), block.trades.len()), ("parents", 1), "{}", entry["signature"]);
    }
}
