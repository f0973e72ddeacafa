//! Whatever an endpoint responds, a scan ends with blocks or with a failure, never with a panic.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/src/harness.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it too")]
mod harness;
#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on recorded data")]
mod node;

use chain_plugin_sdk::{Plugin, Span};
use harness::OneBlock;
use node::{context, fixtures};
use proptest::prelude::*;
use serde_json::Value;
use solana_plugin::Solana;
use std::sync::OnceLock;

fn trades_in_response(response: Vec<u8>) -> Option<usize> {
    let scanned = Solana::scan(&mut OneBlock(response), &context(""), Span { first: 7, last: 7 }).ok()?;
    Some(scanned.blocks.iter().map(|block| block.trades.len()).sum())
}

fn response(transactions: &[&str]) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","result":{{"blockhash":"h7","previousBlockhash":"h6","parentSlot":6,"blockTime":1,"transactions":[{}]}},"id":0}}"#,
        transactions.join(",")
    )
}

/// Recorded transactions of many kinds; a made-up one where none are recorded.
fn recorded() -> &'static [String] {
    static RECORDED: OnceLock<Vec<String>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let made_up = r#"{"transaction":{"signatures":["s"],"message":{"header":{"numRequiredSignatures":1},"accountKeys":["a","b","6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"],"instructions":[{"programIdIndex":2,"accounts":[0,1],"data":"3Bxs4h24hBtQy9rw"}]}},"meta":{"err":null,"fee":5000,"preBalances":[9,9,1],"postBalances":[8,9,1],"innerInstructions":[],"preTokenBalances":[],"postTokenBalances":[]}}"#;
        let mut all = vec![made_up.to_owned()];
        let Some(folder) = fixtures() else { return all };
        let files = [
            ("transactions-2026/transactions.json", "rpc_json"),
            ("launchpads/transactions.json", "raw"),
            ("wallet-trades/swaps.json", "raw"),
        ];
        for (name, part) in files {
            for entry in node::read(&folder, name).as_array().unwrap() {
                let raw: &Value = &entry[part];
                if raw.is_object() {
                    all.push(raw.to_string());
                }
            }
        }
        all
    })
}

/// Values that may replace any other.
const ODD_VALUES: [&str; 12] =
    ["null", "[]", "{}", "-1", "255", "65536", "1e99", "\"\"", "\"0\"", "18446744073709551616", "[[]]", "true"];

/// Replaces one value of a JSON text; counts down to it through all values.
fn replace_value(value: &mut Value, mut at: usize, odd: &Value) -> usize {
    if at == 0 {
        *value = odd.clone();
        return usize::MAX;
    }
    at -= 1;
    let inner: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(all) => Box::new(all.iter_mut()),
        Value::Object(all) => Box::new(all.values_mut()),
        _ => return at,
    };
    for value in inner {
        at = replace_value(value, at, odd);
        if at == usize::MAX {
            break;
        }
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_end_in_blocks_or_a_failure(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        trades_in_response(bytes);
    }

    #[test]
    fn broken_texts_end_in_blocks_or_a_failure(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = response(&[which.get(recorded()).as_str()]).into_bytes();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        trades_in_response(bytes);
    }

    #[test]
    fn odd_values_end_in_blocks_or_a_failure(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0_usize..2_000, 0..ODD_VALUES.len()), 1..5),
    ) {
        let mut value: Value = serde_json::from_str(which.get(recorded()).as_str()).unwrap();
        for (at, odd) in changes {
            replace_value(&mut value, at, &serde_json::from_str(ODD_VALUES[odd]).unwrap_or(Value::Null));
        }
        trades_in_response(response(&[&value.to_string()]).into_bytes());
    }

    #[test]
    fn other_numbers_end_in_blocks_or_a_failure(
        which in any::<prop::sample::Index>(),
        draws in prop::collection::vec(any::<u64>(), 1..40),
    ) {
        fn draw(value: &mut Value, draws: &mut impl Iterator<Item = u64>) {
            match value {
                Value::Number(number) if number.is_u64() => *value = (draws.next().unwrap() % 40).into(),
                Value::Array(all) => all.iter_mut().for_each(|value| draw(value, draws)),
                Value::Object(all) => all.values_mut().for_each(|value| draw(value, draws)),
                _ => {}
            }
        }
        let mut value: Value = serde_json::from_str(which.get(recorded()).as_str()).unwrap();
        draw(&mut value, &mut draws.into_iter().cycle());
        trades_in_response(response(&[&value.to_string()]).into_bytes());
    }
}

/// Thousands of transactions of the fuzz targets' harness. Some must become trades, or the harness would test nothing.
#[test]
fn any_calls_keep_the_contract() {
    let mut state = 7_u64;
    let mut trades = 0;
    for _ in 0..3_000 {
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        let bytes: Vec<u8> = (0..700).map(|_| draw()).collect();
        trades += harness::scan(&bytes);
    }
    assert!(trades > 300, "{trades} trades in 3,000 transactions");
}

#[test]
fn unbroken_transactions_are_read() {
    let all: Vec<&str> = recorded().iter().map(String::as_str).collect();
    assert!(trades_in_response(response(&all).into_bytes()).is_some());
}
