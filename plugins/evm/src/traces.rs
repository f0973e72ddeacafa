//! Traces: how native coin moved within a transaction, where no log shows it and the settings ask for it.
//!
//! A trace is the endpoint's word. An endpoint that gives none leaves the block to another one, so that a block gives the
//! same trades whoever answers.

use crate::hex;
use crate::model::Transfer;
use alloy_primitives::{Address, B256};
use chain_plugin_sdk::jsonrpc::{self, Call, Error, Kind};
use chain_plugin_sdk::{Failure, Host, Span};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// For which transactions a trace is asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TraceMode {
    /// For none.
    #[default]
    Never,
    /// For those of which a side is estimated or a router's word.
    WhereNeeded,
    /// For all with native coin on a side.
    Native,
}

/// Movements of native coin in transactions, each as transfers of the wrapped coin; none for a trace that is nested too
/// deeply to be read.
pub(crate) fn native_moves(
    host: &mut impl Host,
    transactions: &[B256],
    wrapped: Address,
    batch: usize,
    span: Span,
) -> Result<Vec<Option<Vec<Transfer>>>, Failure> {
    if transactions.is_empty() {
        return Ok(vec![]);
    }
    let calls: Vec<Call> = transactions
        .iter()
        .map(|hash| {
            Call::new("debug_traceTransaction", format!(r#"["{}",{{"tracer":"callTracer"}}]"#, hex::encode(hash)))
        })
        .collect();
    let sent = jsonrpc::send(host, &calls, batch);
    let is_unknown = |error: &Error| error.kind == Kind::Unsupported;
    if (0..calls.len()).all(|at| sent.bytes(at).is_err_and(|error| is_unknown(&error))) {
        return flat_moves(host, transactions, wrapped, batch, span);
    }
    (0..calls.len())
        .map(|at| {
            let text = sent.raw(at).map_err(|error| refusal(error, span))?;
            let mut moves = Moves { wrapped, moves: vec![] };
            let frame: Option<CallFrame<'_>> = serde_json::from_str(text).ok();
            Ok(frame.map(|frame| {
                moves.add_frame(&frame);
                moves.moves
            }))
        })
        .collect()
}

/// The same by `trace_transaction`, of nodes that list calls.
fn flat_moves(
    host: &mut impl Host,
    transactions: &[B256],
    wrapped: Address,
    batch: usize,
    span: Span,
) -> Result<Vec<Option<Vec<Transfer>>>, Failure> {
    let call = |hash: &B256| Call::new("trace_transaction", format!(r#"["{}"]"#, hex::encode(hash)));
    let calls: Vec<Call> = transactions.iter().map(call).collect();
    let sent = jsonrpc::send(host, &calls, batch);
    (0..calls.len())
        .map(|at| {
            let text = sent.raw(at).map_err(|error| refusal(error, span))?;
            let mut moves = Moves { wrapped, moves: vec![] };
            let listed: Option<Vec<ListedCall<'_>>> = serde_json::from_str(text).ok();
            Ok(listed.map(|listed| {
                moves.add_listed(&listed);
                moves.moves
            }))
        })
        .collect()
}

fn refusal(error: Error, span: Span) -> Failure {
    match error.failure(span) {
        Failure::Elsewhere(why) => Failure::Elsewhere(format!(
            "the setting `traces` needs an endpoint with debug_traceTransaction or trace_transaction: {why}"
        )),
        other => other,
    }
}

/// A call with the calls in it, as `callTracer` writes it.
#[derive(Deserialize)]
struct CallFrame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    from: &'a str,
    to: Option<&'a str>,
    value: Option<&'a str>,
    error: Option<IgnoredAny>,
    #[serde(borrow, default)]
    calls: Vec<CallFrame<'a>>,
}

/// A call by its place among the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedCall<'a> {
    #[serde(borrow)]
    action: Action<'a>,
    #[serde(borrow, default)]
    result: Option<Created<'a>>,
    error: Option<IgnoredAny>,
    trace_address: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action<'a> {
    call_type: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    value: Option<&'a str>,
    /// Of a contract that ended: itself, who got what it had, and how much.
    address: Option<&'a str>,
    refund_address: Option<&'a str>,
    balance: Option<&'a str>,
}

#[derive(Deserialize)]
struct Created<'a> {
    address: Option<&'a str>,
}

/// The movements found so far.
struct Moves {
    wrapped: Address,
    moves: Vec<Transfer>,
}

impl Moves {
    /// Whatever failed, with all in it, moved nothing.
    fn add_frame(&mut self, frame: &CallFrame<'_>) {
        if frame.error.is_some() {
            return;
        }
        // Delegated and static calls move nothing, whatever value they are listed with.
        if matches!(frame.kind, "CALL" | "CREATE" | "CREATE2" | "SELFDESTRUCT") {
            self.add(Some(frame.from), frame.to, frame.value);
        }
        for call in &frame.calls {
            self.add_frame(call);
        }
    }

    fn add_listed(&mut self, listed: &[ListedCall<'_>]) {
        let failed: Vec<&[u32]> =
            listed.iter().filter(|call| call.error.is_some()).map(|call| call.trace_address.as_slice()).collect();
        for ListedCall { action, result, trace_address, .. } in listed {
            if failed.iter().any(|place| trace_address.starts_with(place)) {
                continue;
            }
            if action.refund_address.is_some() {
                self.add(action.address, action.refund_address, action.balance);
            } else if matches!(action.call_type, Some("call") | None) {
                let created = result.as_ref().and_then(|created| created.address);
                self.add(action.from, action.to.or(created), action.value);
            }
        }
    }

    /// What the wrapped coin's own contract gets and gives is wrapping, which is no movement between accounts.
    fn add(&mut self, from: Option<&str>, to: Option<&str>, value: Option<&str>) {
        let (Some(from), Some(to)) = (from.and_then(hex::address), to.and_then(hex::address)) else { return };
        let raw = value.map(str::as_bytes).and_then(hex::quantity_u256).unwrap_or_default();
        if !raw.is_zero() && from != to && ![from, to].contains(&self.wrapped) {
            self.moves.push(Transfer { token: self.wrapped, from, to, raw });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> String {
        hex::encode(Address::repeat_byte(byte))
    }

    fn summary(moves: Moves) -> Vec<(u8, u8, u64)> {
        let byte = |address: Address| address[0];
        moves.moves.into_iter().map(|it| (byte(it.from), byte(it.to), it.raw.to::<u64>())).collect()
    }

    fn empty() -> Moves {
        Moves { wrapped: Address::repeat_byte(9), moves: vec![] }
    }

    /// A sender brings ten; the router wraps six, lets a library look, pays one to a fee account, and refunds three; a call
    /// that failed moved nothing, nor did what was called in it.
    #[test]
    fn nested_calls_move_what_succeeded() {
        let call = |kind: &str, from: u8, to: u8, value: u64, more: &str| {
            format!(
                r#"{{"type":"{kind}","from":"{}","to":"{}","value":"{value:#x}","gas":"0x1"{more}}}"#,
                address(from),
                address(to)
            )
        };
        let inner = call("CALL", 5, 6, 4, "");
        let failed = call("CALL", 2, 5, 4, &format!(r#","error":"execution reverted","calls":[{inner}]"#));
        let calls = [
            call("CALL", 2, 9, 6, ""),
            call("DELEGATECALL", 2, 8, 10, &format!(r#","calls":[{}]"#, call("CALL", 2, 7, 1, ""))),
            failed,
            call("CALL", 2, 1, 3, ""),
        ];
        let text = call("CALL", 1, 2, 10, &format!(r#","calls":[{}]"#, calls.join(",")));
        let mut moves = empty();
        moves.add_frame(&serde_json::from_str(&text).unwrap());
        assert_eq!(summary(moves), [(1, 2, 10), (2, 7, 1), (2, 1, 3)]);
    }

    #[test]
    fn listed_calls_move_the_same() {
        let call = |kind: &str, from: u8, to: u8, value: u64, place: &str, more: &str| {
            format!(
                r#"{{"action":{{"callType":"{kind}","from":"{}","to":"{}","value":"{value:#x}"}},"result":{{"output":"0x"}},
                    "traceAddress":[{place}],"type":"call"{more}}}"#,
                address(from),
                address(to)
            )
        };
        let listed = [
            call("call", 1, 2, 10, "", ""),
            call("call", 2, 9, 6, "0", ""),
            call("delegatecall", 2, 8, 10, "1", ""),
            call("call", 2, 7, 1, "1,0", ""),
            call("call", 2, 5, 4, "2", r#","error":"Reverted""#),
            call("call", 5, 6, 4, "2,0", ""),
            format!(
                r#"{{"action":{{"from":"{}","value":"0x2","init":"0x"}},"result":{{"address":"{}"}},"traceAddress":[3],"type":"create"}}"#,
                address(2),
                address(4)
            ),
            format!(
                r#"{{"action":{{"address":"{}","refundAddress":"{}","balance":"0x2"}},"result":null,"traceAddress":[3,0],"type":"suicide"}}"#,
                address(4),
                address(1)
            ),
        ];
        let mut moves = empty();
        moves.add_listed(&serde_json::from_str::<Vec<ListedCall<'_>>>(&format!("[{}]", listed.join(","))).unwrap());
        assert_eq!(summary(moves), [(1, 2, 10), (2, 7, 1), (2, 4, 2), (4, 1, 2)]);
    }
}
