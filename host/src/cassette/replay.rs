//! Recording the answers of one scan, and giving them again.

use super::{Body, Exchange, Fact, RecordedAnswer};
use crate::upstream::{Request, Response, UpstreamError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records the answers that a scan gets. Clones share it.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<RecordedAnswers>>);

#[derive(Clone, Default)]
struct RecordedAnswers {
    given_up: bool,
    exchanges: Vec<Exchange>,
    facts: Vec<Fact>,
}

impl Recorder {
    /// What is recorded so far.
    pub(super) fn recorded(&self) -> (Vec<Exchange>, Vec<Fact>) {
        let recorded = self.lock();
        (recorded.exchanges.clone(), recorded.facts.clone())
    }

    /// Forgets everything: the answers are too large to be recorded.
    pub(crate) fn give_up(&self) {
        *self.lock() = RecordedAnswers { given_up: true, ..RecordedAnswers::default() };
    }

    /// Whether the recording was given up, so that it cannot be replayed.
    pub(crate) fn is_given_up(&self) -> bool {
        self.lock().given_up
    }

    pub(crate) fn record_answers(&self, requests: &[Request], answers: &[Result<Response, UpstreamError>]) {
        let exchange = |(request, answer): (&Request, &Result<Response, UpstreamError>)| Exchange {
            path: request.path.clone(),
            body: request.body.as_deref().map(Body::from_bytes),
            answer: RecordedAnswer::from_result(answer),
        };
        self.lock().exchanges.extend(requests.iter().zip(answers).map(exchange));
    }

    pub(crate) fn record_facts(&self, keys: &[String], values: &[Option<Arc<[u8]>>]) {
        let fact = |(key, value): (&String, &Option<Arc<[u8]>>)| Fact {
            key: key.clone(),
            value: value.as_deref().map(Body::from_bytes),
        };
        self.lock().facts.extend(keys.iter().zip(values).map(fact));
    }

    fn lock(&self) -> MutexGuard<'_, RecordedAnswers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a cassette's answers: to each request in the order they were recorded, and the last one again and again.
pub struct Replay(Mutex<Remaining>);

/// A path and the lookup key of a body.
type RequestKey = (String, Option<Vec<u8>>);

/// The answers that are still to be given.
#[derive(Default)]
struct Remaining {
    answers: HashMap<RequestKey, Queue<Result<Response, UpstreamError>>>,
    facts: HashMap<String, Queue<Option<Arc<[u8]>>>>,
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

    fn next(&mut self) -> Option<T> {
        let item = self.items.get(self.next.min(self.items.len().checked_sub(1)?))?.clone();
        self.next += 1;
        Some(item)
    }
}

impl Replay {
    pub(super) fn new(exchanges: &[Exchange], facts: &[Fact]) -> Self {
        let mut remaining = Remaining::default();
        for exchange in exchanges {
            let key = (exchange.path.clone(), exchange.body.as_ref().map(|body| Body::lookup_key(&body.bytes())));
            remaining.answers.entry(key).or_default().push(exchange.answer.to_result());
        }
        for fact in facts {
            remaining
                .facts
                .entry(fact.key.clone())
                .or_default()
                .push(fact.value.as_ref().map(|value| value.bytes().into()));
        }
        Self(Mutex::new(remaining))
    }

    pub(crate) fn answer(&self, request: &Request) -> Result<Response, UpstreamError> {
        let key = (request.path.clone(), request.body.as_deref().map(Body::lookup_key));
        let mut remaining = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remaining.answers.get_mut(&key).and_then(Queue::next).unwrap_or_else(|| {
            let verb = if request.body.is_some() { "POST" } else { "GET" };
            let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let body: String = body.chars().take(200).collect();
            Err(UpstreamError::Refused(format!("nothing was recorded for {verb} `{}` {body}", request.path)))
        })
    }

    pub(crate) fn facts(&self, keys: &[String]) -> Vec<Option<Arc<[u8]>>> {
        let mut remaining = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| remaining.facts.get_mut(key).and_then(Queue::next).flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassette::Cassette;
    use crate::chainfile::ChainFile;
    use crate::plugin::CallContext;

    fn request(path: &str, body: Option<&str>) -> Request {
        Request { path: path.to_owned(), headers: vec![], body: body.map(|text| text.as_bytes().to_vec()), weight: 1 }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands among failures")]
    fn response(body: &[u8]) -> Result<Response, UpstreamError> {
        Ok(Response { status: 200, headers: vec![("a".into(), "b".into())], body: body.to_vec() })
    }

    #[test]
    fn what_was_recorded_is_replayed_after_it_was_written_and_read_as_json() {
        let recorder = Recorder::default();
        let (get, post) = (request("/tip", None), request("", Some(r#"{"b":1,"a":2}"#)));
        recorder.record_answers(&[get.clone(), post.clone()], &[response(b"one"), response(&[0xff, 0])]);
        recorder.record_answers(std::slice::from_ref(&get), &[Err(UpstreamError::TooLarge(7))]);
        recorder.record_facts(&["k".into(), "none".into()], &[Some(b"v".as_slice().into()), None]);
        let context = CallContext { settings: "{}".into(), now_ms: 5, ..CallContext::default() };
        let cassette = Cassette::from_scan(&ChainFile::default(), "n", &context, (1, 2), &recorder);
        let cassette: Cassette = serde_json::from_str(&cassette.pretty()).unwrap();
        let replay = cassette.replay();
        assert_eq!(replay.answer(&get).unwrap().body, b"one");
        assert_eq!(replay.answer(&get).unwrap_err(), UpstreamError::TooLarge(7));
        assert_eq!(replay.answer(&get).unwrap_err(), UpstreamError::TooLarge(7), "the last one stays");
        assert_eq!(replay.answer(&request("", Some(r#"{"a":2, "b":1}"#))).unwrap().body, [0xff, 0], "JSON by value");
        assert_eq!(
            replay.facts(&["none".into(), "k".into(), "new".into()]),
            [None, Some(b"v".as_slice().into()), None]
        );
        let UpstreamError::Refused(why) = replay.answer(&request("/other", None)).unwrap_err() else { unreachable!() };
        assert!(why.contains("nothing was recorded for GET `/other`"), "{why}");
    }
}
