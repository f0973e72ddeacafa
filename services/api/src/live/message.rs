//! The text of the messages that the hub sends: snapshots, changes and states.

use super::channel::Channel;
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use std::ops::Range;

/// A snapshot; `data` is JSON already.
pub(super) fn snapshot(id: &str, channel: Channel, data: &str, at: &str) -> Utf8Bytes {
    let (id, channel) = (serde_json::Value::from(id), channel.name());
    format!(r#"{{"type":"snapshot","id":{id},"channel":"{channel}","data":{data},"at":"{at}"}}"#).into()
}

/// The message that precedes what a client missed since `at`.
pub(super) fn resumed(id: &str, at: &str) -> Utf8Bytes {
    let id = serde_json::Value::from(id);
    format!(r#"{{"type":"resumed","id":{id},"at":"{at}"}}"#).into()
}

/// A trade that was applied or reverted, and where in the text its event stands.
pub(super) fn trade(kind: &str, event: &str, at: &str) -> (Utf8Bytes, Range<usize>) {
    let head = format!(r#"{{"type":"{kind}","channel":"trades","data":"#);
    let range = head.len()..head.len() + event.len();
    ([head.as_str(), event, r#","at":""#, at, r#""}"#].concat().into(), range)
}

/// The newest state of a user, a wallet or a chain.
pub(super) fn update(channel: Channel, data: &impl Serialize, at: &str) -> Utf8Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!(r#"{{"type":"update","channel":"{}","data":{data},"at":"{at}"}}"#, channel.name()).into()
}
