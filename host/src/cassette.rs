//! Cassettes: a JSON file with everything that one scan depends on: settings, time, span, and the answers of upstream
//! and cache.
//!
//! The same file is a fixture of plugin tests, the evidence attached to a failure, and what `scan --cassette` replays
//! without a network.

mod replay;

pub use replay::{Recorder, Replay};

use crate::chainfile::ChainFile;
use crate::plugin::CallContext;
use crate::upstream::{Response, UpstreamError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tape::Detector;

/// Bytes of the largest request that is compared as JSON: a value takes many times what its text does.
const MAX_COMPARED_JSON_BYTES: usize = 1 << 20;

/// One scan, recorded: its context and all answers it got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cassette {
    /// Where the recording comes from, in words.
    #[serde(default)]
    pub note: String,
    /// The plugin that scanned; none on cassettes made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<Scanner>,
    /// Id of the chain.
    pub chain: String,
    /// The chain's own identity.
    pub network: String,
    /// The chain file's settings, secrets struck out.
    pub settings: Value,
    /// The host's time.
    pub now_ms: u64,
    /// The height that was final already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized: Option<u64>,
    /// The endpoint that answered, by its number in the process that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<u64>,
    /// First height of the span.
    pub first: u64,
    /// Last height of the span.
    pub last: u64,
    /// How the scan ended, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The requests to upstream, with their answers.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// The reads of the cache, with their answers.
    #[serde(default)]
    pub facts: Vec<Fact>,
}

/// The plugin that scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanner {
    /// Plugin id.
    pub plugin: String,
    /// Plugin version.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The path.
    #[serde(default)]
    pub path: String,
    /// The body of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The answer to it.
    pub answer: RecordedAnswer,
}

/// A recorded answer of upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedAnswer {
    /// A complete response.
    Response {
        /// HTTP status.
        #[serde(default = "ok")]
        status: u16,
        /// Names in lower case.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// The bytes.
        body: Body,
    },
    /// No response.
    Error {
        /// `unreachable`, `too-large`, `refused`.
        error: String,
        /// The sentence, or the cap.
        why: String,
    },
}

fn ok() -> u16 {
    200
}

/// Bytes, as readable as they can be. JSON is compared by value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// A JSON value: what people write by hand.
    Json(Value),
    /// Text, byte by byte.
    Text(String),
    /// Anything else, as hex digits.
    Hex(String),
}

/// One read of the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The key.
    pub key: String,
    /// The cached value, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Body>,
}

impl Body {
    fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(hex::encode(bytes)),
        }
    }

    /// How many bytes a recording of these bytes takes.
    pub(crate) fn recorded_bytes(bytes: &[u8]) -> usize {
        if std::str::from_utf8(bytes).is_ok() { bytes.len() } else { bytes.len().saturating_mul(2) }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex(digits) => hex::decode(digits).unwrap_or_default(),
        }
    }

    /// The bytes by which a request with this body is found in a cassette: JSON in one spelling, everything else as it
    /// is.
    fn lookup_key(bytes: &[u8]) -> Vec<u8> {
        if bytes.len() > MAX_COMPARED_JSON_BYTES {
            return bytes.to_vec();
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => value.to_string().into_bytes(),
            Err(_) => bytes.to_vec(),
        }
    }
}

impl RecordedAnswer {
    fn from_result(answer: &Result<Response, UpstreamError>) -> Self {
        let error = |error: &str, why: String| Self::Error { error: error.to_owned(), why };
        match answer {
            Ok(response) => Self::Response {
                status: response.status,
                headers: response.headers.clone(),
                body: Body::from_bytes(&response.body),
            },
            Err(UpstreamError::Unreachable(why)) => error("unreachable", why.clone()),
            Err(UpstreamError::TooLarge(cap)) => error("too-large", cap.to_string()),
            Err(UpstreamError::Refused(why)) => error("refused", why.clone()),
        }
    }

    fn to_result(&self) -> Result<Response, UpstreamError> {
        match self {
            Self::Response { status, headers, body } => {
                Ok(Response { status: *status, headers: headers.clone(), body: body.bytes() })
            }
            Self::Error { error, why } => Err(match error.as_str() {
                "too-large" => UpstreamError::TooLarge(why.parse().unwrap_or(0)),
                "refused" => UpstreamError::Refused(why.clone()),
                _ => UpstreamError::Unreachable(why.clone()),
            }),
        }
    }
}

impl Cassette {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|e| format!("read {}: {e}", path.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("read {}: it is no cassette: {e}", path.display()))
    }

    /// Its JSON, for people.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The cassette of a scan whose answers were recorded.
    pub fn from_scan(
        file: &ChainFile,
        network: &str,
        context: &CallContext,
        (first, last): (u64, u64),
        recorder: &Recorder,
    ) -> Self {
        let (exchanges, facts) = recorder.recorded();
        Self {
            chain: file.id.clone(),
            network: network.to_owned(),
            settings: serde_json::from_str(&file.without_secrets(&context.settings)).unwrap_or_default(),
            now_ms: context.now_ms,
            finalized: context.finalized,
            endpoint: context.endpoint,
            first,
            last,
            exchanges,
            facts,
            ..Self::default()
        }
    }

    /// Adds which plugin scanned, and how it failed.
    #[must_use]
    pub fn failed(mut self, detector: &Detector, why: String) -> Self {
        let Detector { plugin, version, digest } = detector.clone();
        self.detector = Some(Scanner { plugin, version, digest });
        self.note = format!("recorded by the host when {} {} failed", detector.plugin, detector.version);
        self.failure = Some(why);
        self
    }

    /// The context of the scan.
    pub fn context(&self) -> CallContext {
        CallContext {
            settings: self.settings.to_string(),
            now_ms: self.now_ms,
            finalized: self.finalized,
            endpoint: self.endpoint,
            endpoint_network: None,
        }
    }

    /// The answers, to be given once more.
    pub fn replay(&self) -> Arc<Replay> {
        Arc::new(Replay::new(&self.exchanges, &self.facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Request;

    #[test]
    fn a_cassette_can_be_written_by_hand() {
        let text = r#"{"chain": "c", "network": "n", "settings": {}, "nowMs": 0, "first": 1, "last": 1,
            "exchanges": [{"path": "/block?height=1", "answer": {"body": {"json": {"height": "1"}}}}]}"#;
        let cassette: Cassette = serde_json::from_str(text).unwrap();
        let request = Request { path: "/block?height=1".to_owned(), headers: vec![], body: None, weight: 1 };
        let answer = cassette.replay().answer(&request).unwrap();
        assert_eq!((answer.status, answer.body), (200, br#"{"height":"1"}"#.to_vec()));
    }
}
