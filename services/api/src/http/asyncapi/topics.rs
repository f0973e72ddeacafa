//! The topics on Kafka that others may read: their records, keys and headers, and for how long they stay.

use super::{METRICS, PORTFOLIO, PROGRESS, TRADE, message, shape};
use serde_json::{Map, Value, json};
use tape_log::{Topic, topics};
use wire::headers::kind;

const DAY_MS: u64 = 86_400_000;

/// A topic that is documented, and what it carries.
struct Documented {
    topic: Topic,
    says: &'static str,
    messages: &'static [&'static str],
}

/// A message on a topic.
struct TopicMessage {
    name: &'static str,
    says: &'static str,
    /// The value of the header `ce_type`.
    kind: &'static str,
    schema: &'static str,
    key: &'static str,
}

const MESSAGES: [TopicMessage; 5] = [
    TopicMessage {
        name: "tradeExecuted",
        says: "A trade is applied, once when it is first seen and perhaps again when its block is final (`status`). The newest record \
               of a trade (`tradeId` and `trader.address`) says whether it counts.",
        kind: kind::TRADE_EXECUTED,
        schema: TRADE,
        key: "`chain/trader`",
    },
    TopicMessage {
        name: "tradeReverted",
        says: "A trade is taken back, because its block is no longer part of the chain: whoever counted it subtracts it.",
        kind: kind::TRADE_REVERTED,
        schema: TRADE,
        key: "`chain/trader`",
    },
    TopicMessage {
        name: "metricsUpdated",
        says: "A user's newest totals on one chain, and the positions that changed. Keep the newest by `asOf` within a partition.",
        kind: kind::METRICS_UPDATED,
        schema: METRICS,
        key: "`chain/trader`",
    },
    TopicMessage {
        name: "portfolioUpdated",
        says: "The balances of a wallet that changed between two snapshots of a provider. Keep the newest by `takenAt`.",
        kind: kind::PORTFOLIO_UPDATED,
        schema: PORTFOLIO,
        key: "`chain/address`",
    },
    TopicMessage {
        name: "chainProgressed",
        says: "How far one chain is; a later one replaces it.",
        kind: kind::CHAIN_PROGRESSED,
        schema: PROGRESS,
        key: "the chain's id",
    },
];

const DOCUMENTED: [Documented; 5] = [
    Documented {
        topic: topics::TRADES,
        says: "Trades at the head of the chains as they come and go. All of a user on a chain are in one partition, in chain order.",
        messages: &["tradeExecuted", "tradeReverted"],
    },
    Documented {
        topic: topics::HISTORY,
        says: "Trades of blocks before a chain was followed, from backfills. Partitions are those of the live trades.",
        messages: &["tradeExecuted", "tradeReverted"],
    },
    Documented {
        topic: topics::METRICS_UPDATED,
        says: "Every user's metrics when they change. A message may be repeated.",
        messages: &["metricsUpdated"],
    },
    Documented {
        topic: topics::PORTFOLIO_UPDATED,
        says: "Every tracked wallet's balances when they change. A message may be repeated.",
        messages: &["portfolioUpdated"],
    },
    Documented {
        topic: topics::PROGRESS,
        says: "How far every chain is; the newest record of each key counts.",
        messages: &["chainProgressed"],
    },
];

/// The channels of the topics.
pub(super) fn channels() -> Map<String, Value> {
    DOCUMENTED.iter().map(|documented| (documented.topic.name.to_owned(), channel(documented))).collect()
}

fn channel(documented: &Documented) -> Value {
    let topic = documented.topic;
    let messages: Map<String, Value> =
        documented.messages.iter().map(|name| ((*name).to_owned(), message(name))).collect();
    let (policy, retention) = match topic.policy {
        topics::Policy::Keep => ("delete", json!(-1)),
        topics::Policy::Days(days) => ("delete", json!(u64::from(days) * DAY_MS)),
        topics::Policy::Compact => ("compact", json!(-1)),
    };
    json!({
        "address": topic.name,
        "title": topic.name,
        "description": documented.says,
        "servers": [{ "$ref": "#/servers/kafka" }],
        "messages": messages,
        "bindings": { "kafka": {
            "topic": topic.name,
            "partitions": topic.partitions,
            "topicConfiguration": {
                "cleanup.policy": [policy],
                "retention.ms": retention,
                "max.message.bytes": topic.max_bytes,
            },
            "bindingVersion": "0.5.0",
        } },
    })
}

/// What the services do with the topics: they write them.
pub(super) fn operations() -> Map<String, Value> {
    let operation = |documented: &Documented| {
        let name = documented.topic.name;
        let messages: Vec<Value> = documented
            .messages
            .iter()
            .map(|message| json!({ "$ref": format!("#/channels/{name}/messages/{message}") }))
            .collect();
        let operation = json!({
            "action": "send",
            "channel": { "$ref": format!("#/channels/{name}") },
            "summary": documented.says,
            "messages": messages,
        });
        (format!("publish.{name}"), operation)
    };
    DOCUMENTED.iter().map(operation).collect()
}

/// The records: a value of JSON, a key, and the headers of CloudEvents.
pub(super) fn messages() -> Map<String, Value> {
    let of_topic = |one: &TopicMessage| {
        let value = json!({
            "name": one.kind,
            "title": one.kind,
            "summary": one.says,
            "contentType": "application/json",
            "headers": headers(one.kind),
            "payload": shape(one.schema),
            "bindings": { "kafka": {
                "key": { "type": "string", "description": one.key },
                "bindingVersion": "0.5.0",
            } },
        });
        (one.name.to_owned(), value)
    };
    MESSAGES.iter().map(of_topic).collect()
}

/// The headers of a record: CloudEvents 1.0 in Kafka's binary mode.
fn headers(kind: &str) -> Value {
    json!({
        "type": "object",
        "required": ["ce_specversion", "ce_type", "ce_id", "ce_source", "content-type"],
        "properties": {
            "ce_specversion": { "type": "string", "const": "1.0" },
            "ce_type": { "type": "string", "const": kind },
            "ce_id": { "type": "string" },
            "ce_source": { "type": "string" },
            "content-type": { "type": "string", "const": "application/json" },
            "traceparent": { "type": "string", "description": "The trace that the record belongs to, as W3C spells it" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Topics that only the services read, which may change with them.
    const INTERNAL: [Topic; 4] = [topics::JOURNAL, topics::FAILURES, topics::METRICS_REPLAY, topics::PORTFOLIO_REPLAY];

    #[test]
    fn every_topic_is_documented_or_internal() {
        let named = DOCUMENTED.iter().map(|one| one.topic.name);
        let internal = INTERNAL.iter().chain(topics::DEAD_LETTERS).map(|topic| topic.name);
        let named: BTreeSet<&str> = named.chain(internal).collect();
        assert_eq!(named, topics::ALL_TOPICS.iter().map(|topic| topic.name).collect());
    }

    #[test]
    fn headers_are_those_that_are_written() {
        let written = wire::headers::cloud_event(kind::TRADE_EXECUTED, "id", "source", Some("trace"));
        let written: Map<String, Value> =
            written.into_iter().map(|(name, value)| (name, String::from_utf8(value).unwrap().into())).collect();
        let schema = headers(kind::TRADE_EXECUTED);
        let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(written.keys().collect::<BTreeSet<_>>(), known);
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&Value::Object(written)));
        let other = headers(kind::TRADE_REVERTED);
        assert_ne!(schema, other, "a reader tells a revert by its header already");
    }
}
