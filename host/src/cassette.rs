//! Cassettes: everything one scan is a function of (settings, time, span, upstream's answers and the cache's), as JSON.
//!
//! The same file is a fixture of plugin tests, the evidence attached to a failure, and what `scan --cassette` replays
//! without a network.

use crate::chainfile::ChainFile;
use crate::plugin::v1::Context;
use crate::upstream::{Request, Response, UpstreamError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tape::Detector;

/// One scan with all its answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cassette {
    /// Where it comes from, in words.
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
    /// First height of the span.
    pub first: u64,
    /// Last height of the span.
    pub last: u64,
    /// How the scan ended, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What was asked of upstream, and its answers.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// What was asked of the cache, and its answers.
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
    /// What came back.
    pub answer: Heard,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Heard {
    /// A whole answer.
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
    /// None.
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

/// One question to the cache and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The key.
    pub key: String,
    /// What was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Body>,
}

impl Body {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(hex::encode(bytes)),
        }
    }

    /// How many bytes it stands for.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it stands for none.
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

    /// What a request with this body is looked up by: JSON in one spelling, everything else as it is.
    fn key(bytes: &[u8]) -> Vec<u8> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => value.to_string().into_bytes(),
            Err(_) => bytes.to_vec(),
        }
    }
}

impl Heard {
    fn of(answer: &Result<Response, UpstreamError>) -> Self {
        let error = |error: &str, why: String| Self::Error { error: error.to_owned(), why };
        match answer {
            Ok(response) => Self::Response {
                status: response.status,
                headers: response.headers.clone(),
                body: Body::of(&response.body),
            },
            Err(UpstreamError::Unreachable(why)) => error("unreachable", why.clone()),
            Err(UpstreamError::TooLarge(cap)) => error("too-large", cap.to_string()),
            Err(UpstreamError::Refused(why)) => error("refused", why.clone()),
        }
    }

    fn answer(&self) -> Result<Response, UpstreamError> {
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
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("{} is no cassette: {e}", path.display()))
    }

    /// Its JSON, for people.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// A scan as it was recorded.
    pub fn of(file: &ChainFile, network: &str, told: &Context, (first, last): (u64, u64), recorder: &Recorder) -> Self {
        let recording = recorder.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            chain: file.id.clone(),
            network: network.to_owned(),
            settings: serde_json::from_str(&file.without_secrets(&told.settings)).unwrap_or_default(),
            now_ms: told.now_ms,
            finalized: told.finalized,
            first,
            last,
            exchanges: recording.exchanges,
            facts: recording.facts,
            ..Self::default()
        }
    }

    /// Says who scanned, and how it failed.
    #[must_use]
    pub fn failed(mut self, detector: &Detector, why: String) -> Self {
        let Detector { plugin, version, digest } = detector.clone();
        self.detector = Some(Scanner { plugin, version, digest });
        self.note = format!("recorded by the host when {} {} failed", detector.plugin, detector.version);
        self.failure = Some(why);
        self
    }

    /// What the scan was told.
    pub fn context(&self) -> Context {
        Context { settings: self.settings.to_string(), now_ms: self.now_ms, finalized: self.finalized }
    }

    /// The answers, to be given once more.
    pub fn replay(&self) -> Arc<Replay> {
        let mut replay = Turns::default();
        for exchange in &self.exchanges {
            let key = (exchange.path.clone(), exchange.body.as_ref().map(|body| Body::key(&body.bytes())));
            replay.answers.entry(key).or_default().push(exchange.answer.answer());
        }
        for fact in &self.facts {
            replay.facts.entry(fact.key.clone()).or_default().push(fact.value.as_ref().map(Body::bytes));
        }
        Arc::new(Replay(Mutex::new(replay)))
    }
}

/// Keeps what a scan hears. Clones share it.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Recording>>);

#[derive(Clone, Default)]
struct Recording {
    exchanges: Vec<Exchange>,
    facts: Vec<Fact>,
}

impl Recorder {
    pub(crate) fn heard(&self, requests: &[Request], answers: &[Result<Response, UpstreamError>]) {
        let exchange = |(request, answer): (&Request, &Result<Response, UpstreamError>)| Exchange {
            path: request.path.clone(),
            body: request.body.as_deref().map(Body::of),
            answer: Heard::of(answer),
        };
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recording.exchanges.extend(requests.iter().zip(answers).map(exchange));
    }

    pub(crate) fn recalled(&self, keys: &[String], values: &[Option<Vec<u8>>]) {
        let fact = |(key, value): (&String, &Option<Vec<u8>>)| Fact {
            key: key.clone(),
            value: value.as_deref().map(Body::of),
        };
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recording.facts.extend(keys.iter().zip(values).map(fact));
    }
}

/// Gives a cassette's answers, each question's in the order they were given; the last one again and again.
pub struct Replay(Mutex<Turns>);

/// A path and a body.
type Question = (String, Option<Vec<u8>>);

#[derive(Default)]
struct Turns {
    answers: HashMap<Question, Queue<Result<Response, UpstreamError>>>,
    facts: HashMap<String, Queue<Option<Vec<u8>>>>,
}

#[derive(Clone)]
struct Queue<T> {
    items: Vec<T>,
    next: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: vec![], next: 0 }
    }
}

impl<T: Clone> Queue<T> {
    fn push(&mut self, item: T) {
        self.items.push(item);
    }

    fn take(&mut self) -> Option<T> {
        let item = self.items.get(self.next.min(self.items.len().checked_sub(1)?))?.clone();
        self.next += 1;
        Some(item)
    }
}

impl Replay {
    pub(crate) fn answer(&self, request: &Request) -> Result<Response, UpstreamError> {
        let key = (request.path.clone(), request.body.as_deref().map(Body::key));
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.answers.get_mut(&key).and_then(Queue::take).unwrap_or_else(|| {
            let verb = if request.body.is_some() { "POST" } else { "GET" };
            let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let body: String = body.chars().take(200).collect();
            Err(UpstreamError::Refused(format!("nothing was recorded for {verb} `{}` {body}", request.path)))
        })
    }

    pub(crate) fn recall(&self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| turns.facts.get_mut(key).and_then(Queue::take).flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, body: Option<&str>) -> Request {
        Request { path: path.to_owned(), headers: vec![], body: body.map(|text| text.as_bytes().to_vec()), weight: 1 }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands among failures")]
    fn answered(body: &[u8]) -> Result<Response, UpstreamError> {
        Ok(Response { status: 200, headers: vec![("a".into(), "b".into())], body: body.to_vec() })
    }

    #[test]
    fn what_was_recorded_is_replayed_after_a_way_through_json() {
        let recorder = Recorder::default();
        let (get, post) = (asked("/tip", None), asked("", Some(r#"{"b":1,"a":2}"#)));
        recorder.heard(&[get.clone(), post.clone()], &[answered(b"one"), answered(&[0xff, 0])]);
        recorder.heard(std::slice::from_ref(&get), &[Err(UpstreamError::TooLarge(7))]);
        recorder.recalled(&["k".into(), "none".into()], &[Some(b"v".to_vec()), None]);
        let told = Context { settings: "{}".into(), now_ms: 5, finalized: None };
        let cassette = Cassette::of(&ChainFile::default(), "n", &told, (1, 2), &recorder);
        let cassette: Cassette = serde_json::from_str(&cassette.pretty()).unwrap();
        let replay = cassette.replay();
        assert_eq!(replay.answer(&get).unwrap().body, b"one");
        assert_eq!(replay.answer(&get).unwrap_err(), UpstreamError::TooLarge(7));
        assert_eq!(replay.answer(&get).unwrap_err(), UpstreamError::TooLarge(7), "the last one stays");
        assert_eq!(replay.answer(&asked("", Some(r#"{"a":2, "b":1}"#))).unwrap().body, [0xff, 0], "JSON by value");
        assert_eq!(replay.recall(&["none".into(), "k".into(), "new".into()]), [None, Some(b"v".to_vec()), None]);
        let UpstreamError::Refused(why) = replay.answer(&asked("/other", None)).unwrap_err() else { unreachable!() };
        assert!(why.contains("nothing was recorded for GET `/other`"), "{why}");
    }

    #[test]
    fn a_cassette_can_be_written_by_hand() {
        let text = r#"{"chain": "c", "network": "n", "settings": {}, "nowMs": 0, "first": 1, "last": 1,
            "exchanges": [{"path": "/block?height=1", "answer": {"body": {"json": {"height": "1"}}}}]}"#;
        let cassette: Cassette = serde_json::from_str(text).unwrap();
        let answer = cassette.replay().answer(&asked("/block?height=1", None)).unwrap();
        assert_eq!((answer.status, answer.body), (200, br#"{"height":"1"}"#.to_vec()));
    }
}
