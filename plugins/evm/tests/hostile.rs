//! Hostile transactions: logs made of any bytes, and real ones bent out of shape. Nothing makes the plugin trap, and what
//! it gives keeps the contract. The same harness feeds the fuzz targets in `fuzz/`, which go on where this stops.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../fuzz/src/harness.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it too")]
mod harness;
#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{Plugin, Span};
use evm_plugin::{Evm, venues};
use node::{RecordedNode, context, read_json};
use recordings::fixtures;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Runs something that must not panic, and says with which seed it did.
fn survives<T>(seed: u64, what: &str, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| panic!("{what}, seed {seed}: the plugin trapped"))
}

/// Hundreds of transactions for each venue; every venue gets as far as trades in some of them, else the harness is blind.
#[test]
fn any_bytes_are_trades_or_nothing_at_every_venue() {
    for venue in venues::VENUES {
        let mut trades = 0;
        for seed in 1..=300 {
            let mut dice = Dice::from_seed(seed);
            let bytes: Vec<u8> = (0..600).map(|_| dice.next().to_le_bytes()[0]).collect();
            trades += survives(seed, venue.signature, || harness::scan(&bytes, &[venue]));
        }
        assert!(trades > 0, "{} never gave a trade", venue.signature);
    }
}

/// The events of these are like no other's: a log without topics, packed words, a pool that is paid from elsewhere.
#[test]
fn venues_with_events_of_their_own_shape_get_as_far_as_legs() {
    use venues::{dex_lite::DEX_LITE, ekubo::EKUBO, euler_swap::EULER_SWAP_V1, euler_swap::EULER_SWAP_V2};
    for venue in [EKUBO, DEX_LITE, EULER_SWAP_V1, EULER_SWAP_V2] {
        let mut legs = 0;
        for seed in 1..=400 {
            let mut dice = Dice::from_seed(seed + 2_000_000);
            let bytes: Vec<u8> = (0..900).map(|_| dice.next().to_le_bytes()[0]).collect();
            let trades = survives(seed, venue.signature, || harness::trades(&bytes, &[venue]));
            legs += trades.iter().flat_map(|trade| &trade.legs).filter(|leg| leg.venue == venue.name).count();
        }
        assert!(legs > 20, "{} {} gave {legs} legs", venue.name, venue.signature);
    }
}

#[test]
fn venues_orders_and_bundles_may_stand_in_one_transaction() {
    let mut trades = 0;
    for seed in 1..=1_000 {
        let mut dice = Dice::from_seed(seed + 1_000_000);
        let bytes: Vec<u8> = (0..900).map(|_| dice.next().to_le_bytes()[0]).collect();
        trades += survives(seed, "all venues", || harness::scan(&bytes, &venues::VENUES));
    }
    assert!(trades > 100, "only {trades} trades");
}

/// Bends one log: what a hostile contract could have sent instead.
fn bend(logs: &mut Vec<Value>, dice: &mut Dice) {
    if logs.is_empty() {
        return;
    }
    let (at, other) = (dice.below(logs.len()), dice.below(logs.len()));
    let words = |log: &Value| log["data"].as_str().unwrap().len().saturating_sub(2) / 64;
    match dice.below(9) {
        0 => logs.swap(at, other),
        1 => logs.insert(at, logs[other].clone()),
        2 => drop(logs.remove(at)),
        3 => logs[at]["address"] = logs[other]["address"].clone(),
        4 => drop(logs[at]["topics"].as_array_mut().unwrap().pop()),
        5 => {
            let data = logs[at]["data"].as_str().unwrap();
            let end = dice.below(data.len() + 1).max(2).min(data.len());
            logs[at]["data"] = json!(data[..end].to_owned());
        }
        6 => {
            let topic = logs[other]["topics"].as_array().unwrap().last().cloned();
            let topics = logs[at]["topics"].as_array_mut().unwrap();
            if let (true, Some(topic)) = (topics.len() < 4, topic) {
                topics.push(topic);
            }
        }
        _ if words(&logs[at]) > 0 => {
            let start = 2 + 64 * dice.below(words(&logs[at]));
            let mut data = logs[at]["data"].as_str().unwrap().to_owned();
            let extremes = ["0".repeat(64), "f".repeat(64), format!("8{}", "0".repeat(63)), format!("{:064x}", 1)];
            data.replace_range(start..start + 64, &extremes[dice.below(4)]);
            logs[at]["data"] = json!(data);
        }
        _ => {}
    }
}

/// Recorded transactions, each bent ten times in one to six places.
#[test]
fn real_transactions_bent_out_of_shape_are_scanned_all_the_same() {
    let Some(folder) = fixtures() else { return };
    let zeros = format!("0x{}", "00".repeat(32));
    let (mut scanned, mut trades) = (0, 0);
    for chain in [1_u64, 10, 56, 137, 8_453, 42_161] {
        let raws = read_json(&folder, &format!("evm/wallet-trades/raw_{chain}.json"));
        for (seed, raw) in (1..).zip(raws.as_array().unwrap()) {
            let mut dice = Dice::from_seed(1_000 * chain + seed);
            for _ in 0..10 {
                let mut receipt = raw["receipt"].clone();
                receipt["transactionIndex"] = json!("0x0");
                for _ in 0..=dice.below(6) {
                    bend(receipt["logs"].as_array_mut().unwrap(), &mut dice);
                }
                let header = json!({
                    "hash": receipt["blockHash"], "parentHash": zeros, "number": "0x1", "timestamp": "0x1",
                    "receiptsRoot": zeros, "logsBloom": "0x", "transactions": [raw["transaction"]],
                });
                let mut node = RecordedNode { chain_id: chain, ..RecordedNode::default() };
                node.pools = node::pools_of(&receipt);
                node.blocks.insert(1, json!({"block": header, "receipts": [receipt]}));
                let context = context(r#"{"verify":"none"}"#);
                let scan = || Evm::scan(&mut node, &context, Span { first: 1, last: 1 });
                // Topics and data of a bent log stay hex, so the block is always readable.
                let blocks = survives(seed, "a bent transaction", scan).unwrap().blocks;
                trades += blocks.iter().map(|block| block.trades.len()).sum::<usize>();
                scanned += 1;
            }
        }
    }
    println!("{scanned} bent transactions, {trades} trades");
    assert!(scanned > 1_000 && trades > scanned / 4, "{scanned} bent transactions, {trades} trades");
}
