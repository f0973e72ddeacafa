//! The messages of the stream: parsing those of clients, and the replies to them.

use crate::http::read_min_usd;
use crate::live::{Channel, ResumePoint, Selection, SubscriptionRefused, WatchKey};
use api_domain::{AssetQuery, CandleInterval, TradeFilter, UserQuery, normalized_id};
use axum::extract::ws::Utf8Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::check;

/// Trades in a snapshot without `limit`, and at most.
pub(crate) const DEFAULT_SNAPSHOT_TRADES: usize = 50;
pub(crate) const MAX_SNAPSHOT_TRADES: usize = 200;

/// Candles in a snapshot without `limit`, and at most.
pub(crate) const DEFAULT_SNAPSHOT_CANDLES: usize = 100;
pub(crate) const MAX_SNAPSHOT_CANDLES: usize = 500;

/// Bytes of a subscription's id at most.
pub(crate) const MAX_ID_BYTES: usize = 64;

/// A request of a client.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one message at a time, which is used at once")]
pub(super) enum ClientRequest {
    Subscribe { id: String, selection: Selection, resume: Option<ResumePoint> },
    Unsubscribe { id: String },
    Ping,
}

/// Why a message is no request: the subscription and field it concerns, where known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadMessage {
    pub(super) id: Option<String>,
    pub(super) field: Option<String>,
    pub(super) detail: String,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawMessage {
    op: String,
    id: Option<String>,
    channel: Option<String>,
    #[serde(default)]
    filter: RawFilter,
    limit: Option<usize>,
    resume: Option<String>,
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawFilter {
    chain: Option<String>,
    trader: Option<String>,
    asset: Option<String>,
    venue: Option<String>,
    pool: Option<String>,
    platform: Option<String>,
    kind: Option<String>,
    #[serde(rename = "minUsd")]
    min_usd: Option<String>,
    address: Option<String>,
    interval: Option<String>,
}

/// Parses a message.
pub(super) fn parse_message(text: &str) -> Result<ClientRequest, BadMessage> {
    let message: RawMessage = serde_json::from_str(text).map_err(|e| BadMessage {
        id: None,
        field: None,
        detail: format!("not a message of this protocol: {e}"),
    })?;
    let id = message.id.clone().filter(|id| id.len() <= MAX_ID_BYTES);
    parse_request(message).map_err(|(field, detail)| BadMessage { id, field: Some(field.to_owned()), detail })
}

/// A field and the rule that it breaks.
type FieldError = (&'static str, String);

fn parse_request(message: RawMessage) -> Result<ClientRequest, FieldError> {
    if message.id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_ID_BYTES) {
        return Err(("id", "must have 1 to 64 bytes".to_owned()));
    }
    let id = |channel: Option<&String>| message.id.clone().or(channel.cloned());
    match message.op.as_str() {
        "ping" => Ok(ClientRequest::Ping),
        "unsubscribe" => match id(message.channel.as_ref()) {
            Some(id) => Ok(ClientRequest::Unsubscribe { id }),
            None => Err(("id", "must name the subscription to end, or `channel` must".to_owned())),
        },
        "subscribe" => {
            let channel = message.channel.as_ref().ok_or(("channel", "must be given".to_owned()))?;
            let id = id(Some(channel)).unwrap_or_default();
            let resume = message.resume.as_deref().map(ResumePoint::parse).transpose();
            let resume = resume.map_err(|_| ("resume", "is no `at` that was given out".to_owned()))?;
            Ok(ClientRequest::Subscribe {
                selection: parse_selection(channel, message.filter, message.limit)?,
                id,
                resume,
            })
        }
        other => Err(("op", format!("is `{other}`, but must be `subscribe`, `unsubscribe` or `ping`"))),
    }
}

fn parse_selection(channel: &str, fields: RawFilter, limit: Option<usize>) -> Result<Selection, FieldError> {
    match Channel::from_name(channel) {
        Some(Channel::Trades) => {
            let limit = limit.unwrap_or(DEFAULT_SNAPSHOT_TRADES);
            if limit > MAX_SNAPSHOT_TRADES {
                return Err(("limit", format!("must be at most {MAX_SNAPSHOT_TRADES}")));
            }
            if fields.address.is_some() {
                return Err(("filter.address", "does not apply to trades; use `trader`".to_owned()));
            }
            if fields.interval.is_some() {
                return Err(("filter.interval", "does not apply to trades".to_owned()));
            }
            Ok(Selection::Trades { filter: parse_filter(fields)?, limit })
        }
        Some(Channel::Metrics) => parse_user(fields).map(Selection::Metrics),
        Some(Channel::Wallets) => parse_user(fields).map(Selection::Wallets),
        Some(Channel::Chains) => Ok(Selection::Chains),
        Some(Channel::Prices) => Ok(Selection::Watched { key: parse_watch(fields, None)?, candles: 0 }),
        Some(Channel::Candles) => {
            let candles = limit.unwrap_or(DEFAULT_SNAPSHOT_CANDLES);
            if candles > MAX_SNAPSHOT_CANDLES {
                return Err(("limit", format!("must be at most {MAX_SNAPSHOT_CANDLES}")));
            }
            let interval = parse_interval(fields.interval.as_deref())?;
            let candles = u32::try_from(candles).unwrap_or(u32::MAX);
            Ok(Selection::Watched { key: parse_watch(fields, Some(interval))?, candles })
        }
        None => {
            let names = Channel::ALL.map(|channel| format!("`{}`", channel.name())).join(", ");
            Err(("channel", format!("is `{channel}`, but must be one of {names}")))
        }
    }
}

fn parse_filter(fields: RawFilter) -> Result<TradeFilter, FieldError> {
    let normalized = |field: &'static str, text: Option<String>| -> Result<Option<String>, FieldError> {
        Ok(checked_id(field, text)?.map(|text| normalized_id(&text)))
    };
    let min_usd = fields.min_usd.as_deref().map(read_min_usd).transpose();
    Ok(TradeFilter {
        chain: checked_id("filter.chain", fields.chain)?,
        trader: normalized("filter.trader", fields.trader)?,
        asset: normalized("filter.asset", fields.asset)?,
        venue: checked_id("filter.venue", fields.venue)?,
        pool: normalized("filter.pool", fields.pool)?,
        platform: checked_id("filter.platform", fields.platform)?,
        kind: checked_id("filter.kind", fields.kind)?,
        min_usd: min_usd.map_err(|rule| ("filter.minUsd", rule.to_owned()))?,
        plausible_usd: None,
    })
}

/// An asset of a chain; both must be given.
fn parse_watch(fields: RawFilter, interval: Option<CandleInterval>) -> Result<WatchKey, FieldError> {
    let given =
        |field: &'static str, text: Option<String>| checked_id(field, text)?.ok_or((field, "must be given".to_owned()));
    let (chain, asset) = (given("filter.chain", fields.chain)?, given("filter.asset", fields.asset)?);
    Ok(WatchKey { asset: AssetQuery { chain, asset: normalized_id(&asset) }, interval })
}

fn parse_interval(text: Option<&str>) -> Result<CandleInterval, FieldError> {
    let Some(text) = text else { return Ok(CandleInterval::Hour) };
    let named = CandleInterval::ALL.into_iter().find(|interval| interval.name() == text);
    named.ok_or(("filter.interval", "must be `1m`, `1h` or `1d`".to_owned()))
}

fn parse_user(fields: RawFilter) -> Result<UserQuery, FieldError> {
    let address =
        checked_id("filter.address", fields.address)?.ok_or(("filter.address", "must be given".to_owned()))?;
    Ok(UserQuery { address: normalized_id(&address), chain: checked_id("filter.chain", fields.chain)? })
}

fn checked_id(field: &'static str, text: Option<String>) -> Result<Option<String>, FieldError> {
    if let Some(text) = &text {
        check::id(field, text).map_err(|refusal| match refusal {
            wire::Invalid::Field { rule, .. } => (field, rule),
            shape @ wire::Invalid::Shape(_) => (field, shape.to_string()),
        })?;
    }
    Ok(text)
}

/// A reply of the server, as JSON.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ServerMessage<'a> {
    Hello {
        /// The version of the protocol.
        version: &'static str,
        /// Milliseconds between two heartbeats.
        #[serde(rename = "heartbeatMs")]
        heartbeat_ms: u64,
        /// Subscriptions of one connection at most.
        #[serde(rename = "maxSubscriptions")]
        max_subscriptions: usize,
    },
    Unsubscribed {
        /// The subscription.
        id: &'a str,
    },
    Reset {
        /// The subscription.
        id: &'a str,
    },
    Gap {
        /// The channel of which changes are missing.
        channel: &'static str,
        /// How many.
        missed: u64,
    },
    Heartbeat {
        /// The server's time, milliseconds since the Unix epoch.
        now: u64,
    },
    Pong,
    Error {
        /// The subscription that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        /// What is wrong, for programs; an open list.
        code: &'static str,
        /// The field of the request that is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        /// What is wrong, in words.
        detail: &'a str,
    },
}

/// The shapes of the replies by the value of `type`.
pub(crate) fn reply_schemas() -> Vec<(String, Value)> {
    let mut schema = schemars::schema_for!(ServerMessage<'_>).to_value();
    let Some(Value::Array(variants)) = schema.get_mut("oneOf").map(Value::take) else { return vec![] };
    let named = |variant: Value| Some((variant.pointer("/properties/type/const")?.as_str()?.to_owned(), variant));
    variants.into_iter().filter_map(named).collect()
}

/// Whether a message is a request.
#[cfg(test)]
pub(crate) fn is_accepted(text: &str) -> bool {
    parse_message(text).is_ok()
}

/// The names of all fields of requests, and of filters.
#[cfg(test)]
pub(crate) fn accepted_names() -> [std::collections::BTreeSet<String>; 2] {
    let names = |schema: schemars::Schema| {
        schema.get("properties").and_then(Value::as_object).map(|fields| fields.keys().cloned().collect())
    };
    [schemars::schema_for!(RawMessage), schemars::schema_for!(RawFilter)].map(names).map(Option::unwrap_or_default)
}

impl ServerMessage<'_> {
    pub(super) fn text(&self) -> Utf8Bytes {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// The error code and the sentence for a refused subscription.
pub(super) fn refusal(refused: SubscriptionRefused) -> (&'static str, &'static str) {
    match refused {
        SubscriptionRefused::Starting => ("starting", "the log is not read yet; ask again in a moment"),
        SubscriptionRefused::Behind => {
            ("behind", "metrics is too far behind the tape for a snapshot without a hole; ask again later")
        }
        SubscriptionRefused::Full => {
            ("unavailable", "as many prices and candles are watched as may be; ask again later")
        }
        SubscriptionRefused::TooMany => ("too-many", "this connection has as many subscriptions as it may"),
        SubscriptionRefused::Gone => ("gone", "this connection is closing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tape::Usd;

    #[test]
    fn a_subscription_is_parsed() {
        let text = r#"{"op":"subscribe","channel":"trades","filter":{"chain":"mock","trader":"0xAB"},"limit":5}"#;
        let filter = TradeFilter { chain: Some("mock".into()), trader: Some("0xab".into()), ..TradeFilter::default() };
        assert_eq!(
            parse_message(text),
            Ok(ClientRequest::Subscribe {
                id: "trades".into(),
                selection: Selection::Trades { filter, limit: 5 },
                resume: None
            })
        );
        let text = r#"{"op":"subscribe","id":"me","channel":"user.metrics","filter":{"address":"Abc"}}"#;
        let user = UserQuery { address: "Abc".into(), chain: None };
        assert_eq!(
            parse_message(text),
            Ok(ClientRequest::Subscribe { id: "me".into(), selection: Selection::Metrics(user), resume: None })
        );
        assert_eq!(
            parse_message(r#"{"op":"unsubscribe","id":"me"}"#),
            Ok(ClientRequest::Unsubscribe { id: "me".into() })
        );
    }

    #[test]
    fn a_filter_has_many_parts() {
        let text = r#"{"op":"subscribe","channel":"trades",
            "filter":{"asset":"0xAB","venue":"v2","pool":"0xCD","platform":"Shop","kind":"swap","minUsd":"0.50"}}"#;
        let filter = TradeFilter {
            asset: Some("0xab".into()),
            venue: Some("v2".into()),
            pool: Some("0xcd".into()),
            platform: Some("Shop".into()),
            kind: Some("swap".into()),
            min_usd: Some(Usd(Usd::ONE.0 / 2)),
            ..TradeFilter::default()
        };
        let Ok(ClientRequest::Subscribe { selection, .. }) = parse_message(text) else { panic!("it is refused") };
        assert_eq!(selection, Selection::Trades { filter, limit: 50 });
    }

    #[test]
    fn a_refusal_names_the_field() {
        let field = |text: &str| parse_message(text).unwrap_err().field;
        assert_eq!(field("{"), None);
        assert_eq!(field(r#"{"op":"jump"}"#).as_deref(), Some("op"));
        assert_eq!(field(r#"{"op":"subscribe"}"#).as_deref(), Some("channel"));
        assert_eq!(field(r#"{"op":"subscribe","channel":"news"}"#).as_deref(), Some("channel"));
        assert_eq!(field(r#"{"op":"subscribe","channel":"user.metrics"}"#).as_deref(), Some("filter.address"));
        assert_eq!(
            field(r#"{"op":"subscribe","channel":"trades","filter":{"chain":""}}"#).as_deref(),
            Some("filter.chain")
        );
        for least in ["-1", "1e3", "", "1000000000000001"] {
            let text = json!({"op": "subscribe", "channel": "trades", "filter": {"minUsd": least}}).to_string();
            assert_eq!(field(&text).as_deref(), Some("filter.minUsd"), "{least}");
        }
        assert_eq!(field(r#"{"op":"subscribe","channel":"trades","limit":201}"#).as_deref(), Some("limit"));
        for (channel, filter, wrong) in [
            ("prices", json!({"chain": "mock"}), "filter.asset"),
            ("prices", json!({"asset": "0xa"}), "filter.chain"),
            ("candles", json!({"chain": "mock", "asset": "0xa", "interval": "2m"}), "filter.interval"),
            ("trades", json!({"interval": "1m"}), "filter.interval"),
        ] {
            let text = json!({"op": "subscribe", "channel": channel, "filter": filter}).to_string();
            assert_eq!(field(&text).as_deref(), Some(wrong), "{text}");
        }
        assert_eq!(field(r#"{"op":"subscribe","channel":"trades","resume":"?"}"#).as_deref(), Some("resume"));
        assert!(parse_message(r#"{"op":"subscribe","channel":"trades","filter":{"chian":"x"}}"#).is_err());
    }
}
