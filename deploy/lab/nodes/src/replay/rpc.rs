//! JSON-RPC over the recordings: the methods a client of an EVM node uses to follow its chain.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::faults::draw;
use super::node::{Node, ShownChain};
use super::recording::{Recording, quantity, raw};

/// How this one request sees the node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    /// The head is so many blocks lower.
    pub(super) behind: u64,
    /// One log is left out.
    pub(super) missing_log: bool,
    /// Each log is left out with a chance of one in so many; the first number is the request's.
    pub(super) thinned: Option<(u64, u64)>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Cow<'a, str>,
    #[serde(default)]
    params: Value,
}

/// JSON text, or a JSON-RPC error.
type RpcResult = Result<String, (i64, String)>;

/// Answers one request: a call or a batch of calls.
pub(super) fn answer(node: &Node, body: &[u8], view: View) -> String {
    each(body, |call| {
        node.count_call(&call.method);
        method(node, call, view)
    })
}

/// Answers every call of a request with the same error.
pub(super) fn refuse(node: &Node, body: &[u8], code: i64, message: &str) -> String {
    each(body, |call| {
        node.count_call(&call.method);
        Err((code, message.to_owned()))
    })
}

fn each(body: &[u8], mut outcome: impl FnMut(&Call) -> RpcResult) -> String {
    let mut text = String::new();
    if let Ok(calls) = serde_json::from_slice::<Vec<Call>>(body) {
        text.push('[');
        for (index, call) in calls.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            envelope(&mut text, call.id, outcome(call));
        }
        text.push(']');
    } else if let Ok(call) = serde_json::from_slice::<Call>(body) {
        envelope(&mut text, call.id, outcome(&call));
    } else {
        envelope(&mut text, None, Err((-32700, "parse error".to_owned())));
    }
    text
}

fn envelope(text: &mut String, id: Option<&RawValue>, outcome: RpcResult) {
    let id = id.map_or("null", RawValue::get);
    // Writing to a String cannot fail.
    let _ = match outcome {
        Ok(result) => write!(text, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err((code, message)) => {
            let error = serde_json::json!({ "code": code, "message": message });
            write!(text, r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
        }
    };
}

fn method(node: &Node, call: &Call, view: View) -> RpcResult {
    let params = &call.params;
    match call.method.as_ref() {
        "eth_chainId" => Ok(format!(r#""0x{:x}""#, node.chain_id())),
        "net_version" => Ok(format!(r#""{}""#, node.chain_id())),
        "web3_clientVersion" => Ok(r#""chaintape-replay""#.to_owned()),
        "eth_syncing" => Ok("false".to_owned()),
        "eth_blockNumber" => node.read(|chain| {
            Ok(chain
                .head(view.behind)
                .map_or_else(|| r#""0x0""#.to_owned(), |head| format!(r#""0x{:x}""#, head.height)))
        }),
        "eth_getBlockByNumber" | "eth_getBlockByHash" => {
            let whole = params[1].as_bool().unwrap_or_default();
            node.read(|chain| {
                Ok(match find(chain, &params[0], view)? {
                    Found::Block(block) if whole => block.whole.clone(),
                    Found::Block(block) => block.slim.clone(),
                    Found::Genesis => node.facts().genesis.as_deref().map_or("null", RawValue::get).to_owned(),
                    Found::Nothing => "null".to_owned(),
                })
            })
        }
        "eth_getBlockReceipts" => node.read(|chain| {
            Ok(match find(chain, &params[0], view)? {
                Found::Block(block) if view.missing_log => without_a_log(&block),
                Found::Block(block) if view.thinned.is_some() => thinned(&block, view),
                Found::Block(block) => block.receipts.clone(),
                Found::Genesis => "[]".to_owned(),
                Found::Nothing => "null".to_owned(),
            })
        }),
        "debug_getRawReceipts" if node.has_raw_receipts() => node.read(|chain| {
            Ok(match find(chain, &params[0], view)? {
                Found::Block(block) if view.missing_log => raw(&without_a_log(&block)),
                Found::Block(block) if view.thinned.is_some() => raw(&thinned(&block, view)),
                Found::Block(block) => block.raw_receipts().to_owned(),
                Found::Genesis => "[]".to_owned(),
                Found::Nothing => "null".to_owned(),
            })
        }),
        "eth_getTransactionReceipt" => node.read(|chain| {
            let blocks = chain.range(0, u64::MAX, view.behind);
            let mut receipts = blocks.iter().flat_map(|block| block.parts());
            Ok(receipts.find(|receipt| receipt["transactionHash"] == params[0]).unwrap_or(&Value::Null).to_string())
        }),
        "eth_getLogs" => node.read(|chain| logs(chain, &params[0], view)),
        "eth_call" => {
            let data = params[0].get("input").or_else(|| params[0].get("data"));
            let to = params[0]["to"].as_str().unwrap_or_default();
            Ok(format!(r#""{}""#, node.facts().call(to, data.and_then(Value::as_str).unwrap_or_default())))
        }
        other => Err((-32601, format!("the method {other} does not exist/is not available"))),
    }
}

enum Found {
    Block(std::sync::Arc<Recording>),
    Genesis,
    Nothing,
}

/// A block by number, tag, hash, or an object naming one of them.
fn find(chain: &ShownChain, which: &Value, view: View) -> Result<Found, (i64, String)> {
    if let Some(inner) = which.get("blockHash").or_else(|| which.get("blockNumber")) {
        return find(chain, inner, view);
    }
    let genesis_at_least = |block: Option<_>| block.map_or(Found::Genesis, Found::Block);
    let text = which.as_str().ok_or_else(|| (-32602, "invalid argument 0: a block is needed".to_owned()))?;
    Ok(match text {
        "latest" | "pending" => genesis_at_least(chain.head(view.behind)),
        "finalized" | "safe" => genesis_at_least(chain.finalized(view.behind)),
        "earliest" | "0x0" => Found::Genesis,
        hash if hash.len() == 66 => chain.by_hash(hash, view.behind).map_or(Found::Nothing, Found::Block),
        _ => {
            let height = quantity(which).ok_or_else(|| (-32602, format!("invalid argument 0: {text}")))?;
            chain.at(height, view.behind).map_or(Found::Nothing, Found::Block)
        }
    })
}

fn logs(chain: &ShownChain, filter: &Value, view: View) -> RpcResult {
    let height = |end: &str| match find(chain, filter.get(end).unwrap_or(&Value::from("latest")), view) {
        Ok(Found::Block(block)) => Ok(block.height),
        Ok(Found::Genesis) => Ok(0),
        Ok(Found::Nothing) => Ok(quantity(&filter[end]).unwrap_or(u64::MAX)),
        Err(error) => Err(error),
    };
    let blocks = match filter.get("blockHash") {
        Some(hash) => match find(chain, hash, view)? {
            Found::Block(block) => vec![block],
            _ => return Err((-32000, "unknown block".to_owned())),
        },
        None => chain.range(height("fromBlock")?, height("toBlock")?, view.behind),
    };
    let mut matching: Vec<&Value> = blocks
        .iter()
        .flat_map(|block| block.parts())
        .flat_map(|receipt| receipt["logs"].as_array().into_iter().flatten())
        .filter(|log| one_of(&filter["address"], &log["address"]) && topics_match(&filter["topics"], &log["topics"]))
        .collect();
    if view.missing_log {
        matching.pop();
    }
    serde_json::to_string(&matching).map_err(|error| (-32603, error.to_string()))
}

/// Whether a filter (nothing, one value or a list of values) lets a value through.
fn one_of(filter: &Value, value: &Value) -> bool {
    let same = |wanted: &Value| match (wanted.as_str(), value.as_str()) {
        (Some(wanted), Some(value)) => wanted.eq_ignore_ascii_case(value),
        _ => false,
    };
    match filter {
        Value::Null => true,
        Value::Array(list) => list.is_empty() || list.iter().any(same),
        single => same(single),
    }
}

fn topics_match(filter: &Value, topics: &Value) -> bool {
    let wanted = filter.as_array().map_or(&[][..], Vec::as_slice);
    wanted.iter().enumerate().all(|(place, wanted)| match topics.get(place) {
        Some(topic) => one_of(wanted, topic),
        None => false,
    })
}

/// The receipts as a sick node answers them: well formed, one log short.
fn without_a_log(block: &Recording) -> String {
    let mut receipts = block.parts().to_vec();
    if let Some(logs) = receipts.iter_mut().rev().filter_map(|it| it["logs"].as_array_mut()).find(|it| !it.is_empty()) {
        logs.pop();
    }
    Value::Array(receipts).to_string()
}

/// The receipts with each log left out by chance, as it was recorded where chance leaves all in.
fn thinned(block: &Recording, view: View) -> String {
    let Some((request, one_in)) = view.thinned else { return block.receipts.clone() };
    let mut chance = request ^ block.height.rotate_left(32);
    let mut receipts = block.parts().to_vec();
    let mut left_out = false;
    for logs in receipts.iter_mut().filter_map(|receipt| receipt["logs"].as_array_mut()) {
        let all = logs.len();
        logs.retain(|_| !draw(&mut chance).is_multiple_of(one_in.max(1)));
        left_out |= logs.len() < all;
    }
    if left_out { Value::Array(receipts).to_string() } else { block.receipts.clone() }
}
