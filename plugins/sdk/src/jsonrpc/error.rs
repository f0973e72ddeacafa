//! Why a call has no result, sorted by what is to be done about it.

use crate::{Failure, Response, Span, UpstreamError};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ask again, after so many milliseconds if given.
    Retry(Option<u64>),
    /// This endpoint cannot answer; another may.
    Elsewhere,
    /// Too much was asked at once.
    TooWide,
    /// The endpoint has not come to this block.
    NotYet,
    /// The endpoint does not know the method.
    Unsupported,
    /// The endpoint does not understand the parameters.
    BadParams,
    /// The endpoint has thrown the state of this block away.
    NoState,
    /// The called contract gave no answer; a fact about the contract, not about the endpoint.
    Reverted,
}

/// A call without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What to do.
    pub kind: Kind,
    /// The node's own code, where it gave one.
    pub code: Option<i64>,
    message: String,
    about_batches: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// No more of a node's own words than this is passed on.
    const LONGEST: usize = 300;

    pub(super) fn new(kind: Kind, message: &str) -> Self {
        let message = message.chars().filter(|c| !c.is_control()).take(Self::LONGEST).collect();
        Self { kind, code: None, message, about_batches: false }
    }

    pub(super) fn left_out() -> Self {
        Self::new(Kind::Elsewhere, "the answer to a call is missing from its batch")
    }

    /// Names the method that was called.
    pub(super) fn of(mut self, method: &str) -> Self {
        self.message.insert_str(0, &format!("{method}: "));
        self
    }

    /// The same in the contract's words, for a scan of `span`.
    pub fn failure(self, span: Span) -> Failure {
        let heights = span.last.saturating_sub(span.first) + 1;
        match self.kind {
            Kind::Retry(after) => Failure::Retry((after, self.message)),
            Kind::TooWide if heights > 1 => Failure::SpanTooWide(heights / 2),
            Kind::NotYet => Failure::NotYet(span.first),
            Kind::TooWide | Kind::Elsewhere | Kind::Unsupported | Kind::BadParams | Kind::NoState | Kind::Reverted => {
                Failure::Elsewhere(self.message)
            }
        }
    }

    /// How many calls may go into one request after so many were refused: the number that the refusal names, else half as
    /// many; one where batches are not known at all. None where it was no refusal of a batch.
    pub(super) fn batch_after(&self, refused: usize) -> Option<usize> {
        if !self.about_batches || refused < 2 {
            return None;
        }
        let text = self.message.to_ascii_lowercase();
        let named = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
        let is_unknown = ["support", "allowed", "disabled", "invalid request"].iter().any(|word| text.contains(word));
        let fewer = named.filter(|number| (1..refused).contains(number)).max();
        Some(fewer.unwrap_or(if is_unknown { 1 } else { refused / 2 }))
    }

    pub(super) fn is_patience(&self) -> bool {
        matches!(self.kind, Kind::Retry(Some(_)))
    }

    /// What an HTTP status alone says; none for success.
    pub(super) fn of_status(response: &Response) -> Option<Self> {
        let status = response.status;
        let kind = match status {
            200..=299 => return None,
            429 => Kind::Retry(retry_after(response).or(Some(1_000))),
            408 | 425 | 500..=599 => Kind::Retry(retry_after(response)),
            413 => Kind::TooWide,
            _ => Kind::Elsewhere,
        };
        Some(Self::new(kind, &format!("the endpoint answered with HTTP status {status}")))
    }

    /// What a JSON-RPC error object says.
    pub(super) fn of_node(object: &str) -> Self {
        #[derive(Deserialize)]
        struct Node<'a> {
            #[serde(default)]
            code: i64,
            #[serde(borrow, default)]
            message: Cow<'a, str>,
        }
        let node = serde_json::from_str(object).unwrap_or(Node { code: 0, message: Cow::Borrowed(object) });
        let text = node.message.to_ascii_lowercase();
        let mut error = Self::new(sort(node.code, &text), &format!("{} (code {})", node.message, node.code));
        error.code = Some(node.code);
        error.about_batches = text.contains("batch") || (node.code == -32600 && !text.contains("limit"));
        error
    }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable(why) => Self::new(Kind::Retry(None), &why),
            UpstreamError::TooLarge(cap) => {
                Self::new(Kind::TooWide, &format!("the answer is larger than the cap of {cap} bytes"))
            }
            UpstreamError::Refused(why) => Self::new(Kind::Elsewhere, &why),
        }
    }
}

/// Seconds to wait, as milliseconds.
fn retry_after(response: &Response) -> Option<u64> {
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

/// Nodes agree on few codes and on no words; these were seen. The order matters: a text may hold several.
const WORDS: [(Kind, &[&str]); 7] = [
    (
        Kind::Reverted,
        &[
            "revert",
            "invalid opcode",
            "invalid jump",
            "out of gas",
            "stack underflow",
            "vm exception",
            "vm execution error",
            "stack limit",
            "bad instruction",
            "gas uint64 overflow",
            "return data out of bounds",
        ],
    ),
    (
        Kind::NoState,
        &[
            "missing trie node",
            "state not available",
            "state is not available",
            "historical state",
            "pruned",
            "archive",
            "state already discarded",
            "old data not available",
            "distance to target block exceeds",
        ],
    ),
    (
        Kind::NotYet,
        &[
            "header not found",
            "unknown block",
            "block not found",
            "header for hash not found",
            "cannot find block",
            "could not find block",
            "after last accepted block",
            "is not available yet",
            "block is out of range",
            "not yet available",
            "future block",
        ],
    ),
    (
        Kind::Retry(Some(1_000)),
        &[
            "rate limit",
            "rate-limit",
            "too many requests",
            "request rate",
            "throughput",
            "compute units per second",
            "request limit",
            "requests per second",
            "daily request",
            "capacity exceeded",
            "credits",
        ],
    ),
    (
        Kind::TooWide,
        &[
            "returned more than",
            "response size",
            "too large",
            "too many results",
            "block range",
            "range is too",
            "range limit",
            "exceeds max",
            "exceeded max",
            "response too big",
            "limited to",
            "limit exceeded",
            "query timeout",
            "too many logs",
            "batch size",
            "batch limit",
        ],
    ),
    (
        Kind::Unsupported,
        &[
            "method not found",
            "does not exist",
            "not supported",
            "unsupported",
            "not available",
            "unknown method",
            "not whitelisted",
            "not allowed",
            "is disabled",
        ],
    ),
    (
        Kind::BadParams,
        &[
            "invalid argument",
            "invalid params",
            "cannot unmarshal",
            "missing value for required",
            "invalid type",
            "invalid block",
        ],
    ),
];

fn sort(code: i64, text: &str) -> Kind {
    match code {
        3 | -32015 => return Kind::Reverted,
        -32601 => return Kind::Unsupported,
        429 | -32029 => return Kind::Retry(Some(1_000)),
        _ => {}
    }
    let said = WORDS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word)));
    match (said, code) {
        (Some((kind, _)), _) => *kind,
        (None, -32004) => Kind::Unsupported,
        (None, -32602) => Kind::BadParams,
        (None, -32001) => Kind::NotYet,
        (None, -32600 | -32700) => Kind::Elsewhere,
        (None, _) => Kind::Retry(None),
    }
}
