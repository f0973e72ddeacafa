//! Recorded transactions of wallets on nine chains, held against what a wallet accountant says was traded: the trader,
//! both assets, both amounts. Every difference stands in a table of WALLETS.md, with its reason.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Plugin, Side, Span, Trade};
use evm_plugin::Evm;
use node::{PoolFacts, RecordedNode, TRANSFER_TOPIC, context, read_json};
use recordings::{Truth, fixtures};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Chains, and what wraps their native coin where the plugin does not know.
const CHAINS: [(u64, &str); 9] = [
    (1, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
    (10, "0x4200000000000000000000000000000000000006"),
    (56, "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"),
    (100, "0xe91d153e0b41518a2ce8dd3d7944fa863463a97d"),
    (137, "0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270"),
    (999, "0x5555555555555555555555555555555555555555"),
    (8_453, "0x4200000000000000000000000000000000000006"),
    (42_161, "0x82af49447d8a07e3bd95bd0d56f35241523fbab1"),
    (534_352, "0x5300000000000000000000000000000000000004"),
];

/// The native coin of Polygon, which is a contract too.
const POLYGON_NATIVE: &str = "0x0000000000000000000000000000000000001010";

/// A node with one block per transaction.
fn node_of(chain_id: u64, raws: &[&Value]) -> RecordedNode {
    let mut node = RecordedNode { chain_id, ..RecordedNode::default() };
    for (height, raw) in (1..).zip(raws) {
        let mut receipt = raw["receipt"].clone();
        receipt["transactionIndex"] = json!("0x0");
        let zeros = format!("0x{}", "00".repeat(32));
        let header = json!({
            "hash": receipt["blockHash"], "parentHash": zeros, "number": format!("{height:#x}"), "timestamp": "0x1",
            "receiptsRoot": zeros, "logsBloom": "0x", "transactions": [raw["transaction"]],
        });
        for (pool, facts) in pools(&receipt) {
            node.pools.entry(pool).or_insert(facts);
        }
        node.blocks.insert(height, json!({"block": header, "receipts": [receipt]}));
    }
    node
}

/// What pools of two tokens would say: the tokens that moved with a pool, in the order that pools keep them.
fn pools(receipt: &Value) -> BTreeMap<String, PoolFacts> {
    let logs = receipt["logs"].as_array().unwrap();
    let mut pools = BTreeMap::new();
    for log in
        logs.iter().filter(|log| log["topics"].as_array().unwrap().len() == 3 && log["topics"][0] != TRANSFER_TOPIC)
    {
        let pool = log["address"].as_str().unwrap().to_lowercase();
        let data = log["data"].as_str().unwrap().trim_start_matches("0x").to_owned();
        let mut tokens: Vec<(bool, String)> = vec![];
        for moved in
            logs.iter().filter(|log| log["topics"][0] == TRANSFER_TOPIC && log["topics"].as_array().unwrap().len() == 3)
        {
            let party = |at: usize| format!("0x{}", &moved["topics"][at].as_str().unwrap()[26..]);
            let amount = moved["data"].as_str().unwrap().trim_start_matches("0x");
            if party(1) == pool || party(2) == pool {
                // Negative amounts are written as their complement.
                let negative = amount.len() == 64 && data.contains(&complement(amount));
                let stated = data.contains(amount) || negative;
                tokens.push((!stated, moved["address"].as_str().unwrap().to_lowercase()));
            }
        }
        tokens.sort();
        let mut seen = BTreeSet::new();
        tokens.retain(|(_, token)| seen.insert(token.clone()));
        let stated: Vec<String> = tokens.into_iter().map(|(_, token)| token).collect();
        if let Some([first, second]) = in_order(logs, &pool, &data, &stated) {
            pools.insert(pool, PoolFacts { tokens: [Some(first), Some(second)] });
        }
    }
    pools
}

/// Two of the tokens, in the order that pools keep them: one that came in and one that went out, such that the event's
/// first amount is of the first. (A token may go by two contracts that tell the same transfer; only one of them is the
/// pool's.)
fn in_order(logs: &[Value], pool: &str, data: &str, tokens: &[String]) -> Option<[String; 2]> {
    let came = |token: &String| {
        let is_in = |log: &&Value| {
            let topics = log["topics"].as_array().unwrap();
            topics.len() == 3 && topics[0] == TRANSFER_TOPIC && topics[2].as_str().unwrap()[26..] == pool[2..]
        };
        logs.iter().filter(is_in).any(|log| log["address"].as_str().unwrap().to_lowercase() == *token)
    };
    let first_came = !data.starts_with('f') && !data.starts_with(&"0".repeat(64));
    let mut pairs = vec![];
    for (at, one) in tokens.iter().enumerate() {
        for two in &tokens[at + 1..] {
            let pair = if one < two { [one.clone(), two.clone()] } else { [two.clone(), one.clone()] };
            pairs.push((came(&pair[0]) == first_came && came(&pair[0]) != came(&pair[1]), pair));
        }
    }
    let fitting = pairs.iter().find(|(fits, _)| *fits).or(pairs.first());
    fitting.map(|(_, pair)| pair.clone())
}

fn complement(digits: &str) -> String {
    let value = alloy_primitives::U256::from_str_radix(digits, 16).unwrap();
    format!("{:064x}", value.wrapping_neg())
}

fn trades(chain: u64, wrapped: &str, raws: &[&Value]) -> Vec<Vec<Trade>> {
    let mut node = node_of(chain, raws);
    let settings = json!({"verify": "none", "wrapped": wrapped}).to_string();
    let scan = |height| {
        let scanned = Evm::scan(&mut node, &context(&settings), Span { first: height, last: height }).unwrap();
        scanned.blocks.into_iter().flat_map(|block| block.trades).collect()
    };
    (1..=raws.len() as u64).map(scan).collect()
}

type Amounts = BTreeMap<String, u128>;

/// By side: which assets, how much of each.
fn expected(swap: &Value, side: &str, wrapped: &str) -> Amounts {
    let mut amounts = Amounts::new();
    for leg in swap["swap_legs"].as_array().unwrap().iter().filter(|leg| leg["side"] == side) {
        let asset = leg["token"].as_str().map_or(wrapped.to_owned(), str::to_lowercase);
        let asset = if asset == POLYGON_NATIVE { wrapped.to_owned() } else { asset };
        *amounts.entry(asset).or_default() += leg["raw"].as_str().unwrap().parse::<u128>().unwrap();
    }
    amounts
}

fn found(trades: &[&Trade], side: fn(&Trade) -> &Side) -> Amounts {
    let mut amounts = Amounts::new();
    for side in trades.iter().map(|trade| side(trade)) {
        *amounts.entry(side.asset.clone()).or_default() += from_uint256(side.raw).to::<u128>();
    }
    amounts
}

/// Whether an amount of one asset was exchanged for an amount of another: wrapping native coin, and buying a name or another
/// token that has no amounts, are no trades here, whatever an accountant calls them.
fn is_exchange(swap: &Value, wrapped: &str) -> bool {
    let has_amounts = swap["swap_legs"].as_array().unwrap().iter().all(|leg| leg["raw"].is_string());
    let assets = |side: &str| expected(swap, side, wrapped).into_keys().collect::<BTreeSet<_>>();
    has_amounts && assets("spend") != assets("receive")
}

/// What is wrong with the trades of a transaction, seen from the wallet; none when nothing is.
fn difference(swap: &Value, trades: &[Trade], wrapped: &str) -> Option<String> {
    let accounts: BTreeSet<String> = swap["swap_legs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leg| leg["account"].as_str().unwrap().to_lowercase())
        .collect();
    let owned: Vec<&Trade> = trades.iter().filter(|trade| accounts.contains(&trade.trader.address)).collect();
    if trades.is_empty() {
        return Some("no trade".to_owned());
    }
    if owned.is_empty() {
        return Some(format!("trader {} ({})", trades[0].trader.address, trades[0].trader.evidence));
    }
    for (name, side) in
        [("spend", (|trade: &Trade| &trade.sold) as fn(&Trade) -> &Side), ("receive", |trade| &trade.bought)]
    {
        let (fees, expected, found) =
            (expected(swap, "fee", wrapped), expected(swap, name, wrapped), found(&owned, side));
        // The accountant lists a fee apart where it knows it; the trade's side is what left the wallet or arrived in it. What a
        // token burnt of what was sent the accountant leaves out, and the trade lists.
        let taxes = owned.iter().flat_map(|trade| &trade.fees).filter(|fee| fee.kind == "transfer" && fee.included);
        let tax_in = |asset: &String| -> u128 {
            taxes.clone().filter(|fee| fee.asset == *asset).map(|fee| from_uint256(fee.raw).to::<u128>()).sum()
        };
        let with_fee = |(asset, raw): (&String, &u128)| {
            let fee = fees.get(asset).copied().unwrap_or(0);
            let is_it = |of: &u128| of == raw || of + fee == *raw || of.checked_sub(fee) == Some(*raw);
            let is_spent = name == "spend" && tax_in(asset) > 0;
            expected.get(asset).is_some_and(|of| is_it(of) || (is_spent && of + tax_in(asset) == *raw))
        };
        if !(expected.len() == found.len() && found.iter().all(with_fee)) {
            return Some(format!("{name} {found:?} instead of {expected:?}"));
        }
    }
    None
}

/// The hashes in the table of differences.
fn listed() -> BTreeSet<String> {
    let tables = include_str!("../WALLETS.md");
    let (_, table) = tables.split_once("## Wallets").expect("WALLETS.md has a table of differences");
    let rows = table.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `0x"));
    rows.map(|row| row.trim_start_matches("| `").split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn wallets_traded_what_their_accountant_says_or_the_table_says_why_not() {
    let Some(folder) = fixtures() else { return };
    let (mut right, mut different, mut truth) = (0, BTreeMap::new(), Truth::of("evm/wallet-trades"));
    for (chain, wrapped) in CHAINS {
        let swaps = read_json(&folder, &format!("evm/wallet-trades/expected_{chain}.json"));
        let raws = read_json(&folder, &format!("evm/wallet-trades/raw_{chain}.json"));
        let raws: BTreeMap<&str, &Value> =
            raws.as_array().unwrap().iter().map(|raw| (raw["transaction"]["hash"].as_str().unwrap(), raw)).collect();
        let swaps: Vec<&Value> = swaps.as_array().unwrap().iter().collect();
        let in_order: Vec<&Value> = swaps.iter().map(|swap| raws[swap["hash"].as_str().unwrap()]).collect();
        for (swap, trades) in swaps.iter().zip(trades(chain, wrapped, &in_order)) {
            let difference = difference(swap, &trades, wrapped);
            let evidence = trades.first().map_or("no trade", |trade| trade.trader.evidence.as_str());
            if is_exchange(swap, wrapped) {
                truth.count("trader and sides", &format!("chain {chain}"), difference.is_none());
                truth.count("trader and sides by evidence", evidence, difference.is_none());
            } else {
                truth.count("no trade where no two assets are exchanged", &format!("chain {chain}"), trades.is_empty());
            }
            match difference {
                None => right += 1,
                Some(why) => {
                    let events = &swap["dex_events_in_receipt"];
                    let venue = &swap["swap_legs"][0]["counterparty_label"];
                    println!("| `{}` | {chain} | {venue} {events} | {why} |", swap["hash"].as_str().unwrap());
                    different.insert(swap["hash"].as_str().unwrap()[..18].to_owned(), why);
                }
            }
        }
    }
    println!("{right} right, {} different", different.len());
    let listed = listed();
    let found: BTreeSet<String> = different.keys().cloned().collect();
    assert_eq!(found, listed, "the table in WALLETS.md must list these and no others");
}

/// Transactions without a swap event are no trades.
#[test]
fn what_is_no_trade_gives_none() {
    let Some(folder) = fixtures() else { return };
    let negatives = read_json(&folder, "evm/wallet-trades/negatives.json");
    let mut truth = Truth::of("evm/wallet-trades");
    for (chain, wrapped) in CHAINS {
        let raws: Vec<&Value> =
            negatives.as_array().unwrap().iter().filter(|one| one["chainId"] == chain).map(|one| &one["raw"]).collect();
        for (raw, trades) in raws.iter().zip(trades(chain, wrapped, &raws)) {
            truth.count("no trade where there is none", &format!("chain {chain}"), trades.is_empty());
            assert!(trades.is_empty(), "{}: {trades:?}", raw["transaction"]["hash"]);
        }
    }
}

/// What the plugin gives, in short: whose, what for what.
fn in_short(raw: &Value, trades: &[Trade]) -> String {
    let short = |address: &str| format!("{}…", &address[..8]);
    let sender = raw["transaction"]["from"].as_str().unwrap().to_lowercase();
    let who = |address: &str| if address == sender { "sender".to_owned() } else { short(address) };
    let one = |trade: &Trade| {
        format!("{}: {} → {}", who(&trade.trader.address), short(&trade.sold.asset), short(&trade.bought.asset))
    };
    trades.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Pools exchanged something, and the wallet's accountant counts no trade: each is a row of WALLETS.md, with what the plugin
/// gives in its last column but one.
#[test]
fn what_pools_did_for_no_wallets_trade_stands_in_the_table() {
    let Some(folder) = fixtures() else { return };
    let hard = read_json(&folder, "evm/wallet-trades/hard_swaplog_but_no_user_trade.json");
    let mut found = BTreeMap::new();
    for (chain, wrapped) in CHAINS {
        let of: Vec<&Value> = hard.as_array().unwrap().iter().filter(|one| one["chainId"] == chain).collect();
        let raws: Vec<&Value> = of.iter().map(|one| &one["raw"]).collect();
        for (one, trades) in of.iter().zip(trades(chain, wrapped, &raws)) {
            let (hash, given) = (&one["hash"].as_str().unwrap()[..18], in_short(&one["raw"], &trades));
            println!("| `{hash}` | {chain} | {} | {given} |", one["expected_events"]);
            found.insert(hash.to_owned(), given);
        }
    }
    let tables = include_str!("../WALLETS.md");
    let (_, table) = tables.split_once("## Pools without a trader").expect("WALLETS.md has a table of them");
    let rows = table.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `0x"));
    let listed: BTreeMap<String, String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].trim_matches('`').to_owned(), cells[cells.len() - 2].to_owned())
        })
        .collect();
    assert_eq!(found, listed, "the table in WALLETS.md must list these and no others");
}
