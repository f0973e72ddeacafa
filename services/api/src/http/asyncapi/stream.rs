//! The stream: what a client may send on the WebSocket, and every message that it may receive.

use super::{PORTFOLIO, TRADE, message, shape};
use crate::live::Channel;
use crate::stream::{
    DEFAULT_SNAPSHOT_CANDLES, DEFAULT_SNAPSHOT_TRADES, MAX_ID_BYTES, MAX_SNAPSHOT_CANDLES, MAX_SNAPSHOT_TRADES,
};
use api_domain::CandleInterval;
use serde_json::{Map, Value, json};

/// The name of the WebSocket among the channels.
pub(super) const CHANNEL: &str = "stream";

/// Replies whose shapes are those of the code, and when each is sent.
const REPLIES: [(&str, &str); 7] = [
    ("hello", "The first message of a connection: subscribe after it."),
    ("unsubscribed", "A subscription has ended, as it was asked for."),
    ("reset", "A subscription cannot be resumed from so long ago: a new snapshot follows."),
    ("gap", "The reader was too slow and changes were dropped: subscribe again, without `resume`."),
    ("heartbeat", "The server is alive; sent every `heartbeatMs`."),
    ("pong", "The answer to a ping."),
    ("error", "A request is refused. `starting`, `behind`, `unavailable` and `too-fast` pass: ask again in a moment."),
];

/// A channel that a client subscribes to, as documented.
struct Documented {
    channel: Channel,
    says: &'static str,
    /// What its filter may consist of; required ones end with `!`.
    filter: &'static [&'static str],
    /// What a snapshot carries.
    snapshot: Value,
    /// What an update carries; none where changes are applied and reverted.
    update: Option<Value>,
    example: Value,
}

fn documented() -> Vec<Documented> {
    let user = &["address!", "chain"];
    vec![
        Documented {
            channel: Channel::Trades,
            says: "Trades as they are applied and reverted, newest first in the snapshot.",
            filter: &["chain", "trader", "asset", "venue", "pool", "platform", "kind", "minUsd"],
            snapshot: list_of(&shape(TRADE)),
            update: None,
            example: json!({ "chain": "mock", "minUsd": "1000" }),
        },
        Documented {
            channel: Channel::Metrics,
            says: "One user's metrics; an update has the totals of one chain and the positions that changed.",
            filter: user,
            snapshot: shape("MetricsData"),
            update: Some(shape("MetricsChange")),
            example: json!({ "address": "0x00000000000000000000000000000000000000aa" }),
        },
        Documented {
            channel: Channel::Wallets,
            says: "One user's balances; an update has those that changed.",
            filter: user,
            snapshot: shape("WalletData"),
            update: Some(shape(PORTFOLIO)),
            example: json!({ "address": "0x00000000000000000000000000000000000000aa", "chain": "mock" }),
        },
        Documented {
            channel: Channel::Chains,
            says: "How far each chain is.",
            filter: &[],
            snapshot: shape("ChainList"),
            update: Some(shape("ChainView")),
            example: json!({}),
        },
        Documented {
            channel: Channel::Prices,
            says: "The price of one asset, told again when it or the volume of 24 hours has changed; read once a second.",
            filter: &["chain!", "asset!"],
            snapshot: shape("PriceState"),
            update: Some(shape("PriceState")),
            example: json!({ "chain": "mock", "asset": "mock:token:cat" }),
        },
        Documented {
            channel: Channel::Candles,
            says: "The newest candles of one asset; an update has one that changed among the newest (15 minutes, 3 hours, 2 days). Where \
                   a reorg reaches further back, REST has the older ones.",
            filter: &["chain!", "asset!", "interval"],
            snapshot: shape("CandleState"),
            update: Some(shape("CandleUpdate")),
            example: json!({ "chain": "mock", "asset": "mock:token:cat", "interval": "1m" }),
        },
    ]
}

fn list_of(item: &Value) -> Value {
    json!({ "type": "object", "required": ["items"], "properties": { "items": { "type": "array", "items": item } } })
}

/// The WebSocket with all of its messages.
pub(super) fn channel() -> Value {
    let all: Map<String, Value> = messages().keys().map(|name| (name.clone(), message(name))).collect();
    json!({
        "address": "/v1/stream",
        "title": "stream",
        "description": "One WebSocket for every subscription; each message is one JSON object in a text frame. What a client may rely \
                        on is in `services/api/README.md`.",
        "servers": [{ "$ref": "#/servers/api" }],
        "messages": all,
        "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
    })
}

/// What the server receives and what it sends.
pub(super) fn operations() -> Map<String, Value> {
    let (requests, answers): (Vec<String>, Vec<String>) = messages().keys().cloned().partition(|name| is_request(name));
    let operation = |action: &str, summary: &str, names: Vec<String>| {
        let reference = |name: String| json!({ "$ref": format!("#/channels/{CHANNEL}/messages/{name}") });
        json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{CHANNEL}") },
            "summary": summary,
            "messages": names.into_iter().map(reference).collect::<Vec<_>>(),
        })
    };
    let receive = operation("receive", "Requests of a client, at most 16 KiB each and ten per second.", requests);
    let send = operation("send", "Replies, snapshots and changes.", answers);
    [("stream.receive".to_owned(), receive), ("stream.send".to_owned(), send)].into_iter().collect()
}

fn is_request(name: &str) -> bool {
    name.starts_with("subscribe.") || matches!(name, "unsubscribe" | "ping")
}

/// Every message by its name.
pub(super) fn messages() -> Map<String, Value> {
    let mut messages = Map::new();
    let mut add = |name: String, says: &str, payload: Value, example: Option<Value>| {
        let mut message = json!({ "name": name, "title": name, "summary": says, "contentType": "application/json", "payload": payload });
        if let Some(example) = example {
            message["examples"] = json!([{ "payload": example }]);
        }
        messages.insert(name, message);
    };
    for (kind, says) in REPLIES {
        add(kind.to_owned(), says, shape(&reply_shape(kind)), None);
    }
    let resumed = sent("resumed", &[("id", text()), ("at", at())]);
    add(
        "resumed".to_owned(),
        "A subscription goes on where it was; what was missed follows, then what is new.",
        resumed,
        None,
    );
    for (kind, says) in [("apply", "A trade is applied."), ("revert", "A trade is taken back.")] {
        let payload =
            sent(kind, &[("channel", one_of(Channel::Trades)), ("data", shape(TRADE)), ("at", at()), ("ids", ids())]);
        add(kind.to_owned(), says, payload, None);
    }
    for Documented { channel, says, filter, snapshot, update, example } in documented() {
        let name = channel.name();
        let payload =
            sent("snapshot", &[("id", text()), ("channel", one_of(channel)), ("data", snapshot), ("at", at())]);
        add(format!("snapshot.{name}"), "The state at the beginning of a subscription.", payload, None);
        if let Some(data) = update {
            let payload = sent("update", &[("channel", one_of(channel)), ("data", data), ("at", at()), ("ids", ids())]);
            let says = "A newer state; for a slow reader one message stands for several.";
            add(format!("update.{name}"), says, payload, None);
        }
        let mut request = json!({ "op": "subscribe", "channel": name, "id": "mine", "filter": example });
        if limit_of(channel).is_some() {
            request["limit"] = 20.into();
        }
        add(format!("subscribe.{name}"), says, subscribe(channel, filter), Some(request));
    }
    let ending = json!({
        "type": "object",
        "required": ["op"],
        "properties": { "op": { "const": "unsubscribe" }, "id": id(), "channel": text() },
        "anyOf": [{ "required": ["id"] }, { "required": ["channel"] }],
        "additionalProperties": false,
    });
    let example = json!({ "op": "unsubscribe", "id": "mine" });
    add(
        "unsubscribe".to_owned(),
        "Ends the subscription of this id, or the one named like its channel.",
        ending,
        Some(example),
    );
    let ping = json!({
        "type": "object", "required": ["op"], "properties": { "op": { "const": "ping" } }, "additionalProperties": false,
    });
    add("ping".to_owned(), "Is answered by a pong.", ping, Some(json!({ "op": "ping" })));
    messages
}

/// Adds what only the stream's messages refer to.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    let at = json!({
        "type": "string",
        "description": "Where to resume: whoever has received a message has received everything of its channel below its `at`.",
    });
    let ids = json!({
        "type": "array", "items": { "type": "string" }, "minItems": 1,
        "description": "The subscriptions of this connection that the change belongs to",
    });
    schemas.extend([("StreamAt".to_owned(), at), ("StreamIds".to_owned(), ids)]);
}

/// The name of the shape of a reply.
pub(super) fn reply_shape(kind: &str) -> String {
    let mut letters = kind.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("Stream{}{}", first.into_iter().collect::<String>(), letters.as_str())
}

/// A message of the server: its type, and these fields, all of which it has.
fn sent(kind: &str, fields: &[(&str, Value)]) -> Value {
    let mut properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = ["type"].into_iter().chain(fields.iter().map(|(name, _)| *name)).collect();
    properties.insert("type".to_owned(), json!({ "type": "string", "const": kind }));
    json!({ "type": "object", "required": required, "properties": properties })
}

fn subscribe(channel: Channel, filter: &[&str]) -> Value {
    let mut properties = json!({
        "op": { "type": "string", "const": "subscribe" },
        "channel": one_of(channel),
        "id": id(),
        "filter": filter_schema(filter),
        "resume": { "type": "string", "description": "The last `at` that was received: go on from there, on any instance" },
    });
    if let Some((items, most, default)) = limit_of(channel) {
        properties["limit"] = json!({
            "type": "integer", "minimum": 0, "maximum": most,
            "description": format!("{items} in the snapshot; {default} by default"),
        });
    }
    let is_needed = filter.iter().any(|name| name.ends_with('!'));
    let required = if is_needed { json!(["op", "channel", "filter"]) } else { json!(["op", "channel"]) };
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// Of what a snapshot may have so many: at most, and by default.
fn limit_of(channel: Channel) -> Option<(&'static str, usize, usize)> {
    match channel {
        Channel::Trades => Some(("Trades", MAX_SNAPSHOT_TRADES, DEFAULT_SNAPSHOT_TRADES)),
        Channel::Candles => Some(("Candles", MAX_SNAPSHOT_CANDLES, DEFAULT_SNAPSHOT_CANDLES)),
        _ => None,
    }
}

fn filter_schema(names: &[&str]) -> Value {
    let required: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix('!')).collect();
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| {
            let name = name.trim_end_matches('!');
            let value = match name {
                "interval" => json!({ "type": "string", "enum": CandleInterval::ALL.map(CandleInterval::name) }),
                "minUsd" => json!({ "type": "string", "pattern": "^[0-9]{1,15}([.][0-9]{1,18})?$" }),
                _ => json!({ "type": "string", "minLength": 1, "maxLength": 256 }),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn one_of(channel: Channel) -> Value {
    json!({ "type": "string", "const": channel.name() })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn id() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES,
        "description": "The subscription's name on this connection; like the channel where it is not given",
    })
}

fn at() -> Value {
    shape("StreamAt")
}

fn ids() -> Value {
    shape("StreamIds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{accepted_names, is_accepted};
    use std::collections::BTreeSet;

    #[test]
    fn every_channel_is_documented_with_a_request_and_a_snapshot() {
        let named: Vec<&str> = documented().iter().map(|one| one.channel.name()).collect();
        assert_eq!(named, Channel::ALL.map(Channel::name));
    }

    #[test]
    fn examples_of_requests_are_accepted_and_every_field_that_is_read_is_documented() {
        let (mut fields, mut filters) = (BTreeSet::new(), BTreeSet::new());
        for (name, message) in messages().into_iter().filter(|(name, _)| is_request(name)) {
            let example = &message["examples"][0]["payload"];
            assert!(is_accepted(&example.to_string()), "{name}: {example}");
            let properties = message["payload"]["properties"].as_object().unwrap().clone();
            if let Some(filter) = properties.get("filter") {
                filters.extend(filter["properties"].as_object().unwrap().keys().cloned());
            }
            fields.extend(properties.into_iter().map(|(field, _)| field));
        }
        assert_eq!([fields, filters], accepted_names());
    }
}
