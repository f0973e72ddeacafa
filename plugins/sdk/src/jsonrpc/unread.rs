//! Batches whose results are parsed in one pass over each body, without finding them first: for many results of many kilobytes.

use super::{Answers, Call, Error, Kind, send_batches, unreadable};
use crate::Host;
use crate::json::{Cursor, Malformed};
use std::ops::Range;

/// Whether a result was read, or why not.
pub type ReadOutcome = Result<(), Error>;

/// The responses to the calls of one [`send_unread`], not parsed yet.
#[derive(Debug)]
pub struct Unread {
    methods: Vec<&'static str>,
    /// Bodies that are lists, each with the range of calls that it answers.
    lists: Vec<(Range<usize>, Vec<u8>)>,
    /// Calls that were answered alone, or not at all.
    others: Answers,
}

/// Sends the calls as [`super::send`] does, and leaves the responses to [`Unread::read`].
pub fn send_unread(host: &mut impl Host, calls: &[Call], batch: usize) -> Unread {
    let methods = calls.iter().map(|call| call.method).collect();
    let mut unread = Unread { methods, lists: vec![], others: Answers::unanswered(calls.len()) };
    send_batches(host, calls, batch, |chunk, response| match response {
        Ok(response) if Error::from_status(&response).is_none() && Cursor::new(&response.body).peek() == Some(b'[') => {
            unread.lists.push((chunk, response.body));
            None
        }
        other => unread.others.file_response(calls, chunk, other),
    });
    unread
}

impl Unread {
    /// Reads all results: `read` is called with the index of a call and a cursor at its result, `null` included, and must pass
    /// it. Returns for each call whether that was done, or why not.
    pub fn read<'a>(
        &'a self,
        mut read: impl FnMut(usize, &mut Cursor<'a>) -> Result<(), Malformed>,
    ) -> Vec<ReadOutcome> {
        let mut outcomes: Vec<ReadOutcome> =
            (0..self.methods.len()).map(|at| self.others.read(at, |cursor| read(at, cursor))).collect();
        for (chunk, body) in &self.lists {
            let mut cursor = Cursor::new(body);
            let mut is_answered = vec![false; chunk.len()];
            let parsed = cursor.list(|element| {
                if let Some((at, outcome)) = read_answer(body, element, chunk, &mut read)? {
                    is_answered[at - chunk.start] = true;
                    outcomes[at] = outcome;
                }
                Ok::<_, Malformed>(())
            });
            if let Err(error) = parsed.and_then(|()| cursor.end()) {
                let error = Error::new(Kind::Elsewhere, &format!("the response is not JSON-RPC: {error}"));
                for (at, _) in chunk.clone().zip(is_answered).filter(|(_, is_answered)| !is_answered) {
                    outcomes[at] = Err(error.clone().for_method(self.methods[at]));
                }
            }
        }
        outcomes
    }
}

/// Reads one response object of a list; none where it answers none of these calls.
fn read_answer<'a>(
    body: &'a [u8],
    element: &mut Cursor<'a>,
    chunk: &Range<usize>,
    read: &mut impl FnMut(usize, &mut Cursor<'a>) -> Result<(), Malformed>,
) -> Result<Option<(usize, ReadOutcome)>, Malformed> {
    let (mut call, mut outcome, mut error, mut ahead) = (None, None, None, None);
    element.object(|name, field| {
        match (name, call) {
            (b"id", _) => call = super::call_of_id(field.value()?).filter(|at| chunk.contains(at)),
            (b"result", Some(at)) => {
                let start = field.clone();
                outcome = Some(read(at, field).map_err(unreadable));
                if let Some(Err(_)) = outcome {
                    *field = start;
                    field.skip()?;
                }
            }
            // Some nodes put the id after the result.
            (b"result", None) => {
                field.peek();
                let start = field.place();
                field.skip()?;
                ahead = Some(start..field.place());
            }
            // Some nodes send `"error": null` beside a result.
            (b"error", _) if field.null() => {}
            (b"error", _) => error = Some(field.value()?),
            _ => field.skip()?,
        }
        Ok::<_, Malformed>(())
    })?;
    let Some(at) = call else { return Ok(None) };
    if let Some(error) = error {
        return Ok(Some((at, Err(Error::from_node(&String::from_utf8_lossy(error))))));
    }
    let outcome = outcome.unwrap_or_else(|| {
        let mut cursor = Cursor::new(ahead.map_or(&b"null"[..], |range| &body[range]));
        read(at, &mut cursor).and_then(|()| cursor.end()).map_err(unreadable)
    });
    Ok(Some((at, outcome)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Request, Response, UpstreamError};

    /// A host that answers every request with one body.
    struct OneBody(u16, &'static str);

    impl Host for OneBody {
        fn send(&mut self, requests: Vec<Request>) -> Vec<Result<Response, UpstreamError>> {
            let Self(status, body) = *self;
            let response = Response { status, headers: vec![], body: body.as_bytes().to_vec() };
            requests.iter().map(|_| Ok(response.clone())).collect()
        }
        fn recall(&mut self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
            vec![None; keys.len()]
        }
        fn keep(&mut self, _facts: Vec<(String, Vec<u8>)>) {}
        fn log(&mut self, _level: Level, _message: &str) {}
    }

    /// For each call the text that was read, or what went wrong: once with `send_unread`, once with `send`.
    fn both(status: u16, body: &'static str) -> [Vec<Result<Option<String>, String>>; 2] {
        let calls: Vec<Call> = (0..3).map(|at| Call::new("eth_x", format!("[{at}]"))).collect();
        let text = |cursor: &mut Cursor<'_>| {
            Ok::<_, Malformed>(cursor.optional_text()?.map(|text| String::from_utf8_lossy(text).into_owned()))
        };
        let unread = send_unread(&mut OneBody(status, body), &calls, 10);
        let mut texts = vec![None; 3];
        let outcomes = unread.read(|at, cursor| {
            texts[at] = text(cursor)?;
            Ok(())
        });
        let at_once = outcomes.into_iter().zip(texts).map(|(outcome, text)| outcome.map(|()| text));
        let answers = super::super::send(&mut OneBody(status, body), &calls, 10);
        let singly = (0..3).map(|at| answers.read(at, text));
        [
            at_once.map(|outcome| outcome.map_err(|e| e.to_string())).collect(),
            singly.map(|outcome| outcome.map_err(|e| e.to_string())).collect(),
        ]
    }

    #[test]
    fn results_are_those_that_send_finds() {
        for body in [
            r#"[{"id":0,"result":"a"},{"id":2,"result":"c"},{"id":1,"result":"b"}]"#,
            r#" [ {"jsonrpc":"2.0","result":"a","id":"0"}, {"result":null,"id":1}, {"id":2} ] "#,
            r#"[{"id":0,"result":"a"},{"id":1,"error":{"code":-32000,"message":"gone"}},{"id":7,"result":"z"}]"#,
            r#"[{"id":0,"result":"a","error":{"code":-32005,"message":"slow down"}},{"id":2,"result":"c","error":null}]"#,
            "[]",
            r#"{"id":null,"error":{"code":-32000,"message":"no"}}"#,
            "<html>",
        ] {
            let [at_once, singly] = both(200, body);
            assert_eq!(at_once, singly, "{body}");
        }
        let [at_once, singly] = both(429, r#"[{"id":0,"result":"a"}]"#);
        assert_eq!(at_once, singly);
        assert!(at_once.iter().all(Result::is_err));
    }

    #[test]
    fn an_unreadable_result_costs_no_other() {
        let [at_once, singly] =
            both(200, r#"[{"id":0,"result":{"a":[1]}},{"id":1,"result":"b"},{"result":[],"id":2}]"#);
        assert!(at_once[0].is_err() && at_once[2].is_err() && singly[0].is_err());
        assert_eq!(at_once[1], Ok(Some("b".to_owned())));
    }

    #[test]
    fn results_before_the_end_of_a_truncated_list_are_read() {
        let [at_once, _] = both(200, r#"[{"id":0,"result":"a"},{"id":1,"result":"b"#);
        assert_eq!(at_once[0], Ok(Some("a".to_owned())));
        for outcome in &at_once[1..] {
            assert!(outcome.as_ref().is_err_and(|why| why.contains("not JSON-RPC")), "{outcome:?}");
        }
    }
}
