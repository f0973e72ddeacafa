//! JSON-RPC 2.0 over the host: many calls in few HTTP requests, each result borrowed from the bytes of its response.

use crate::json::{Cursor, Malformed};
use crate::{Host, Request, Response, UpstreamError};
use serde::Deserialize;
use std::fmt::Write;
use std::ops::Range;

mod contract;
mod error;
mod single;
mod unread;

pub use error::{Error, Kind};
pub use single::{Reply, send_singly};
pub use unread::{ReadOutcome, Unread, send_unread};

/// One call: a method and its parameters in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    method: &'static str,
    params: String,
}

impl Call {
    /// A call; `params` is a JSON array.
    pub fn new(method: &'static str, params: impl Into<String>) -> Self {
        Self { method, params: params.into() }
    }

    fn write(&self, id: usize, out: &mut String) {
        let Self { method, params } = self;
        // Writing to a string cannot fail.
        let _ = write!(out, r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
    }
}

/// The results of the calls of one [`send`], in the order of the calls.
#[derive(Debug)]
pub struct Answers {
    bodies: Vec<Vec<u8>>,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
enum Slot {
    Result { body: usize, range: Range<usize> },
    Null,
    Error(Error),
}

impl Answers {
    /// The JSON of one result, `null` included.
    pub fn raw(&self, at: usize) -> Result<&str, Error> {
        std::str::from_utf8(self.bytes(at)?).map_err(|_| Error::new(Kind::Elsewhere, "the response is not UTF-8"))
    }

    /// The bytes of one result, `null` included.
    pub fn bytes(&self, at: usize) -> Result<&[u8], Error> {
        match self.slots.get(at) {
            Some(Slot::Result { body, range }) => Ok(&self.bodies[*body][range.clone()]),
            Some(Slot::Null) => Ok(b"null"),
            Some(Slot::Error(error)) => Err(error.clone()),
            None => Err(Error::new(Kind::Elsewhere, "there is no call with this index")),
        }
    }

    /// One result, deserialized; it may borrow from the answers.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self, at: usize) -> Result<T, Error> {
        serde_json::from_slice(self.bytes(at)?).map_err(unreadable)
    }

    /// One result, parsed in one pass by the caller's function: for large results.
    pub fn read<'a, T>(
        &'a self,
        at: usize,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        let mut cursor = Cursor::new(self.bytes(at)?);
        let value = read(&mut cursor).map_err(unreadable)?;
        cursor.end().map_err(unreadable)?;
        Ok(value)
    }

    /// How many calls were made.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no call was made.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// Sends the calls, `batch` of them in one HTTP request and all requests at once. A batch that the endpoint refuses is
/// sent again in smaller ones: as small as the refusal says, else halved until each call has a request of its own.
pub fn send(host: &mut impl Host, calls: &[Call], batch: usize) -> Answers {
    let mut answers = Answers::unanswered(calls.len());
    send_batches(host, calls, batch, |chunk, response| answers.file_response(calls, chunk, response));
    answers
}

/// Sends batches until `file` accepts every response: where it returns a number, the batch is sent again in batches of
/// that size.
fn send_batches(
    host: &mut impl Host,
    calls: &[Call],
    batch: usize,
    mut file: impl FnMut(Range<usize>, HttpResult) -> Option<usize>,
) {
    let batch = batch.max(1);
    let mut pending: Vec<Range<usize>> =
        (0..calls.len()).step_by(batch).map(|first| first..calls.len().min(first + batch)).collect();
    while !pending.is_empty() {
        let mut again = vec![];
        for (chunk, response) in pending.iter().zip(post(host, calls, &pending)) {
            if let Some(fewer) = file(chunk.clone(), response) {
                let starts = chunk.clone().step_by(fewer);
                again.extend(starts.map(|first| first..chunk.end.min(first + fewer)));
            }
        }
        pending = again;
    }
}

type HttpResult = Result<Response, UpstreamError>;

fn post(host: &mut impl Host, calls: &[Call], chunks: &[Range<usize>]) -> Vec<HttpResult> {
    if chunks.is_empty() {
        return vec![];
    }
    let requests = chunks.iter().map(|chunk| request(calls, chunk)).collect();
    host.send(requests)
}

fn request(calls: &[Call], chunk: &Range<usize>) -> Request {
    let mut body = String::with_capacity(128 * chunk.len());
    if chunk.len() == 1 {
        calls[chunk.start].write(chunk.start, &mut body);
    } else {
        for at in chunk.clone() {
            body.push(if at == chunk.start { '[' } else { ',' });
            calls[at].write(at, &mut body);
        }
        body.push(']');
    }
    Request {
        path: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(body.into_bytes()),
        weight: u32::try_from(chunk.len()).unwrap_or(u32::MAX),
    }
}

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Elsewhere, &format!("the result is not of the expected form: {error}"))
}

/// One response object: the call that it answers, and where its result or error stands in the body.
#[derive(Default)]
struct Envelope<'a> {
    id: Option<&'a [u8]>,
    result: Option<Range<usize>>,
    error: Option<&'a [u8]>,
}

impl<'a> Envelope<'a> {
    /// All response objects of a body, and whether they are a list.
    fn all(body: &'a [u8]) -> Result<(Vec<Self>, bool), Malformed> {
        let mut cursor = Cursor::new(body);
        let mut envelopes = vec![];
        let is_list = cursor.peek() == Some(b'[');
        if is_list {
            cursor.list(|element| {
                envelopes.push(Self::read(element)?);
                Ok::<_, Malformed>(())
            })?;
        } else {
            envelopes.push(Self::read(&mut cursor)?);
        }
        cursor.end()?;
        Ok((envelopes, is_list))
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let mut envelope = Self::default();
        cursor.object(|name, field| {
            match name {
                b"id" => envelope.id = Some(field.value()?),
                b"result" => {
                    field.peek();
                    let start = field.place();
                    field.skip()?;
                    envelope.result = Some(start..field.place());
                }
                // Some nodes send `"error": null` beside a result.
                b"error" if field.null() => {}
                b"error" => envelope.error = Some(field.value()?),
                _ => field.skip()?,
            }
            Ok::<_, Malformed>(())
        })?;
        Ok(envelope)
    }

    /// The index of the call that it answers.
    fn call(&self) -> Option<usize> {
        call_of_id(self.id?)
    }
}

/// The index of the call with this id; some nodes return ids as strings.
fn call_of_id(id: &[u8]) -> Option<usize> {
    std::str::from_utf8(id).ok()?.trim_matches('"').parse().ok()
}

impl Answers {
    /// Every call without an answer.
    fn unanswered(calls: usize) -> Self {
        Self { bodies: vec![], slots: vec![Slot::Error(Error::left_out()); calls] }
    }

    /// Files one response under the calls it answers; returns the size of the batches to send again where this one was
    /// too large.
    fn file_response(&mut self, calls: &[Call], chunk: Range<usize>, response: HttpResult) -> Option<usize> {
        let mut error = self.file_results(&chunk, response).err()?;
        error.is_of_batch = chunk.len() > 1;
        let fewer = error.batch_after(chunk.len());
        for at in chunk {
            self.slots[at] = Slot::Error(error.clone().for_method(calls[at].method));
        }
        fewer
    }

    fn file_results(&mut self, chunk: &Range<usize>, response: HttpResult) -> Result<(), Error> {
        let response = response.map_err(Error::from)?;
        let status = Error::from_status(&response);
        let body = response.body;
        let (envelopes, is_list) = match (Envelope::all(&body), status) {
            // A status with a delay before the next try counts more than the body.
            (_, Some(status)) if status.has_retry_delay() => return Err(status),
            (Ok(read), _) => read,
            (Err(_), Some(status)) => return Err(status),
            (Err(error), None) => {
                return Err(Error::new(Kind::Elsewhere, &format!("the response is not JSON-RPC: {error}")));
            }
        };
        let node_error = |error: &[u8]| Error::from_node(&String::from_utf8_lossy(error));
        if let ([one], false) = (&envelopes[..], is_list) {
            match one.error {
                Some(error) if chunk.len() > 1 => return Err(node_error(error)),
                None if chunk.len() > 1 => {
                    return Err(Error::new(Kind::Elsewhere, "the response to a batch has one answer only"));
                }
                _ => {}
            }
        }
        let at_body = self.bodies.len();
        for envelope in envelopes {
            let alone = (chunk.len() == 1).then_some(chunk.start);
            let Some(at) = alone.or_else(|| envelope.call()).filter(|at| chunk.contains(at)) else { continue };
            self.slots[at] = match (envelope.error, envelope.result) {
                (Some(error), _) => Slot::Error(node_error(error)),
                (None, Some(range)) => Slot::Result { body: at_body, range },
                (None, None) => Slot::Null,
            };
        }
        self.bodies.push(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, Level, Span};

    /// A host that answers each request with the next of its responses, and records the bodies.
    struct ScriptedHost {
        responses: Vec<HttpResult>,
        seen: Vec<String>,
    }

    impl Host for ScriptedHost {
        fn send(&mut self, requests: Vec<Request>) -> Vec<HttpResult> {
            requests
                .into_iter()
                .map(|request| {
                    self.seen.push(String::from_utf8(request.body.unwrap()).unwrap());
                    self.responses.remove(0)
                })
                .collect()
        }
        fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
            vec![None; keys.len()]
        }
        fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}
        fn log(&mut self, _level: Level, _message: &str) {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "a script has failures too")]
    fn answer(status: u16, body: &str) -> HttpResult {
        Ok(Response { status, headers: vec![("Retry-After".into(), "2".into())], body: body.as_bytes().to_vec() })
    }

    fn send_calls(calls: usize, batch: usize, responses: Vec<HttpResult>) -> (Answers, Vec<String>) {
        let calls: Vec<Call> = (0..calls).map(|at| Call::new("eth_x", format!("[{at}]"))).collect();
        let mut script = ScriptedHost { responses, seen: vec![] };
        let answers = send(&mut script, &calls, batch);
        (answers, script.seen)
    }

    fn failure(answers: &Answers, at: usize) -> Failure {
        answers.raw(at).unwrap_err().failure(Span { first: 10, last: 17 })
    }

    #[test]
    fn a_batch_is_one_request_and_its_answers_may_come_in_any_order() {
        let body = r#"[{"id":1,"jsonrpc":"2.0","result":"b"},{"id":"0","result": {"a":1} },{"id":2,"result":null}]"#;
        let (answers, seen) = send_calls(3, 10, vec![answer(200, body)]);
        assert_eq!(seen.len(), 1);
        assert_eq!(answers.raw(0).unwrap(), r#"{"a":1}"#);
        assert_eq!(answers.parse::<&str>(1).unwrap(), "b");
        assert_eq!(answers.parse::<Option<&str>>(2).unwrap(), None);
    }

    #[test]
    fn more_calls_than_fit_go_in_more_requests() {
        let (answers, seen) = send_calls(
            3,
            2,
            vec![answer(200, r#"[{"id":0,"result":0},{"id":1,"result":1}]"#), answer(200, r#"{"id":2,"result":2}"#)],
        );
        assert_eq!(seen.len(), 2);
        assert!(seen[1].starts_with('{'), "one call needs no list");
        assert_eq!([0, 1, 2], [0, 1, 2].map(|at| answers.parse::<usize>(at).unwrap()));
    }

    #[test]
    fn an_endpoint_without_batches_gets_one_call_per_request() {
        let no = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch requests are not supported"}}"#;
        let singles = [answer(200, r#"{"id":0,"result":0}"#), answer(200, r#"{"id":1,"result":1}"#)];
        let (answers, seen) = send_calls(2, 10, [answer(400, no)].into_iter().chain(singles).collect());
        assert_eq!(seen.len(), 3);
        assert_eq!(answers.parse::<u8>(1).unwrap(), 1);
    }

    /// How many requests it takes until a node answers that accepts so many calls at once and refuses more with this
    /// message.
    fn requests_until_answered(limit: usize, message: &str) -> usize {
        struct LimitedNode {
            limit: usize,
            message: String,
            requests: usize,
        }
        impl Host for LimitedNode {
            fn send(&mut self, requests: Vec<Request>) -> Vec<HttpResult> {
                self.requests += requests.len();
                let answered = requests.into_iter().map(|request| {
                    let calls: serde_json::Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
                    let one = |call: &serde_json::Value| format!(r#"{{"id":{0},"result":{0}}}"#, call["id"]);
                    match calls.as_array() {
                        None => answer(200, &one(&calls)),
                        Some(list) if list.len() > self.limit => {
                            answer(200, &format!(r#"{{"error":{{"code":-32005,"message":"{}"}}}}"#, self.message))
                        }
                        Some(list) => answer(200, &format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))),
                    }
                });
                answered.collect()
            }
            fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
                vec![None; keys.len()]
            }
            fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}
            fn log(&mut self, _level: Level, _message: &str) {}
        }
        let calls: Vec<Call> = (0..100).map(|at| Call::new("eth_x", format!("[{at}]"))).collect();
        let mut node = LimitedNode { limit, message: message.to_owned(), requests: 0 };
        let answers = send(&mut node, &calls, 100);
        assert!((0..100).all(|at| answers.parse::<usize>(at).unwrap() == at), "{message}");
        node.requests
    }

    #[test]
    fn a_batch_becomes_as_small_as_the_refusal_says() {
        assert_eq!(requests_until_answered(100, ""), 1);
        assert_eq!(requests_until_answered(20, "batch size 100 exceeds the limit of 20"), 1 + 5);
        assert_eq!(
            requests_until_answered(20, "batch limit exceeded (max: 30)"),
            1 + 4 + 6,
            "the node does not keep to its own number"
        );
        assert_eq!(requests_until_answered(30, "batch too large"), 1 + 2 + 4, "50, then 25");
        assert_eq!(requests_until_answered(1, "batch requests are not supported"), 1 + 100);
        assert_eq!(requests_until_answered(1, "batch"), 163, "halved until there is one");
    }

    #[test]
    fn the_nodes_error_decides_the_failure() {
        let refused = |code: i64, message: &str| {
            let body = format!(r#"{{"id":0,"error":{{"code":{code},"message":"{message}"}}}}"#);
            failure(&send_calls(1, 1, vec![answer(200, &body)]).0, 0)
        };
        assert!(matches!(refused(-32005, "daily request count exceeded, request rate limited"), Failure::Retry(_)));
        assert_eq!(refused(-32005, "query returned more than 10000 results"), Failure::SpanTooWide(4));
        assert_eq!(refused(-32000, "header not found"), Failure::NotYet(10));
        assert!(matches!(refused(-32601, "the method eth_x does not exist"), Failure::Elsewhere(_)));
        assert!(matches!(refused(-32000, "missing trie node abc"), Failure::Elsewhere(_)));
        assert!(matches!(refused(-32603, "internal error"), Failure::Retry(_)));
    }

    #[test]
    fn the_http_status_decides_where_the_body_does_not() {
        let status = |status: u16, body: &str| failure(&send_calls(1, 1, vec![answer(status, body)]).0, 0);
        assert!(matches!(status(429, "slow down"), Failure::Retry((Some(2000), _))));
        assert!(matches!(status(503, ""), Failure::Retry(_)));
        assert!(matches!(status(401, "who are you"), Failure::Elsewhere(_)));
        assert_eq!(status(413, ""), Failure::SpanTooWide(4));
        assert!(matches!(status(200, r#"{"id":0,"resu"#), Failure::Elsewhere(_)));
        assert!(matches!(status(200, "<html>"), Failure::Elsewhere(_)));
    }

    #[test]
    fn errors_of_the_host_become_failures() {
        let error = |error| failure(&send_calls(1, 1, vec![Err(error)]).0, 0);
        assert!(matches!(error(UpstreamError::Unreachable("no route".into())), Failure::Retry(_)));
        assert_eq!(error(UpstreamError::TooLarge(1 << 20)), Failure::SpanTooWide(4));
    }

    #[test]
    fn an_answer_missing_from_a_batch_is_an_error() {
        let (answers, _) = send_calls(2, 2, vec![answer(200, r#"[{"id":0,"result":0},{"id":7,"result":0}]"#)]);
        assert!(answers.raw(0).is_ok());
        assert!(matches!(failure(&answers, 1), Failure::Elsewhere(_)));
    }
}
