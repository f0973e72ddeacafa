//! The messages of the stream: what a client may ask, and what it is answered.

use crate::live::{Place, Refused};
use api_domain::{Filter, Who, lowered};
use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use wire::check;

/// Trades in a snapshot when nothing is said, and at most.
const TRADES: usize = 50;
const MOST_TRADES: usize = 200;

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Subscribe { id: String, what: What, resume: Option<Place> },
    Unsubscribe { id: String },
    Ping,
}

/// What it wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Trades { filter: Filter, limit: usize },
    Metrics(Who),
    Wallets(Who),
    Chains,
}

/// Why a message is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misunderstood {
    pub(super) id: Option<String>,
    pub(super) field: Option<String>,
    pub(super) detail: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    op: String,
    id: Option<String>,
    channel: Option<String>,
    #[serde(default)]
    filter: Fields,
    limit: Option<usize>,
    resume: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    chain: Option<String>,
    trader: Option<String>,
    asset: Option<String>,
    venue: Option<String>,
    address: Option<String>,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Ask, Misunderstood> {
    let message: Message = serde_json::from_str(text).map_err(|e| Misunderstood {
        id: None,
        field: None,
        detail: format!("not a message of this protocol: {e}"),
    })?;
    let given = message.id.clone().filter(|id| id.len() <= 64);
    ask(message).map_err(|(field, detail)| Misunderstood { id: given, field: Some(field.to_owned()), detail })
}

type Wrong = (&'static str, String);

fn ask(message: Message) -> Result<Ask, Wrong> {
    if message.id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 64) {
        return Err(("id", "must have 1 to 64 bytes".to_owned()));
    }
    let id = |channel: Option<&String>| message.id.clone().or(channel.cloned());
    match message.op.as_str() {
        "ping" => Ok(Ask::Ping),
        "unsubscribe" => match id(message.channel.as_ref()) {
            Some(id) => Ok(Ask::Unsubscribe { id }),
            None => Err(("id", "must name the subscription to end, or `channel` must".to_owned())),
        },
        "subscribe" => {
            let channel = message.channel.as_ref().ok_or(("channel", "must be given".to_owned()))?;
            let id = id(Some(channel)).unwrap_or_default();
            let resume = message.resume.as_deref().map(Place::read).transpose();
            let resume = resume.map_err(|_| ("resume", "is no `at` that was given out".to_owned()))?;
            Ok(Ask::Subscribe { what: what(channel, message.filter, message.limit)?, id, resume })
        }
        other => Err(("op", format!("is `{other}`, but must be `subscribe`, `unsubscribe` or `ping`"))),
    }
}

fn what(channel: &str, fields: Fields, limit: Option<usize>) -> Result<What, Wrong> {
    match channel {
        "trades" => {
            let limit = limit.unwrap_or(TRADES);
            if limit > MOST_TRADES {
                return Err(("limit", format!("must be at most {MOST_TRADES}")));
            }
            if fields.address.is_some() {
                return Err(("filter.address", "does not apply to trades; use `trader`".to_owned()));
            }
            let filter = Filter {
                chain: identity("filter.chain", fields.chain)?,
                trader: identity("filter.trader", fields.trader)?.map(|trader| lowered(&trader)),
                asset: identity("filter.asset", fields.asset)?.map(|asset| lowered(&asset)),
                venue: identity("filter.venue", fields.venue)?,
            };
            Ok(What::Trades { filter, limit })
        }
        "user.metrics" => who(fields).map(What::Metrics),
        "user.portfolio" => who(fields).map(What::Wallets),
        "chains" => Ok(What::Chains),
        other => Err((
            "channel",
            format!("is `{other}`, but must be `trades`, `user.metrics`, `user.portfolio` or `chains`"),
        )),
    }
}

fn who(fields: Fields) -> Result<Who, Wrong> {
    let address = identity("filter.address", fields.address)?.ok_or(("filter.address", "must be given".to_owned()))?;
    Ok(Who { address: lowered(&address), chain: identity("filter.chain", fields.chain)? })
}

fn identity(field: &'static str, text: Option<String>) -> Result<Option<String>, Wrong> {
    if let Some(text) = &text {
        check::id(field, text).map_err(|refusal| match refusal {
            wire::Invalid::Field { rule, .. } => (field, rule),
            shape @ wire::Invalid::Shape(_) => (field, shape.to_string()),
        })?;
    }
    Ok(text)
}

/// An answer in JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Answer<'a> {
    Hello {
        version: &'static str,
        #[serde(rename = "heartbeatMs")]
        heartbeat_ms: u64,
        #[serde(rename = "maxSubscriptions")]
        max_subscriptions: usize,
    },
    Unsubscribed {
        id: &'a str,
    },
    Reset {
        id: &'a str,
    },
    Gap {
        channel: &'static str,
        missed: u64,
    },
    Heartbeat {
        now: u64,
    },
    Pong,
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        detail: &'a str,
    },
}

impl Answer<'_> {
    pub(super) fn text(&self) -> Utf8Bytes {
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

/// A snapshot from its parts; `data` and `filter` are JSON already.
pub(super) fn snapshot(id: &str, channel: &str, data: &str, at: &str) -> Utf8Bytes {
    let id = serde_json::Value::from(id);
    format!(r#"{{"type":"snapshot","id":{id},"channel":"{channel}","data":{data},"at":"{at}"}}"#).into()
}

/// Code and sentence of a refusal.
pub(super) fn refusal(refused: Refused) -> (&'static str, &'static str) {
    match refused {
        Refused::Starting => ("starting", "the log is not read yet; ask again in a moment"),
        Refused::Behind => {
            ("behind", "metrics is too far behind the tape for a snapshot without a hole; ask again later")
        }
        Refused::TooMany => ("too-many", "this connection has as many subscriptions as it may"),
        Refused::Gone => ("gone", "this connection is closing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_understood() {
        let text = r#"{"op":"subscribe","channel":"trades","filter":{"chain":"mock","trader":"0xAB"},"limit":5}"#;
        let filter = Filter { chain: Some("mock".into()), trader: Some("0xab".into()), ..Filter::default() };
        assert_eq!(
            read(text),
            Ok(Ask::Subscribe { id: "trades".into(), what: What::Trades { filter, limit: 5 }, resume: None })
        );
        let text = r#"{"op":"subscribe","id":"me","channel":"user.metrics","filter":{"address":"Abc"}}"#;
        let who = Who { address: "Abc".into(), chain: None };
        assert_eq!(read(text), Ok(Ask::Subscribe { id: "me".into(), what: What::Metrics(who), resume: None }));
        assert_eq!(read(r#"{"op":"unsubscribe","id":"me"}"#), Ok(Ask::Unsubscribe { id: "me".into() }));
    }

    #[test]
    fn a_refusal_names_the_field() {
        let field = |text: &str| read(text).unwrap_err().field;
        assert_eq!(field("{"), None);
        assert_eq!(field(r#"{"op":"jump"}"#).as_deref(), Some("op"));
        assert_eq!(field(r#"{"op":"subscribe"}"#).as_deref(), Some("channel"));
        assert_eq!(field(r#"{"op":"subscribe","channel":"news"}"#).as_deref(), Some("channel"));
        assert_eq!(field(r#"{"op":"subscribe","channel":"user.metrics"}"#).as_deref(), Some("filter.address"));
        assert_eq!(
            field(r#"{"op":"subscribe","channel":"trades","filter":{"chain":""}}"#).as_deref(),
            Some("filter.chain")
        );
        assert_eq!(field(r#"{"op":"subscribe","channel":"trades","limit":201}"#).as_deref(), Some("limit"));
        assert_eq!(field(r#"{"op":"subscribe","channel":"trades","resume":"?"}"#).as_deref(), Some("resume"));
        assert!(read(r#"{"op":"subscribe","channel":"trades","filter":{"chian":"x"}}"#).is_err());
    }
}
