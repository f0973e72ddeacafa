//! Recorded transactions, scanned one by one, and what others know about them.

use crate::node::{RecordedNode, block_of, context, read};
use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Plugin, Span, Trade};
use serde_json::{Value, json};
use solana_plugin::{SOL, Solana};
use std::path::Path;

/// One transaction with what others decoded from it.
pub(crate) struct RecordedTransaction {
    pub(crate) signature: String,
    /// Transaction and meta as a node gave them, in whichever encoding.
    pub(crate) raw: Value,
    /// What another decoder found.
    pub(crate) reference: Value,
    /// What a wallet's accounting found.
    pub(crate) expected: Value,
}

/// All transactions of a file; those recorded in two encodings twice.
pub(crate) fn all(folder: &Path, name: &str) -> Vec<RecordedTransaction> {
    let mut recorded = vec![];
    for entry in read(folder, name).as_array().unwrap() {
        for encoding in ["raw", "rpc_json", "rpc_base64"] {
            let raw = &entry[encoding];
            if raw.is_object() {
                let expected = if entry["expected"].is_null() { &entry["expected_events"] } else { &entry["expected"] };
                recorded.push(RecordedTransaction {
                    signature: entry["signature"].as_str().unwrap().to_owned(),
                    raw: raw.clone(),
                    reference: entry["reference"].clone(),
                    expected: expected.clone(),
                });
            }
        }
    }
    recorded
}

/// The trades of one transaction.
pub(crate) fn trades(raw: &Value) -> Vec<Trade> {
    let entry = json!([{"transaction": raw["transaction"], "meta": raw["meta"], "version": raw["version"]}]);
    let mut node = RecordedNode::default();
    node.blocks.insert(7, block_of("hash7", (6, "hash6"), &entry));
    let scanned = Solana::scan(&mut node, &context(""), Span { first: 7, last: 7 }).unwrap();
    scanned.blocks.into_iter().next().unwrap().trades
}

/// Kind, sold asset and amount, bought asset and amount of a trade.
pub(crate) type TradeSummary = (String, String, u128, String, u128);

/// The summary of a trade.
pub(crate) fn summary(trade: &Trade) -> TradeSummary {
    let raw = |side: &chain_plugin_sdk::Side| from_uint256(side.raw).to::<u128>();
    let (sold, bought) = (&trade.sold, &trade.bought);
    (trade.kind.clone(), sold.asset.clone(), raw(sold), bought.asset.clone(), raw(bought))
}

/// Venue, sold asset and amount, bought asset and amount of a leg.
pub(crate) fn leg_summary(leg: &chain_plugin_sdk::Leg) -> (String, String, u128, String, u128) {
    let raw = |amount: &chain_plugin_sdk::AssetAmount| from_uint256(amount.raw).to::<u128>();
    (leg.venue.clone(), leg.sold.asset.clone(), raw(&leg.sold), leg.bought.asset.clone(), raw(&leg.bought))
}

/// How the tokens of an owner changed, by the recorded balances.
pub(crate) fn balance_change(meta: &Value, owner: &str, mint: &str) -> i128 {
    let sum = |moment: &str| -> i128 {
        let balances = meta[moment].as_array().cloned().unwrap_or_default();
        let ours = balances.iter().filter(|balance| balance["owner"] == owner && balance["mint"] == mint);
        ours.map(|balance| balance["uiTokenAmount"]["amount"].as_str().unwrap().parse::<i128>().unwrap()).sum()
    };
    sum("postTokenBalances") - sum("preTokenBalances")
}

/// The difference between the change of a trader's balance in one asset and what the trades say: zero where nothing happened
/// but what was sold, bought and paid beside.
pub(crate) fn unexplained_change(
    trades: &[Trade],
    meta: &Value,
    sol_change: Option<i128>,
    trader: &str,
    asset: &str,
) -> Option<i128> {
    let signed = |raw| i128::try_from(from_uint256(raw).to::<u128>()).unwrap();
    let mut explained = 0;
    for trade in trades.iter().filter(|trade| trade.trader.address == trader) {
        explained += if trade.bought.asset == asset { signed(trade.bought.raw) } else { 0 };
        explained -= if trade.sold.asset == asset { signed(trade.sold.raw) } else { 0 };
        let beside = trade.fees.iter().filter(|fee| !fee.included && fee.asset == asset);
        explained -= beside.map(|fee| signed(fee.raw)).sum::<i128>();
    }
    let tokens = balance_change(meta, trader, asset);
    let changed = if asset == SOL { tokens + sol_change? } else { tokens };
    Some(changed - explained)
}
