//! What moves liquidity, fees or loans is no trade, though its parties give one asset and get another; and a program that
//! nobody vouches for is no venue.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on recorded data")]
mod node;
#[path = "support/swap.rs"]
mod swap;

use chain_plugin_sdk::{Plugin, Span, Trade};
use node::{RecordedNode, block_of, context};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use solana_plugin::Solana;
use swap::{RAYDIUM_AMM, TRADER, VAULT_OWNER, call_within, exchange_in, key, swap, transfer};

const DLMM: &str = "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo";
const RAYDIUM_CLMM: &str = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK";
const WHIRLPOOL: &str = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc";
const DAMM_V2: &str = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG";
const ORCA_V2: &str = "9W959DqEETiGZocYWCQPaJ6sBmUzgfxXfqGeTEdp3aQP";
const JUPITER: &str = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4";
const KAMINO: &str = "KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD";

fn trades(transaction: &Value) -> Vec<Trade> {
    let mut node = RecordedNode::default();
    node.blocks.insert(1_000, block_of("hash1000", (999, "hash999"), &json!([transaction])));
    let scanned = Solana::scan(&mut node, &context(""), Span { first: 1_000, last: 1_000 }).unwrap();
    scanned.blocks.into_iter().next().unwrap().trades
}

fn anchor(name: &str) -> Vec<u8> {
    Sha256::digest(format!("global:{name}"))[..8].to_vec()
}

#[test]
fn liquidity_fees_and_orders_of_a_venue_are_no_trades() {
    let names = [
        (DLMM, "rebalance_liquidity"),
        (DLMM, "remove_liquidity_by_range2"),
        (DLMM, "add_liquidity_by_strategy_one_side"),
        (DLMM, "claim_fee2"),
        (RAYDIUM_CLMM, "open_position_with_token22_nft"),
        (RAYDIUM_CLMM, "decrease_liquidity_v2"),
        (WHIRLPOOL, "reposition_liquidity_v2"),
        (WHIRLPOOL, "collect_fees"),
        (DAMM_V2, "split_position2"),
    ];
    for (program, name) in names {
        assert_eq!(trades(&exchange_in(program, &anchor(name))), [], "{name}");
    }
    for (program, tag) in [(RAYDIUM_AMM, 3), (RAYDIUM_AMM, 4), (RAYDIUM_AMM, 7), (ORCA_V2, 2), (ORCA_V2, 4)] {
        assert_eq!(trades(&exchange_in(program, &[tag, 0, 0])), [], "{program}: {tag}");
    }
}

#[test]
fn swaps_and_what_no_list_knows_are_trades_by_their_transfers() {
    let names = [(DLMM, "swap2"), (WHIRLPOOL, "swap_v2"), (RAYDIUM_CLMM, "swap"), (DLMM, "an_instruction_of_tomorrow")];
    for (program, name) in names {
        assert_eq!(trades(&exchange_in(program, &anchor(name))).len(), 1, "{name}");
    }
    for (program, tag) in [(RAYDIUM_AMM, 9), (RAYDIUM_AMM, 11), (RAYDIUM_AMM, 16), (ORCA_V2, 1)] {
        assert_eq!(trades(&exchange_in(program, &[tag, 0, 0])).len(), 1, "{program}: {tag}");
    }
}

/// The swap's transaction with calls of programs at 9 and 10 around the transfers.
fn calls(top: &str, inner: &[Value], programs: [&str; 2]) -> Value {
    let mut transaction = swap();
    transaction["meta"]["innerInstructions"][0]["instructions"] = inner.to_vec().into();
    let keys = &mut transaction["transaction"]["message"]["accountKeys"];
    (keys[7], keys[9], keys[10]) = (top.into(), programs[0].into(), programs[1].into());
    transaction
}

fn there_and_back(height: u8) -> [Value; 2] {
    [transfer(1, 4, TRADER, 1_000_000_000, height), transfer(5, 2, VAULT_OWNER, 150_000_000, height)]
}

#[test]
fn an_unknown_program_is_a_venue_only_below_a_router() {
    let unknown = key(20);
    let inner = [vec![call_within(9, &[], &[1], 2)], there_and_back(3).to_vec()].concat();
    assert_eq!(trades(&exchange_in(&unknown, &anchor("swap"))), []);
    assert_eq!(trades(&calls(&key(21), &inner, [&unknown, &key(22)])), []);
    assert_eq!(trades(&calls(JUPITER, &inner, [&unknown, &key(22)])).len(), 1);
}

#[test]
fn a_loan_beside_a_pool_is_no_leg() {
    // A program of nobody's crosses a Whirlpool, then calls something that gives and takes.
    let through = |program: &str, data: &[u8]| {
        let first = [vec![call_within(9, &[], &anchor("swap"), 2)], there_and_back(3).to_vec()].concat();
        let second = [vec![call_within(10, &[], data, 2)], there_and_back(3).to_vec()].concat();
        let found = trades(&calls(&key(21), &[first, second].concat(), [WHIRLPOOL, program]));
        found.iter().map(|trade| trade.legs.len()).sum::<usize>()
    };
    assert_eq!(through(&key(20), &anchor("exchange")), 2, "a neighbour that no list knows");
    assert_eq!(through(KAMINO, &anchor("exchange")), 1, "a lender");
    for name in ["borrow_obligation_liquidity", "lending_account_deposit", "liquidate", "deposit"] {
        assert_eq!(through(&key(20), &anchor(name)), 1, "{name}");
    }
}
