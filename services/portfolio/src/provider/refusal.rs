//! What a refusal means: whether to wait, or who has to act. It is told by the status, or in the body of a 200.

use portfolio_domain::ProviderError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::time::Duration;
use tape::Unavailable;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A response that is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The provider limits the rate of requests, and may ask for a pause.
    Limited(Option<Duration>),
    /// Anything else.
    Failed(ProviderError),
}

const MAX_MESSAGE_CHARS: usize = 200;

/// The fields of a body that say it is an error; Moralis has the message at the top, Alchemy one level deeper.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorFields {
    error: Value,
    message: Value,
    code: Value,
    #[serde(rename = "statusCode")]
    status_code: Value,
    result: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
    tokens: Option<IgnoredAny>,
}

/// The status and the provider's message, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("status {status}: {message}")]
struct StatusError {
    status: u16,
    message: String,
}

impl Refusal {
    /// The refusal in a response, if it is one; the key is struck out of the provider's message.
    pub(super) fn from_response(doing: &str, head: &ResponseHead, body: &[u8], key: &str) -> Option<Self> {
        let fields = ErrorFields::read(body);
        let (status, message) = if head.status == StatusCode::OK {
            let fields = fields?;
            (fields.status_in_body()?, fields.message().unwrap_or_default())
        } else {
            let message = fields.and_then(|fields| fields.message());
            (head.status.as_u16(), message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
        };
        let message = cleaned(&message, key);
        Some(match status {
            429 => Self::Limited(head.retry_after),
            503 if head.retry_after.is_some() => Self::Limited(head.retry_after),
            401 | 403 => Self::Failed(ProviderError::Denied(message)),
            400 | 404 | 422 => Self::Failed(ProviderError::Rejected(message)),
            300..=399 => Self::Failed(ProviderError::Malformed(format!("it redirects ({status})"))),
            200..=299 if head.status != StatusCode::OK => {
                Self::Failed(ProviderError::Malformed(format!("it has status {status} instead of 200")))
            }
            _ => Self::Failed(Unavailable::new(doing, StatusError { status, message }).into()),
        })
    }
}

/// What is read of a response before its body.
pub(super) struct ResponseHead {
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl ResponseHead {
    /// The head of a response that arrived now.
    pub(super) fn new(response: &Response, now_ms: u64) -> Self {
        let status = response.status();
        Self { status, retry_after: retry_after(response.headers(), now_ms) }
    }
}

impl ErrorFields {
    /// The fields of a body that is an object. A list is none, although it could be read as the fields in their order.
    fn read(body: &[u8]) -> Option<Self> {
        let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        is_object.then(|| serde_json::from_slice(body).ok())?
    }

    /// The status that a body with status 200 tells; none where it is no refusal. An `error` is read before anything else
    /// in the body.
    fn status_in_body(&self) -> Option<u16> {
        let has_error = match &self.error {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        let has_answer = self.result.is_some() || self.data.is_some() || self.tokens.is_some();
        let codes =
            [&self.error["code"], &self.error["statusCode"], &self.error["status"], &self.status_code, &self.code];
        let code = codes.into_iter().find_map(number);
        if !has_error && (has_answer || (code.is_none() && self.message().is_none())) {
            return None;
        }
        let is_limit = matches!(code, Some(429 | -32005 | -32016 | -32029))
            || codes.into_iter().filter_map(Value::as_str).any(names_a_limit)
            || self.message().is_some_and(|message| names_a_limit(&message));
        match code.and_then(|code| u16::try_from(code).ok()) {
            _ if is_limit => Some(429),
            Some(code @ 400..=599) => Some(code),
            _ => Some(StatusCode::OK.as_u16()),
        }
    }

    fn message(&self) -> Option<String> {
        let texts = [&self.error["message"], &self.error, &self.message];
        texts.into_iter().find_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

/// A number, or a number in a text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether a message without a code speaks of the rate of requests.
fn names_a_limit(text: &str) -> bool {
    let text = text.to_lowercase().replace(['_', '-'], " ");
    ["too many requests", "rate limit", "ratelimit", "limit exceeded", "per second capacity", "throughput"]
        .iter()
        .any(|words| text.contains(words))
}

fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now_ms)
}

/// Reads `Retry-After`, which holds seconds or a date, as a time from now. A fraction of a second counts as a whole one.
fn parse_retry_after(text: &str, now_ms: u64) -> Option<Duration> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = fraction.bytes().all(|digit| digit.is_ascii_digit());
    if let (true, Ok(seconds)) = (is_plain, whole.parse::<u64>()) {
        let has_rest = fraction.bytes().any(|digit| digit != b'0');
        return Some(Duration::from_secs(seconds.saturating_add(u64::from(has_rest))));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    let at_ms = u64::try_from(at).ok()?.saturating_mul(1000);
    Some(Duration::from_millis(at_ms.saturating_sub(now_ms)))
}

/// A message without the key and without control characters, cut.
fn cleaned(message: &str, key: &str) -> String {
    let text = if key.is_empty() { message.to_owned() } else { message.replace(key, "***") };
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    if text.is_empty() { "the response gives no reason".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let cases = [
            ("3", seconds(3)),
            ("0", seconds(0)),
            ("1.5", seconds(2)),
            ("2.0", seconds(2)),
            ("0.001", seconds(1)),
            ("99999999999999999999", None),
            ("soon", None),
            ("-1", None),
            ("", None),
            ("1.x", None),
            ("1e3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_retry_after(text, 0), expected, "{text:?}");
        }
        let date = "Thu, 01 Jan 1970 00:01:00 GMT";
        assert_eq!(parse_retry_after(date, 20_000), seconds(40));
        assert_eq!(parse_retry_after(date, 90_000), seconds(0), "a date that is over");
    }

    fn refusal(status: u16, body: &str) -> String {
        let head = ResponseHead { status: StatusCode::from_u16(status).unwrap(), retry_after: None };
        match Refusal::from_response("ask", &head, body.as_bytes(), "hush") {
            None => "answer".to_owned(),
            Some(Refusal::Limited(_)) => "limited".to_owned(),
            Some(Refusal::Failed(ProviderError::Unavailable(error))) => error.source.to_string(),
            Some(Refusal::Failed(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_refusal_may_be_told_with_status_200() {
        let cases = [
            (r#"{"error": {"code": 429, "message": "slow"}}"#, "limited"),
            (r#"{"error": {"code": 429, "message": "slow"}, "data": {"tokens": []}}"#, "limited"),
            (r#"{"error": {"code": -32005, "message": "limit"}}"#, "limited"),
            (r#"{"error": {"code": "TOO_MANY_REQUESTS"}}"#, "limited"),
            (r#"{"error": "Too many requests"}"#, "limited"),
            (r#"{"message": "Rate limit exceeded"}"#, "limited"),
            (r#"{"message": "slow", "statusCode": 429}"#, "limited"),
            (r#"{"error": {"code": "429", "message": "slow"}}"#, "limited"),
            (r#"{"error": {"code": 403, "message": "key hush"}}"#, "refuses our key: key ***"),
            (r#"{"error": {"code": 400, "message": "what"}}"#, "rejects the wallet: what"),
            (r#"{"error": {"code": 500, "message": "oh"}}"#, "status 500: oh"),
            (r#"{"error": {"message": "oh"}}"#, "status 200: oh"),
            (r#"{"error": {}}"#, "status 200: the response gives no reason"),
            (r#"{"data": {"tokens": []}, "error": null}"#, "answer"),
            (r#"{"result": [], "message": "fine"}"#, "answer"),
            (r#"{"nativeBalance": {}, "tokens": []}"#, "answer"),
            ("[]", "answer"),
            (r#"[{"token_address": "0xa"}]"#, "answer"),
            ("<html>", "answer"),
        ];
        for (body, expected) in cases {
            let got = refusal(200, body);
            assert!(got.ends_with(expected), "{body}: {got}");
        }
    }

    #[test]
    fn messages_are_short_and_hold_no_key_and_no_control_characters() {
        assert!(refusal(401, r#"{"message": "key hush is bad", "statusCode": 401}"#).ends_with("key *** is bad"));
        assert_eq!(refusal(500, r#"{"error": {"message": "oh"}}"#), "status 500: oh");
        assert_eq!(refusal(500, "\x1b[31m<html>"), "status 500: [31m<html>");
        assert_eq!(refusal(502, ""), "status 502: the response gives no reason");
        assert_eq!(refusal(500, &"x".repeat(10_000)).len(), "status 500: ".len() + MAX_MESSAGE_CHARS);
    }
}
