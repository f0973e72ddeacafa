//! What it means when a provider does not tell: who has to wait, who has to act.

use portfolio_domain::ProviderError;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tape::Unavailable;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// An answer that is none.
pub(super) struct Refusal {
    status: StatusCode,
    after_ms: Option<u64>,
}

/// Longest time that we let ourselves be sent away for.
const MOST_AFTER_MS: u64 = 600_000;
const MOST_WORDS: usize = 200;

/// An error as the providers document it: Moralis says it, Alchemy says it one level deeper.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Plain { message: String },
    Nested { error: Message },
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// The status alone, where it is the whole cause.
#[derive(Debug, thiserror::Error)]
#[error("status {status}: {said}")]
struct Status {
    status: StatusCode,
    said: String,
}

impl Refusal {
    /// What is refused by an answer; none when it is a success.
    pub(super) fn of(response: &Response, now_ms: u64) -> Option<Self> {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after_ms = after.and_then(|text| after_ms(text, now_ms));
        (status != StatusCode::OK).then_some(Self { status, after_ms })
    }

    /// The refusal in the domain's words; the key is struck out of whatever was said.
    pub(super) fn into_error(self, doing: &str, body: &[u8], key: &str) -> ProviderError {
        let said = words(body, key);
        match self.status.as_u16() {
            429 => ProviderError::Limited { after_ms: self.after_ms },
            503 if self.after_ms.is_some() => ProviderError::Limited { after_ms: self.after_ms },
            401 | 403 => ProviderError::Denied(said),
            400 | 404 | 422 => ProviderError::Rejected(said),
            300..=399 => ProviderError::Malformed(format!("it redirects ({})", self.status)),
            200..=299 => ProviderError::Malformed(format!("it has status {} instead of 200", self.status)),
            _ => Unavailable::new(doing, Status { status: self.status, said }).into(),
        }
    }
}

/// `Retry-After` as seconds or as a date.
fn after_ms(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000).min(MOST_AFTER_MS));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    let at = u64::try_from(at).ok()?.saturating_mul(1000);
    Some(at.saturating_sub(now_ms).min(MOST_AFTER_MS))
}

fn words(body: &[u8], key: &str) -> String {
    let text = match serde_json::from_slice::<Said>(body) {
        Ok(Said::Plain { message } | Said::Nested { error: Message { message } }) => message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(4 * MOST_WORDS)]).into_owned(),
    };
    let text = if key.is_empty() { text } else { text.replace(key, "***") };
    let text: String = text.chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect();
    if text.is_empty() { "it does not say why".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_comes_as_seconds_or_date() {
        assert_eq!(after_ms("3", 0), Some(3000));
        assert_eq!(after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 20_000), Some(40_000));
        assert_eq!(after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 90_000), Some(0));
        assert_eq!(after_ms("99999999999999999999", 0), None);
        assert_eq!(after_ms("86400", 0), Some(MOST_AFTER_MS));
        assert_eq!(after_ms("soon", 0), None);
    }

    #[test]
    fn what_is_said_is_harmless() {
        assert_eq!(words(br#"{"message": "key hush is bad", "statusCode": 401}"#, "hush"), "key *** is bad");
        assert_eq!(words(br#"{"error": {"message": "slow down"}}"#, ""), "slow down");
        assert_eq!(words(b"\x1b[31m<html>", ""), "[31m<html>");
        assert_eq!(words(b"", "hush"), "it does not say why");
        assert_eq!(words(&[b'x'; 10_000], "").len(), MOST_WORDS);
    }
}
