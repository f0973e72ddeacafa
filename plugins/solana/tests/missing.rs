//! What a node did not record is not empty: a block that lacks something is refused for that endpoint, unless it can
//! matter nothing. Other forms of the same JSON are read.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on recorded data")]
mod node;
#[path = "support/swap.rs"]
mod swap;

use chain_plugin_sdk::{Block, Failure, Plugin, Span};
use node::{RecordedNode, block_of, context};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use solana_plugin::Solana;
use swap::{SIGNATURE, swap, top_call};

const SLOT: u64 = 1_000;

fn scan_text(text: String) -> Result<Block, Failure> {
    let mut node = RecordedNode::default();
    node.blocks.insert(SLOT, RawValue::from_string(text).unwrap());
    let scanned = Solana::scan(&mut node, &context(""), Span { first: SLOT, last: SLOT })?;
    Ok(scanned.blocks.into_iter().next().unwrap())
}

fn scan_block(block: &Value) -> Result<Block, Failure> {
    scan_text(block.to_string())
}

fn block(transaction: &Value) -> Value {
    serde_json::from_str(block_of("hash1000", (999, "hash999"), &json!([transaction])).get()).unwrap()
}

fn scan(transaction: &Value) -> Result<Block, Failure> {
    scan_block(&block(transaction))
}

/// The transaction with one value changed, by its pointer; the value is left out where it is none.
fn with(mut transaction: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = transaction.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Array(all), Some(value)) => all[name.parse::<usize>().unwrap()] = value,
        (Value::Object(all), Some(value)) => drop(all.insert(name.to_owned(), value)),
        (Value::Object(all), None) => drop(all.remove(name).unwrap()),
        _ => panic!("{pointer}"),
    }
    transaction
}

/// A version 0 transaction whose vaults come from a lookup table.
fn swap_with_lookups() -> Value {
    let mut transaction = swap();
    let message = &mut transaction["transaction"]["message"];
    // The accounts stay where they are: those of the table come last.
    let keys = message["accountKeys"].as_array_mut().unwrap();
    let looked_up: Vec<Value> = keys.drain(keys.len() - 2..).collect();
    message["addressTableLookups"] =
        json!([{"accountKey": "11111111111111111111111111111113", "writableIndexes": [4], "readonlyIndexes": [7]}]);
    transaction["meta"]["loadedAddresses"] = json!({"writable": [looked_up[0]], "readonly": [looked_up[1]]});
    transaction
}

#[test]
fn a_whole_swap_is_a_trade() {
    for transaction in [swap(), swap_with_lookups()] {
        let block = scan(&transaction).unwrap();
        assert_eq!(block.trades.len(), 1);
        assert_eq!((block.trades[0].sold.raw.limb0, block.trades[0].bought.raw.limb0), (1_000_000_000, 150_000_000));
        assert_eq!(block.attributes, [("proof".to_owned(), "parents".to_owned())]);
    }
}

fn assert_refused(transaction: &Value, field: &str) {
    let why = match scan(transaction) {
        Err(Failure::Elsewhere(why)) => why,
        other => panic!("{field}: {other:?}"),
    };
    for part in ["slot 1000", SIGNATURE, field] {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
    assert!(!why.contains("yet"), "{why}");
}

#[test]
fn what_is_missing_is_not_empty() {
    let fields = [
        ("/meta", "meta"),
        ("/meta/err", "err"),
        ("/meta/fee", "fee"),
        ("/meta/innerInstructions", "innerInstructions"),
        ("/meta/preTokenBalances", "preTokenBalances"),
        ("/meta/postTokenBalances", "postTokenBalances"),
        ("/meta/preBalances", "preBalances"),
        ("/meta/postBalances", "postBalances"),
        ("/meta/loadedAddresses", "loadedAddresses"),
        ("/transaction/message/header", "message.header"),
        ("/transaction/message/instructions/0/data", "instruction.data"),
        ("/transaction/message/instructions/0/accounts", "instruction.accounts"),
        ("/transaction/message/instructions/0/programIdIndex", "instruction.programIdIndex"),
        ("/meta/innerInstructions/0/instructions/0/accounts", "instruction.accounts"),
        ("/meta/innerInstructions/0/instructions/0/data", "instruction.data"),
    ];
    for (pointer, field) in fields {
        assert_refused(&with(swap_with_lookups(), pointer, None), field);
        // A null `err` means success.
        if pointer != "/meta/err" {
            assert_refused(&with(swap_with_lookups(), pointer, Some(Value::Null)), field);
        }
    }
}

#[test]
fn what_contradicts_itself_is_not_whole() {
    let empty = Some(json!([]));
    let cases = [
        // Token balances change by calls of a token program only.
        ("/meta/innerInstructions", empty.clone(), "innerInstructions"),
        ("/meta/innerInstructions/0/instructions", empty.clone(), "innerInstructions"),
        ("/meta/innerInstructions/0/index", Some(json!(3)), "message.instructions"),
        ("/meta/preBalances", empty.clone(), "preBalances"),
        ("/meta/loadedAddresses/writable", empty.clone(), "loadedAddresses"),
        ("/meta/innerInstructions/0/instructions/0/accounts", Some(json!([1, 40, 0])), "loadedAddresses"),
        ("/meta/innerInstructions/0/instructions/0/programIdIndex", Some(json!(40)), "loadedAddresses"),
        ("/meta/preTokenBalances/0/accountIndex", Some(json!(40)), "loadedAddresses"),
    ];
    for (pointer, value, field) in cases {
        assert_refused(&with(swap_with_lookups(), pointer, value), field);
    }
    // Tokens move between token accounts, whose balances are recorded.
    let without = with(swap(), "/meta/preTokenBalances", empty.clone());
    assert_refused(&with(without, "/meta/postTokenBalances", empty), "preTokenBalances");
}

#[test]
fn a_block_without_its_transactions_is_refused() {
    for missing in
        [with(block(&swap()), "/transactions", None), with(block(&swap()), "/transactions", Some(Value::Null))]
    {
        let refused = scan_block(&missing);
        assert!(
            matches!(&refused, Err(Failure::Elsewhere(why)) if why.contains("slot 1000") && why.contains("transactions")),
            "{refused:?}"
        );
    }
    let empty = scan_block(&with(block(&swap()), "/transactions", Some(json!([])))).unwrap();
    assert_eq!(empty.trades, []);
}

#[test]
fn what_is_missing_may_matter_nothing() {
    let failed = with(swap(), "/meta/err", Some(json!({"InstructionError": [0, {"Custom": 1}]})));
    let vote =
        with(swap(), "/transaction/message/accountKeys/7", Some("Vote111111111111111111111111111111111111111".into()));
    let payment = with(swap(), "/transaction/message/accountKeys/7", Some("11111111111111111111111111111111".into()));
    for field in ["innerInstructions", "preTokenBalances", "postTokenBalances", "loadedAddresses"] {
        for transaction in [&failed, &vote, &payment] {
            let transaction = with(transaction.clone(), &format!("/meta/{field}"), Some(Value::Null));
            assert_eq!(scan(&transaction).unwrap().trades, [], "{field}");
        }
    }
    for transaction in [vote, payment] {
        assert_eq!(scan(&with(transaction, "/meta", Some(Value::Null))).unwrap().trades, []);
    }
    // Legacy transactions have no lookup tables.
    assert_eq!(scan(&with(swap(), "/meta/loadedAddresses", None)).unwrap().trades.len(), 1);
    // The older form of `err`.
    let old = with(with(swap(), "/meta/err", None), "/meta/status", Some(json!({"Ok": null})));
    assert_eq!(scan(&old).unwrap().trades.len(), 1);
    let old = with(with(swap(), "/meta/err", None), "/meta/status", Some(json!({"Err": "AccountInUse"})));
    assert_eq!(scan(&old).unwrap().trades, []);
}

#[test]
fn other_forms_of_the_same_values_are_read() {
    let expected = scan(&swap()).unwrap();
    let forms = [
        ("/meta/fee", json!("5000")),
        ("/meta/preBalances/0", json!("2039280")),
        ("/meta/preTokenBalances/0/accountIndex", json!("1")),
        ("/meta/preTokenBalances/0/uiTokenAmount/amount", json!(2_000_000_000_u64)),
        ("/meta/preTokenBalances/0/uiTokenAmount/decimals", json!("9")),
        ("/meta/innerInstructions/0/index", json!("0")),
        ("/meta/innerInstructions/0/instructions/0/programIdIndex", json!("8")),
        ("/meta/innerInstructions/0/instructions/0/stackHeight", json!("2")),
        ("/meta/innerInstructions/0/instructions/0/stackHeight", Value::Null),
        ("/meta/innerInstructions/0/instructions/0/accounts", json!(["1", "4", "0"])),
        ("/transaction/message/header/numRequiredSignatures", json!("1")),
        ("/transaction/message/addressTableLookups", Value::Null),
        ("/transaction/message/addressTableLookups", json!([])),
        ("/meta/logMessages", Value::Null),
        ("/meta/rewards", Value::Null),
        ("/version", Value::Null),
        ("/version", json!(0)),
    ];
    for (pointer, value) in forms {
        assert_eq!(scan(&with(swap(), pointer, Some(value.clone()))).unwrap(), expected, "{pointer}: {value}");
    }
    for (pointer, value) in [("/parentSlot", json!("999")), ("/blockTime", json!("1700000000"))] {
        assert_eq!(scan_block(&with(block(&swap()), pointer, Some(value))).unwrap(), expected, "{pointer}");
    }
    // An amount that is no number is not zero.
    for odd in [json!("much"), json!(""), json!(-1), json!(1.5), Value::Null] {
        let odd = with(swap(), "/meta/preTokenBalances/0/uiTokenAmount/amount", Some(odd));
        assert!(matches!(scan(&odd), Err(Failure::Elsewhere(_))), "{odd}");
    }
}

#[test]
fn the_calls_within_may_be_listed_in_any_order() {
    let mut transaction = swap();
    // A call that moves nothing comes first; the calls of the swap belong to the second instruction.
    let calls = transaction["transaction"]["message"]["instructions"].as_array_mut().unwrap();
    calls.insert(0, top_call(8, &[1], &[17]));
    transaction["meta"]["innerInstructions"][0]["index"] = json!(1);
    let expected = scan(&transaction).unwrap();
    assert_eq!(expected.trades.len(), 1);
    let inner = transaction["meta"]["innerInstructions"].as_array_mut().unwrap();
    inner.push(json!({"index": 0, "instructions": []}));
    assert_eq!(scan(&transaction).unwrap(), expected);
}
