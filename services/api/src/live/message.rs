//! The text of the messages that the hub sends: snapshots, changes and states.

use super::channel::Channel;
use super::subscription::SubscriptionIds;
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
    update_of_json(channel, &serde_json::to_string(data).unwrap_or_default(), at)
}

/// The same where the state is JSON already.
pub(super) fn update_of_json(channel: Channel, data: &str, at: &str) -> Utf8Bytes {
    format!(r#"{{"type":"update","channel":"{}","data":{data},"at":"{at}"}}"#, channel.name()).into()
}

/// A message that every reader receives, with the subscriptions of one reader that it belongs to.
pub(super) fn naming(message: &Utf8Bytes, ids: &SubscriptionIds) -> Utf8Bytes {
    let message = message.as_str();
    let open = message.strip_suffix('}').unwrap_or(message);
    let ids = ids.as_slice();
    let mut text = String::with_capacity(message.len() + 16 + ids.iter().map(|id| id.len() + 1).sum::<usize>());
    text.push_str(open);
    text.push_str(",\"ids\":[");
    for (at, id) in ids.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        text.push_str(id);
    }
    text.push_str("]}");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::subscription::{Matcher, Subscription};

    #[test]
    fn a_message_names_its_subscriptions() {
        let subscriptions = ["tape", "a \"b\""].map(|id| Subscription::new(id, Matcher::Chains));
        let ids = SubscriptionIds::from_matching(subscriptions.iter().map(|one| &one.id_json)).unwrap();
        let (text, _) = trade("apply", r#"{"chain":"mock"}"#, "at");
        let read: serde_json::Value = serde_json::from_str(naming(&text, &ids).as_str()).unwrap();
        let expected = serde_json::json!({
            "type": "apply", "channel": "trades", "data": {"chain": "mock"}, "at": "at", "ids": ["tape", "a \"b\""],
        });
        assert_eq!(read, expected);
    }
}
