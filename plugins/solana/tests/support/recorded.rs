//! Recorded transactions, scanned one by one, and what others know about them.

use crate::node::{RecordedNode, block_of, context, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Plugin, Span, Trade};
use serde_json::{Value, json};
use solana_plugin::{SOL, Solana, base58};
use std::path::Path;

/// The program of plain accounts and lamports.
const SYSTEM: &str = "11111111111111111111111111111111";

/// One transaction with what others decoded from it.
pub(crate) struct RecordedTransaction {
    pub(crate) signature: String,
    /// Transaction and meta as a node gave them, in whichever encoding.
    pub(crate) raw: Value,
    /// The transaction in an encoding that has its accounts and instructions as JSON.
    pub(crate) readable: Value,
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
                    readable: readable(&raw["transaction"]),
                    reference: entry["reference"].clone(),
                    expected: expected.clone(),
                });
            }
        }
    }
    recorded
}

/// A transaction with its accounts and instructions as JSON; null for the bytes of version 1, whose signatures come last.
fn readable(transaction: &Value) -> Value {
    let Some(encoded) = transaction[0].as_str() else { return transaction.clone() };
    let bytes = STANDARD.decode(encoded).unwrap();
    let mut bytes = bytes.as_slice();
    if bytes[0] >= 0x80 {
        return Value::Null;
    }
    let signatures = length(&mut bytes);
    take(&mut bytes, 64 * signatures);
    let is_versioned = bytes[0] & 0x80 != 0;
    take(&mut bytes, 3 + usize::from(is_versioned));
    let keys: Vec<String> = (0..length(&mut bytes)).map(|_| base58::encode(take(&mut bytes, 32))).collect();
    take(&mut bytes, 32);
    let mut instructions = vec![];
    for _ in 0..length(&mut bytes) {
        let program = take(&mut bytes, 1)[0];
        let count = length(&mut bytes);
        let accounts = take(&mut bytes, count);
        let count = length(&mut bytes);
        let data = base58::encode(take(&mut bytes, count));
        instructions.push(json!({"programIdIndex": program, "accounts": accounts, "data": data}));
    }
    json!({"message": {"accountKeys": keys, "instructions": instructions}})
}

/// The first bytes, which are then no longer there.
fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
    let (first, rest) = bytes.split_at(count);
    *bytes = rest;
    first
}

/// The number that stands before a list: seven bits in each byte, the lowest first.
fn length(bytes: &mut &[u8]) -> usize {
    let first = usize::from(take(bytes, 1)[0]);
    if first < 0x80 { first } else { (first & 0x7f) | (length(bytes) << 7) }
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

/// How the lamports of a payer changed by what is no part of a trade: deposits for accounts that were made, grew or were closed, and
/// payments at the top that no trade lists as a fee. Zero of a transaction that is not readable.
pub(crate) fn change_aside(trades: &[Trade], transaction: &Value, meta: &Value, payer: &str) -> i128 {
    if transaction.is_null() {
        return 0;
    }
    let to_i128 = |raw| i128::try_from(from_uint256(raw).to::<u128>()).unwrap();
    let keys = account_keys(transaction, meta);
    let legs = || trades.iter().flat_map(|trade| &trade.legs).filter(|leg| leg.sold.asset == SOL);
    let fees_to = |address: &str| -> Vec<i128> {
        let fees = trades.iter().flat_map(|trade| &trade.fees).filter(|fee| !fee.included && fee.asset == SOL);
        fees.filter(|fee| fee.recipient.as_deref() == Some(address)).map(|fee| to_i128(fee.raw)).collect()
    };
    let is_traded = |to: &str, sent: i128| {
        let fees = fees_to(to);
        let price = |fees: i128| legs().any(|leg| leg.pool == to && to_i128(leg.sold.raw) + fees == sent);
        fees.contains(&sent) || price(0) || price(fees.iter().sum())
    };
    let lamports = |moment: &str, at: usize| i128::from(meta[moment][at].as_u64().unwrap());
    let mut aside = 0;
    for (at, address) in keys.iter().enumerate() {
        if address != payer && lamports("preBalances", at) > 0 && lamports("postBalances", at) == 0 {
            aside += lamports("preBalances", at) - wrapped_lamports(meta, "preTokenBalances", at);
        }
    }
    for call in system_calls(transaction, meta, &keys).iter().filter(|call| call.from == payer) {
        let at = keys.iter().position(|key| *key == call.to).unwrap();
        let left = lamports("postBalances", at);
        let is_deposit = lamports("preBalances", at) == 0 || legs().any(|leg| leg.pool == call.to);
        let is_aside = call.to != payer && (is_deposit || call.is_at_the_top) && !is_traded(&call.to, call.sent);
        aside -= match (is_token_account(meta, at), call.makes_account) {
            // What was made for the time of the transaction has given back all.
            _ if left == 0 => 0,
            (true, true) => left - wrapped_lamports(meta, "postTokenBalances", at),
            (false, true) => call.sent,
            (false, false) if is_aside => call.sent,
            _ => 0,
        };
    }
    aside
}

/// The addresses of a transaction's accounts, those of lookup tables last.
fn account_keys(transaction: &Value, meta: &Value) -> Vec<String> {
    let named = transaction["message"]["accountKeys"].as_array().unwrap();
    let text = |key: &Value| key.as_str().or_else(|| key["pubkey"].as_str()).unwrap().to_owned();
    let mut keys: Vec<String> = named.iter().map(text).collect();
    if keys.len() < meta["preBalances"].as_array().unwrap().len() {
        for kind in ["writable", "readonly"] {
            keys.extend(meta["loadedAddresses"][kind].as_array().unwrap().iter().map(text));
        }
    }
    keys
}

/// Lamports that the system program moved.
struct SystemCall {
    from: String,
    to: String,
    sent: i128,
    makes_account: bool,
    is_at_the_top: bool,
}

/// What the system program moved, called by a program or by none.
fn system_calls(transaction: &Value, meta: &Value, keys: &[String]) -> Vec<SystemCall> {
    let read = |instruction: &Value, is_at_the_top: bool| {
        let (parsed, info) = (&instruction["parsed"], &instruction["parsed"]["info"]);
        if instruction["program"] == "system" {
            let to = ["destination", "newAccount"].into_iter().find_map(|name| info[name].as_str())?.to_owned();
            let (from, sent) = (info["source"].as_str()?.to_owned(), info["lamports"].as_u64()?.into());
            let makes_account = parsed["type"] != "transfer";
            return Some(SystemCall { from, to, sent, makes_account, is_at_the_top });
        }
        let key = |at: &Value| Some(keys[usize::try_from(at.as_u64()?).unwrap()].clone());
        if key(&instruction["programIdIndex"])? != SYSTEM {
            return None;
        }
        let data = base58::decode(instruction["data"].as_str()?)?;
        let makes_account = data[0] != 2;
        // `CreateAccount` and `Transfer` have the lamports in front, `CreateAccountWithSeed` behind its base and its seed.
        let at = match data[0] {
            0 | 2 => 4,
            3 => 44 + usize::from(data[36]),
            _ => return None,
        };
        let sent = u64::from_le_bytes(data[at..at + 8].try_into().unwrap()).into();
        let accounts = &instruction["accounts"];
        Some(SystemCall { from: key(&accounts[0])?, to: key(&accounts[1])?, sent, makes_account, is_at_the_top })
    };
    let top = transaction["message"]["instructions"].as_array().unwrap().iter().filter_map(|one| read(one, true));
    let groups = meta["innerInstructions"].as_array().unwrap().iter();
    let inner = groups.flat_map(|group| group["instructions"].as_array().unwrap());
    top.chain(inner.filter_map(|one| read(one, false))).collect()
}

fn is_token_account(meta: &Value, at: usize) -> bool {
    let lists = ["preTokenBalances", "postTokenBalances"].map(|moment| meta[moment].as_array().unwrap());
    lists.into_iter().flatten().any(|balance| balance["accountIndex"] == at)
}

/// What of an account's lamports is wrapped SOL, at one moment.
fn wrapped_lamports(meta: &Value, moment: &str, at: usize) -> i128 {
    let balances = meta[moment].as_array().unwrap().iter();
    let wrapped = balances.filter(|balance| balance["accountIndex"] == at && balance["mint"] == SOL);
    wrapped.map(|balance| balance["uiTokenAmount"]["amount"].as_str().unwrap().parse::<i128>().unwrap()).sum()
}

/// The difference between the change of a trader's balance in one asset and what the trades say: zero where nothing
/// happened but what was sold, bought and paid beside.
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
