//! Calls that each have a request of their own and whose responses are parsed in one pass: for responses of many megabytes.

use super::{Call, Error, Kind, post};
use crate::Host;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;

/// The response to one call, not parsed yet.
#[derive(Debug)]
pub struct Reply {
    method: &'static str,
    body: Result<String, Error>,
    status: Option<Error>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct ResponseObject<'a, T> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    // Without `default`, which would require `T: Default`.
    result: Option<T>,
}

/// Sends the calls, each in a request of its own and all at once; one reply per call, in order.
pub fn send_singly(host: &mut impl Host, calls: &[Call]) -> Vec<Reply> {
    let chunks: Vec<Range<usize>> = (0..calls.len()).map(|at| at..at + 1).collect();
    let mut answers = post(host, calls, &chunks).into_iter();
    calls
        .iter()
        .map(|call| match answers.next() {
            Some(Ok(response)) => {
                let status = Error::from_status(&response);
                let not_text = |_| Error::new(Kind::Elsewhere, "the response is not UTF-8");
                Reply { method: call.method, body: String::from_utf8(response.body).map_err(not_text), status }
            }
            Some(Err(error)) => Reply { method: call.method, body: Err(error.into()), status: None },
            None => Reply { method: call.method, body: Err(Error::left_out()), status: None },
        })
        .collect()
}

impl Reply {
    /// The result, which may borrow from the reply; none where it is null.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>, Error> {
        self.read().map_err(|error| error.for_method(self.method))
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<Option<T>, Error> {
        // A status with a delay before the next try counts more than the body.
        if let Some(status) = self.status.as_ref().filter(|status| status.has_retry_delay()) {
            return Err(status.clone());
        }
        let body = match (&self.body, &self.status) {
            (Ok(body), _) => body,
            (Err(_), Some(status)) => return Err(status.clone()),
            (Err(error), None) => return Err(error.clone()),
        };
        match (serde_json::from_str::<ResponseObject<'a, T>>(body), &self.status) {
            (Ok(ResponseObject { error: Some(error), .. }), _) => Err(Error::from_node(error.get())),
            (_, Some(status)) => Err(status.clone()),
            (Ok(ResponseObject { result, .. }), None) => Ok(result),
            (Err(error), None) => {
                Err(Error::new(Kind::Elsewhere, &format!("the response is not of the expected form: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, Level, Request, Response, Span, UpstreamError};

    /// A host that answers each request with the next of its responses.
    struct ScriptedHost(Vec<Result<Response, UpstreamError>>);

    impl Host for ScriptedHost {
        fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
            self.0.drain(..requests.len()).collect()
        }
        fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
            vec![None; keys.len()]
        }
        fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}
        fn log(&mut self, _level: Level, _message: &str) {}
    }

    fn reply_to_one(status: u16, body: &str) -> Reply {
        let headers = vec![("Retry-After".to_owned(), "2".to_owned())];
        let response = Response { status, headers, body: body.as_bytes().to_vec() };
        send_singly(&mut ScriptedHost(vec![Ok(response)]), &[Call::new("getX", "[]")]).remove(0)
    }

    fn refusal(status: u16, body: &str) -> Error {
        reply_to_one(status, body).parse::<u64>().unwrap_err()
    }

    #[test]
    fn a_result_is_borrowed_and_may_be_null() {
        let reply = reply_to_one(200, r#"{"jsonrpc":"2.0","result":["a","b"],"id":0}"#);
        assert_eq!(reply.parse::<Vec<&str>>(), Ok(Some(vec!["a", "b"])));
        assert_eq!(reply_to_one(200, r#"{"result":null,"id":0}"#).parse::<Vec<&str>>(), Ok(None));
    }

    #[test]
    fn an_error_keeps_its_code() {
        let error = refusal(200, r#"{"error":{"code":-32007,"message":"Slot 7 was skipped"},"id":0}"#);
        assert_eq!(error.code, Some(-32_007));
        assert_eq!(error.to_string(), "getX: Slot 7 was skipped (code -32007)");
        assert_eq!(refusal(400, r#"{"error":{"code":-32004,"message":"x"}}"#).code, Some(-32_004));
    }

    #[test]
    fn without_a_result_there_is_an_error() {
        let failure = |error: Error| error.failure(Span { first: 1, last: 1 });
        assert!(matches!(failure(refusal(200, r#"{"result":["#)), Failure::Elsewhere(_)));
        assert!(matches!(failure(refusal(429, "slow down")), Failure::Retry((Some(2_000), _))));
        assert!(matches!(failure(refusal(503, "")), Failure::Retry(_)));
        let unreachable = Err(UpstreamError::Unreachable("gone".into()));
        let reply = send_singly(&mut ScriptedHost(vec![unreachable]), &[Call::new("getX", "[]")]).remove(0);
        assert!(matches!(failure(reply.parse::<u64>().unwrap_err()), Failure::Retry(_)));
    }
}
