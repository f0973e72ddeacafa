//! JSON-RPC over the slots: the methods that a client of a Solana node follows its chain with.

use super::node::Slots;
use super::recording::GENESIS;
use serde_json::{Value, json};

/// JSON text, or a JSON-RPC error.
type RpcResult = Result<String, (i64, String)>;

/// Answers one request: a call or a batch of calls.
pub(super) fn answer(chain: &Slots, body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(calls)) => {
            let answers: Vec<String> = calls.iter().map(|call| envelope(call, method(chain, call))).collect();
            format!("[{}]", answers.join(","))
        }
        Ok(call) => envelope(&call, method(chain, &call)),
        Err(_) => envelope(&Value::Null, Err((-32700, "Parse error".to_owned()))),
    }
}

fn envelope(call: &Value, outcome: RpcResult) -> String {
    let id = &call["id"];
    match outcome {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#),
        Err((code, message)) => {
            let error = json!({ "code": code, "message": message });
            format!(r#"{{"jsonrpc":"2.0","error":{error},"id":{id}}}"#)
        }
    }
}

fn method(chain: &Slots, call: &Value) -> RpcResult {
    let params = &call["params"];
    let number = |at: usize| {
        params[at].as_u64().ok_or_else(|| (-32602, format!("Invalid params: {params}: expected a number at {at}")))
    };
    match call["method"].as_str().unwrap_or_default() {
        "getGenesisHash" => Ok(format!("\"{GENESIS}\"")),
        "getHealth" => Ok(r#""ok""#.to_owned()),
        "getSlot" => {
            let wanted = if params[0]["commitment"] == "confirmed" { chain.head } else { final_slot(chain) };
            Ok(newest(chain, wanted).to_string())
        }
        "getBlocks" => {
            let last = number(1)?;
            Ok(json!(listed(chain, number(0)?).take_while(|slot| *slot <= last).collect::<Vec<u64>>()).to_string())
        }
        "getBlocksWithLimit" => {
            let most = usize::try_from(number(1)?).unwrap_or(usize::MAX);
            Ok(json!(listed(chain, number(0)?).take(most).collect::<Vec<u64>>()).to_string())
        }
        "getBlock" => block(chain, number(0)?, &params[1]),
        other => Err((-32601, format!("Method not found: {other}"))),
    }
}

fn final_slot(chain: &Slots) -> u64 {
    chain.head.saturating_sub(chain.finality)
}

/// The newest slot with a block, up to a slot.
fn newest(chain: &Slots, slot: u64) -> u64 {
    let below = chain.blocks.range(..=slot).next_back().map(|(slot, _)| *slot);
    below.or_else(|| chain.blocks.keys().next().copied()).unwrap_or_default()
}

fn listed(chain: &Slots, from: u64) -> impl Iterator<Item = u64> {
    chain.blocks.range(from..).map(|(slot, _)| *slot).take_while(|slot| *slot <= chain.head)
}

fn block(chain: &Slots, slot: u64, options: &Value) -> RpcResult {
    // The recorded block is of a time without version 1, but a client must be ready for it.
    if options["maxSupportedTransactionVersion"] != 1 {
        return Err((-32015, "Transaction version (1) is not supported by the requesting client.".to_owned()));
    }
    if slot > chain.head || chain.late.contains(&slot) {
        return Err((-32004, format!("SlotBlock not available for slot {slot}")));
    }
    let skipped = || (-32007, format!("Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"));
    let block = chain.blocks.get(&slot).ok_or_else(skipped)?;
    let text = if options["transactionDetails"] == "none" { &block.name } else { &block.whole };
    Ok(text.as_ref().to_owned())
}

/// A block without its transactions.
pub(super) fn name(hash: &str, parent_hash: &str, parent_slot: u64) -> String {
    json!({
        "blockhash": hash, "previousBlockhash": parent_hash, "parentSlot": parent_slot, "blockTime": 1_724_267_459,
        "blockHeight": null,
    })
    .to_string()
}

/// The same with transactions.
pub(super) fn whole(name: &str, transactions: &[String]) -> String {
    let open = name.strip_suffix('}').unwrap_or(name);
    format!(r#"{open},"transactions":[{}]}}"#, transactions.join(","))
}

/// A hash that no real block has, and that looks like one.
pub(super) fn hash(slot: u64, branch: &str) -> String {
    const ZERO: char = 'z';
    let digits: String = slot.to_string().chars().map(|digit| if digit == '0' { ZERO } else { digit }).collect();
    format!("Script{branch}{digits:1>36}")
}
