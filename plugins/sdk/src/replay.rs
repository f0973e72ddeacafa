//! A host for native tests that answers from a cassette: the JSON that `chain-ingestor plugin record` writes and that
//! people can write by hand.

use crate::{Context, Host, Level, Request, Response, Span, UpstreamError};
use serde_json::Value;
use std::collections::HashMap;

/// The path and body of a recorded request.
type RequestKey = (String, Option<Value>);

/// Settings, time in milliseconds, and attributes.
type RecordedContext = (String, u64, Vec<(String, String)>);

/// A cassette. Equal requests get their recorded responses in order, and the last one from then on.
#[derive(Debug, Default)]
pub struct Replay {
    context: Option<RecordedContext>,
    span: (u64, u64),
    answers: HashMap<RequestKey, Vec<Result<Response, UpstreamError>>>,
    facts: HashMap<String, Vec<Option<Vec<u8>>>>,
}

impl Replay {
    /// Parses a cassette.
    pub fn parse(json: &str) -> Result<Self, String> {
        let cassette: Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let number =
            |name: &str| cassette[name].as_u64().ok_or_else(|| format!("the cassette lacks the number `{name}`"));
        let attribute = |name: &str| cassette[name].as_u64().map(|number| (name.to_owned(), number.to_string()));
        let attributes = ["finalized", "endpoint"].into_iter().filter_map(attribute).collect();
        let mut replay = Self {
            context: Some((cassette["settings"].to_string(), number("nowMs")?, attributes)),
            span: (number("first")?, number("last")?),
            ..Self::default()
        };
        for exchange in cassette["exchanges"].as_array().into_iter().flatten() {
            let path = exchange["path"].as_str().unwrap_or_default().to_owned();
            let body = exchange.get("body").map(|body| bytes(body).map(|bytes| body_key(&bytes))).transpose()?;
            let queue = replay.answers.entry((path, body)).or_default();
            queue.insert(0, answer(&exchange["answer"])?);
        }
        for fact in cassette["facts"].as_array().into_iter().flatten() {
            let key = fact["key"].as_str().unwrap_or_default().to_owned();
            let value = fact.get("value").map(bytes).transpose()?;
            replay.facts.entry(key).or_default().insert(0, value);
        }
        Ok(replay)
    }

    /// The recorded context.
    pub fn context(&self) -> Context {
        let (settings, now_ms, attributes) = self.context.clone().unwrap_or_default();
        Context { settings, now_ms, attributes }
    }

    /// The recorded span.
    pub fn span(&self) -> Span {
        Span { first: self.span.0, last: self.span.1 }
    }
}

/// The key of a body: JSON is compared by value, everything else as text.
fn body_key(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
}

/// The bytes of a body, which is written as `json`, `text` or `hex`.
fn bytes(body: &Value) -> Result<Vec<u8>, String> {
    if let Some(json) = body.get("json") {
        return Ok(json.to_string().into_bytes());
    }
    if let Some(text) = body["text"].as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let digits = body["hex"].as_str().ok_or("a body needs one of `json`, `text` and `hex`")?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len())
        .step_by(2)
        .map(byte)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("the body `{digits}` is not hexadecimal"))
}

/// A recorded response or error.
fn answer(answer: &Value) -> Result<Result<Response, UpstreamError>, String> {
    let why = answer["why"].as_str().unwrap_or_default();
    Ok(match answer["error"].as_str() {
        Some("too-large") => Err(UpstreamError::TooLarge(why.parse().unwrap_or(0))),
        Some("refused") => Err(UpstreamError::Refused(why.to_owned())),
        Some(_) => Err(UpstreamError::Unreachable(why.to_owned())),
        None => {
            let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
            Ok(Response { status, headers: vec![], body: bytes(&answer["body"])? })
        }
    })
}

/// Takes the next item of a queue that is stored in reverse; the last item stays.
fn next_of<T: Clone>(queue: &mut Vec<T>) -> Option<T> {
    if queue.len() > 1 { queue.pop() } else { queue.last().cloned() }
}

impl Host for Replay {
    fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
        let answer = |request: Request| {
            let found = self.answers.get_mut(&(request.path.clone(), request.body.as_deref().map(body_key)));
            let missing = || {
                Err(UpstreamError::Refused(format!(
                    "the cassette has no response for `{}` with this body",
                    request.path
                )))
            };
            found.and_then(next_of).unwrap_or_else(missing)
        };
        requests.into_iter().map(answer).collect()
    }

    fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.facts.get_mut(key).and_then(next_of).flatten()).collect()
    }

    fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}

    fn log(&mut self, _level: Level, message: &str) {
        println!("{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cassette_answers_in_order() {
        let mut replay = Replay::parse(
            r#"{"settings": {"a": 1}, "nowMs": 5, "finalized": 4, "endpoint": 7, "first": 1, "last": 2,
                "exchanges": [
                    {"path": "/x", "answer": {"body": {"text": "one"}}},
                    {"path": "/x", "answer": {"error": "too-large", "why": "9"}},
                    {"path": "", "body": {"json": {"b": 1, "a": 2}}, "answer": {"status": 201, "body": {"hex": "ff00"}}}],
                "facts": [{"key": "k", "value": {"text": "v"}}, {"key": "none"}]}"#,
        )
        .unwrap();
        let ask = |path: &str, body: Option<&str>| Request {
            path: path.to_owned(),
            headers: vec![],
            body: body.map(|text| text.as_bytes().to_vec()),
            weight: 1,
        };
        let answers = replay.send(vec![ask("/x", None), ask("", Some(r#"{"a":2,"b":1}"#)), ask("/y", None)]);
        assert_eq!(answers[0].as_ref().unwrap().body, b"one");
        assert_eq!((answers[1].as_ref().unwrap().status, &answers[1].as_ref().unwrap().body[..]), (201, &[255, 0][..]));
        assert!(matches!(&answers[2], Err(UpstreamError::Refused(why)) if why.contains("`/y`")));
        for _ in 0..2 {
            assert!(matches!(replay.send(vec![ask("/x", None)])[0], Err(UpstreamError::TooLarge(9))));
        }
        assert_eq!(replay.recall(&["k".into(), "none".into(), "new".into()]), [Some(b"v".to_vec()), None, None]);
        let attributes =
            [("finalized", "4"), ("endpoint", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(replay.context().attributes, attributes);
        assert_eq!((replay.span().first, replay.span().last), (1, 2));
    }
}
