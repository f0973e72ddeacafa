//! Recorded transactions and a recorded block: trades agree with what others found, and with the traders' balances.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
#[expect(dead_code, reason = "shared with the tests on slots")]
mod node;
#[path = "support/recorded.rs"]
mod recorded;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain_plugin_sdk::{Plugin, Span, Trade};
use node::{RecordedNode, context, fixtures};
use recorded::{TradeSummary, all, change_aside, leg_summary, summary, trades, unexplained_change};
use recordings::Truth;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use solana_plugin::{SOL, Solana, base58};
use std::collections::BTreeMap;

const RECORDED_SLOT: u64 = 285_000_037;

fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// Decimal text with a known number of fractional digits, in the smallest unit.
fn raw(amount: &str, decimals: usize) -> u128 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{fraction:0<decimals$}").parse().unwrap()
}

/// Every hop that Jupiter reports is a leg with exactly these amounts.
fn assert_hops(events: &[Value], trades: &[Trade], signature: &str) {
    let legs: Vec<_> = trades.iter().flat_map(|trade| &trade.legs).map(leg_summary).collect();
    for event in events {
        let event = if event["data"].is_object() { &event["data"] } else { event };
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let (sold, bought) = (text("inputMint"), text("outputMint"));
        let (given, got) = (number(&event["inputAmount"]), number(&event["outputAmount"]));
        let is_hop = |leg: &&(String, String, u128, String, u128)| leg.1 == sold && leg.3 == bought;
        let exact = legs.iter().find(|leg| is_hop(leg) && leg.2 == given && leg.4 == got);
        // Jupiter's input to Pump.fun contains the protocol's fee, which is paid beside; its input to Phoenix contains
        // what is less than a lot and stays with the trader.
        let takes_less =
            |leg: &&(String, String, u128, String, u128)| ["pump-fun", "phoenix"].contains(&leg.0.as_str());
        let beside = legs.iter().find(|leg| is_hop(leg) && takes_less(leg) && leg.2 <= given && leg.4 == got);
        assert!(exact.or(beside).is_some(), "{signature}: {event} among {legs:#?}");
    }
}

#[test]
fn a_wallets_accounting_has_the_same_trades() {
    let Some(folder) = fixtures() else { return };
    for recorded in all(&folder, "wallet-trades/swaps.json") {
        let found = trades(&recorded.raw);
        assert_eq!(found.len(), 1, "{}", recorded.signature);
        let swaps: Vec<&Value> =
            recorded.expected.as_array().unwrap().iter().filter(|event| event["cls"] == "SolanaSwapEvent").collect();
        let side = |kind: &str| {
            let event = swaps.iter().find(|event| event["subtype"] == kind).unwrap();
            assert_eq!(event["account"], found[0].trader.address.as_str(), "{}", recorded.signature);
            let asset = event["asset"].as_str().unwrap().trim_start_matches("solana/token:").replace("SOL", SOL);
            let side = if kind == "SPEND" { &found[0].sold } else { &found[0].bought };
            let raw = raw(event["amount"].as_str().unwrap(), usize::from(side.decimals.unwrap()));
            (asset, raw)
        };
        let ((sold, given), (bought, got)) = (side("SPEND"), side("RECEIVE"));
        let expected: TradeSummary = ("swap".to_owned(), sold, given, bought, got);
        assert_eq!(summary(&found[0]), expected, "{}", recorded.signature);
        if let Some(fee) = swaps.iter().find(|event| event["subtype"] == "FEE") {
            let paid = raw(fee["amount"].as_str().unwrap(), usize::from(found[0].sold.decimals.unwrap()));
            let fees = found[0].fees.iter().filter(|fee| fee.asset == found[0].sold.asset);
            let fees: Vec<u64> = fees.map(|fee| fee.raw.limb0).collect();
            assert!(fees.iter().any(|fee| u128::from(*fee) == paid), "{}: {fees:?}", recorded.signature);
        }
    }
}

#[test]
fn without_a_swap_there_is_no_trade() {
    let Some(folder) = fixtures() else { return };
    for name in ["wallet-trades/negatives.json", "wallet-swaps/other.json"] {
        for recorded in all(&folder, name) {
            let found: Vec<TradeSummary> = trades(&recorded.raw).iter().map(summary).collect();
            assert_eq!(found, [], "{}", recorded.signature);
        }
    }
}

#[test]
fn jupiter_reports_the_same_hops() {
    let Some(folder) = fixtures() else { return };
    for recorded in all(&folder, "jupiter-events/swaps_jsonparsed.json") {
        let found = trades(&recorded.raw);
        assert_eq!(found.len(), 1, "{}", recorded.signature);
        let events = recorded.expected.as_array().unwrap();
        assert_eq!(found[0].legs.len(), events.len(), "{}", recorded.signature);
        assert_hops(events, &found, &recorded.signature);
        assert_eq!(found[0].attributes, [("router".to_owned(), "jupiter-v6".to_owned())]);
    }
}

#[test]
fn wallets_show_the_same_direction() {
    let Some(folder) = fixtures() else { return };
    for recorded in all(&folder, "wallet-swaps/swaps.json") {
        let found = trades(&recorded.raw);
        assert_eq!(found.len(), 1, "{}", recorded.signature);
        let named = |side: &str| {
            let all = recorded.expected[side].as_array().unwrap();
            let kinds = all.iter().map(|entry| entry["asset"]["type"].as_str().unwrap());
            kinds.map(|kind| kind.rsplit(':').next().unwrap().replace("501", SOL)).collect::<Vec<_>>()
        };
        assert!(named("from").contains(&found[0].sold.asset), "{}", recorded.signature);
        assert!(named("to").contains(&found[0].bought.asset), "{}", recorded.signature);
        assert_hops(recorded.reference["jupiterSwapEvents"].as_array().unwrap(), &found, &recorded.signature);
    }
}

/// A transaction is the same trade in every encoding.
#[test]
fn encodings_agree() {
    let Some(folder) = fixtures() else { return };
    let mut by_signature: BTreeMap<String, Vec<Vec<Trade>>> = BTreeMap::new();
    for recorded in all(&folder, "transactions-2026/transactions.json") {
        let found = by_signature.entry(recorded.signature.clone()).or_default();
        found.push(trades(&recorded.raw));
        // The same bytes in the encoding that nodes gave before base64.
        if let Some(text) = recorded.raw["transaction"][0].as_str() {
            let bytes = STANDARD.decode(text).unwrap();
            let mut raw = recorded.raw.clone();
            raw["transaction"] = json!([base58::encode(&bytes), "base58"]);
            found.push(trades(&raw));
        }
    }
    for (signature, found) in &by_signature {
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{signature}");
    }
    assert_eq!(by_signature.values().filter(|found| found.len() == 3).count(), 12);
}

/// Failed transactions are no trades; every other one is compared with the balances.
#[test]
fn transactions_of_many_venues_add_up() {
    let Some(folder) = fixtures() else { return };
    let (mut exact, mut other, mut truth) = (0, vec![], Truth::of("solana/transactions"));
    for name in [
        "transactions-2026/transactions.json",
        "transactions-2026/pumpfun_create.json",
        "wallet-trades/swaps.json",
        "wallet-trades/unlabelled_dex.json",
        "launchpads/transactions.json",
        "jupiter-events/swaps_jsonparsed.json",
    ] {
        for recorded in all(&folder, name) {
            let found = trades(&recorded.raw);
            assert!(found.is_empty() || recorded.reference["err"].is_null(), "{}", recorded.signature);
            assert_pump(&recorded.reference, &found);
            let transaction = (&recorded.readable, &recorded.raw["meta"]);
            reconcile(&found, transaction, &recorded.reference, &mut exact, &mut other, &mut truth);
        }
    }
    println!("{exact} sides exact");
    // What was bought there goes into a standing order at once.
    let passed_on =
        "58F9fNP78FiB swap EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v: -34852339, legs [\"meteora-dlmm\"]";
    assert_eq!(other, [passed_on]);
    assert!(exact >= 100, "{exact}");
}

/// The amounts in the bonding curve's events are the amounts of legs.
fn assert_pump(reference: &Value, found: &[Trade]) {
    let legs: Vec<_> = found.iter().flat_map(|trade| &trade.legs).map(leg_summary).collect();
    if !reference["err"].is_null() {
        return;
    }
    for event in reference["pumpTradeEvents"].as_array().unwrap() {
        let (native, token) = (number(&event["solAmount"]), number(&event["tokenAmount"]));
        let mint = event["mint"].as_str().unwrap();
        let is_it = |leg: &&(String, String, u128, String, u128)| {
            let (ours, theirs) = if event["isBuy"] == true {
                ((&leg.1, leg.2), (&leg.3, leg.4))
            } else {
                ((&leg.3, leg.4), (&leg.1, leg.2))
            };
            let paid = native == 0 || (ours.0 == SOL && ours.1 == native);
            leg.0 == "pump-fun" && paid && theirs == (&mint.to_owned(), token)
        };
        assert!(legs.iter().any(|leg| is_it(&leg)), "{}: {event} among {legs:#?}", reference["signature"]);
    }
}

/// Compares each side of each trade with the trader's balance, deposits and payments aside.
fn reconcile(
    found: &[Trade],
    (transaction, meta): (&Value, &Value),
    reference: &Value,
    exact: &mut usize,
    other: &mut Vec<String>,
    truth: &mut Truth,
) {
    for trade in found {
        let trader = &trade.trader.address;
        let pays = reference["feePayer"] == trader.as_str();
        let native = reference["solDelta"].as_str().map(|delta| delta.parse::<i128>().unwrap()).filter(|_| pays);
        let native = native.map(|change| change - change_aside(found, transaction, meta, trader));
        for asset in [&trade.sold.asset, &trade.bought.asset] {
            let unexplained = unexplained_change(found, meta, native, trader, asset);
            if let Some(missing) = unexplained {
                truth.count(
                    "sides equal to the trader's balance, deposits and payments aside",
                    &trade.trader.evidence,
                    missing == 0,
                );
            }
            match unexplained {
                Some(0) => *exact += 1,
                Some(missing) => {
                    let signature = &trade.transaction.hash[..12];
                    other.push(format!("{signature} {} {asset}: {missing}, legs {:?}", trade.kind, venues(trade)));
                }
                None => {}
            }
        }
    }
}

fn venues(trade: &Trade) -> Vec<&str> {
    trade.legs.iter().map(|leg| leg.venue.as_str()).collect()
}

/// The trades of the whole recorded block.
fn scan_block(text: String) -> Vec<Trade> {
    let mut node = RecordedNode::default();
    node.blocks.insert(RECORDED_SLOT, RawValue::from_string(text).unwrap());
    let scanned = Solana::scan(&mut node, &context(""), Span { first: RECORDED_SLOT, last: RECORDED_SLOT }).unwrap();
    scanned.blocks.into_iter().next().unwrap().trades
}

#[test]
fn a_whole_block_holds_what_others_found_in_it() {
    let block = recordings::read_text("solana/block/block_285000037_json.json").unwrap();
    let found = scan_block(block.clone());
    let mut by_signature: BTreeMap<&str, Vec<Trade>> = BTreeMap::new();
    for trade in &found {
        by_signature.entry(&trade.transaction.hash).or_default().push(trade.clone());
    }
    let text = recordings::read_text("solana/block/reference_285000037.jsonl").unwrap();
    let block: Value = serde_json::from_str(&block).unwrap();
    let (mut exact, mut other, mut missed) = (0, vec![], vec![]);
    let mut truth = Truth::of("solana/block");
    for line in text.lines() {
        let reference: Value = serde_json::from_str(line).unwrap();
        let signature = reference["signature"].as_str().unwrap();
        let trades = by_signature.remove(signature).unwrap_or_default();
        if !reference["err"].is_null() {
            assert!(trades.is_empty(), "{signature} failed");
            continue;
        }
        assert_pump(&reference, &trades);
        assert_hops(reference["jupiterSwapEvents"].as_array().unwrap(), &trades, signature);
        assert_raydium(&reference, &trades);
        let recorded = &block["transactions"][usize::try_from(reference["index"].as_u64().unwrap()).unwrap()];
        let transaction = (&recorded["transaction"], &recorded["meta"]);
        reconcile(&trades, transaction, &reference, &mut exact, &mut other, &mut truth);
        if trades.is_empty() {
            missed.push(format!("{} {} {}", &signature[..12], reference["dexOuter"], reference["dexInner"]));
        }
    }
    println!("{exact} sides exact");
    assert!(other.is_empty(), "{other:#?}");
    println!("no trade in:\n{}", missed.join("\n"));
    println!(
        "not in the reference: {:#?}",
        by_signature
            .values()
            .flatten()
            .map(|trade| (&trade.transaction.hash[..12], summary(trade), venues(trade)))
            .collect::<Vec<_>>()
    );
    assert!(exact >= 201, "{exact}");
}

/// The amounts in the logs of Raydium's AMM are the amounts of legs.
fn assert_raydium(reference: &Value, found: &[Trade]) {
    let legs: Vec<_> = found.iter().flat_map(|trade| &trade.legs).map(leg_summary).collect();
    for log in reference["rayLogs"].as_array().unwrap() {
        let amounts = (number(&log["amountIn"]), number(&log["amountOut"]));
        let is_it =
            |leg: &&(String, String, u128, String, u128)| leg.0 == "raydium-amm-v4" && (leg.2, leg.4) == amounts;
        assert!(legs.iter().any(|leg| is_it(&leg)), "{}: {log} among {legs:#?}", reference["signature"]);
    }
}
