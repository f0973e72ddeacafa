//! What a response with a status other than 200 means: whether to wait, or who has to act.

use portfolio_domain::ProviderError;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tape::Unavailable;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A response with a status other than 200.
pub(super) struct Refusal {
    status: StatusCode,
    retry_after_ms: Option<u64>,
}

/// The longest wait that a provider may ask for.
const MAX_RETRY_AFTER_MS: u64 = 600_000;
const MAX_MESSAGE_CHARS: usize = 200;

/// An error body as the providers document it: Moralis has the message at the top, Alchemy one level deeper.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Moralis { message: String },
    Alchemy { error: ErrorMessage },
}

#[derive(Deserialize)]
struct ErrorMessage {
    message: String,
}

/// The status and the provider's message, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("status {status}: {message}")]
struct StatusError {
    status: StatusCode,
    message: String,
}

impl Refusal {
    /// The refusal in a response; none when its status is 200.
    pub(super) fn from_response(response: &Response, now_ms: u64) -> Option<Self> {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_ms = retry_after.and_then(|text| parse_retry_after(text, now_ms));
        (status != StatusCode::OK).then_some(Self { status, retry_after_ms })
    }

    /// The refusal as an error of the domain; the key is struck out of the provider's message.
    pub(super) fn into_error(self, doing: &str, body: &[u8], key: &str) -> ProviderError {
        let message = error_message(body, key);
        match self.status.as_u16() {
            429 => ProviderError::Limited { after_ms: self.retry_after_ms },
            503 if self.retry_after_ms.is_some() => ProviderError::Limited { after_ms: self.retry_after_ms },
            401 | 403 => ProviderError::Denied(message),
            400 | 404 | 422 => ProviderError::Rejected(message),
            300..=399 => ProviderError::Malformed(format!("it redirects ({})", self.status)),
            200..=299 => ProviderError::Malformed(format!("it has status {} instead of 200", self.status)),
            _ => Unavailable::new(doing, StatusError { status: self.status, message }).into(),
        }
    }
}

/// Reads `Retry-After`, which holds seconds or a date, as milliseconds from now.
fn parse_retry_after(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000).min(MAX_RETRY_AFTER_MS));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    let at_ms = u64::try_from(at).ok()?.saturating_mul(1000);
    Some(at_ms.saturating_sub(now_ms).min(MAX_RETRY_AFTER_MS))
}

/// The message of an error body, or the beginning of the body; without the key and without control characters.
fn error_message(body: &[u8], key: &str) -> String {
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody::Moralis { message } | ErrorBody::Alchemy { error: ErrorMessage { message } }) => message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(4 * MAX_MESSAGE_CHARS)]).into_owned(),
    };
    let text = if key.is_empty() { text } else { text.replace(key, "***") };
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    if text.is_empty() { "the response gives no reason".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after("3", 0), Some(3000));
        assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 20_000), Some(40_000));
        assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90_000), Some(0));
        assert_eq!(parse_retry_after("99999999999999999999", 0), None);
        assert_eq!(parse_retry_after("86400", 0), Some(MAX_RETRY_AFTER_MS));
        assert_eq!(parse_retry_after("soon", 0), None);
    }

    #[test]
    fn messages_are_short_and_hold_no_key_and_no_control_characters() {
        assert_eq!(error_message(br#"{"message": "key hush is bad", "statusCode": 401}"#, "hush"), "key *** is bad");
        assert_eq!(error_message(br#"{"error": {"message": "slow down"}}"#, ""), "slow down");
        assert_eq!(error_message(b"\x1b[31m<html>", ""), "[31m<html>");
        assert_eq!(error_message(b"", "hush"), "the response gives no reason");
        assert_eq!(error_message(&[b'x'; 10_000], "").len(), MAX_MESSAGE_CHARS);
    }
}
