//! Why a call has no result, sorted by what the caller can do about it.

use crate::{Failure, Response, Span, UpstreamError};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Try again, after so many milliseconds if given.
    Retry(Option<u64>),
    /// This endpoint cannot answer; another may.
    Elsewhere,
    /// The request was too large.
    TooWide,
    /// The endpoint does not have this block yet.
    NotYet,
    /// The endpoint does not know the method.
    Unsupported,
    /// The endpoint does not understand the parameters.
    BadParams,
    /// The endpoint has deleted the state of this block.
    NoState,
    /// The called contract reverted: a fact about the contract, not about the endpoint.
    Reverted,
}

/// A call without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the caller can do.
    pub kind: Kind,
    /// The node's own code, where it gave one.
    pub code: Option<i64>,
    pub(super) message: String,
    concerns_batches: bool,
    /// Whether it answers a whole batch, not one call.
    pub(super) is_of_batch: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The rest of a node's message is cut off.
    const MAX_MESSAGE_CHARS: usize = 300;

    pub(super) fn new(kind: Kind, message: &str) -> Self {
        let message = message.chars().filter(|c| !c.is_control()).take(Self::MAX_MESSAGE_CHARS).collect();
        Self { kind, code: None, message, concerns_batches: false, is_of_batch: false }
    }

    pub(super) fn left_out() -> Self {
        Self::new(Kind::Elsewhere, "the response lacks the answer to this call")
    }

    /// Puts the name of the method in front of the message.
    pub(super) fn for_method(mut self, method: &str) -> Self {
        self.message.insert_str(0, &format!("{method}: "));
        self
    }

    /// The failure of the contract for this error, in a scan of `span`.
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

    /// How many calls to put into one request after `refused` were too many: the number that the refusal names, else
    /// half as many; one where the endpoint knows no batches. None where the error is no refusal of a batch.
    pub(super) fn batch_after(&self, refused: usize) -> Option<usize> {
        if !self.concerns_batches || refused < 2 {
            return None;
        }
        let text = self.message.to_ascii_lowercase();
        let named = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
        let is_unknown = ["support", "allowed", "disabled", "invalid request"].iter().any(|word| text.contains(word));
        let fewer = named.filter(|number| (1..refused).contains(number)).max();
        Some(fewer.unwrap_or(if is_unknown { 1 } else { refused / 2 }))
    }

    /// Whether the error names a delay before the next try.
    pub fn has_retry_delay(&self) -> bool {
        matches!(self.kind, Kind::Retry(Some(_)))
    }

    /// The error for an HTTP status; none for success.
    pub(super) fn from_status(response: &Response) -> Option<Self> {
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

    /// The error for a JSON-RPC error object.
    pub(super) fn from_node(object: &str) -> Self {
        #[derive(Deserialize)]
        struct ErrorObject<'a> {
            #[serde(default)]
            code: i64,
            #[serde(borrow, default)]
            message: Cow<'a, str>,
        }
        let node = serde_json::from_str(object).unwrap_or(ErrorObject { code: 0, message: Cow::Borrowed(object) });
        let text = node.message.to_ascii_lowercase();
        let mut error = Self::new(kind_of(node.code, &text), &format!("{} (code {})", node.message, node.code));
        error.code = Some(node.code);
        error.concerns_batches = text.contains("batch") || (node.code == -32600 && !text.contains("limit"));
        error
    }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unreachable(why) => Self::new(Kind::Retry(None), &why),
            UpstreamError::TooLarge(cap) => {
                Self::new(Kind::TooWide, &format!("the response is larger than the limit of {cap} bytes"))
            }
            UpstreamError::Refused(why) => Self::new(Kind::Elsewhere, &why),
        }
    }
}

/// The delay of the header `Retry-After`, in milliseconds.
fn retry_after(response: &Response) -> Option<u64> {
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000))
}

/// Phrases seen in messages of nodes, which agree on few codes and on no message. The order matters: a message may
/// contain several.
const PHRASES: [(Kind, &[&str]); 7] = [
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

/// Sorts an error by its code and its message in lower case.
fn kind_of(code: i64, text: &str) -> Kind {
    match code {
        3 | -32015 => return Kind::Reverted,
        -32601 => return Kind::Unsupported,
        429 | -32029 => return Kind::Retry(Some(1_000)),
        _ => {}
    }
    let matched = PHRASES.iter().find(|(_, phrases)| phrases.iter().any(|phrase| text.contains(phrase)));
    match (matched, code) {
        (Some((kind, _)), _) => *kind,
        (None, -32004) => Kind::Unsupported,
        (None, -32602) => Kind::BadParams,
        (None, -32001) => Kind::NotYet,
        (None, -32600 | -32700) => Kind::Elsewhere,
        (None, _) => Kind::Retry(None),
    }
}
