//! Requests to a provider over HTTP: rate-limited, bounded in time and size, no redirects, no secrets in errors.

use super::refusal::{Refusal, ResponseHead};
use super::throttle::Throttle;
use portfolio_domain::ProviderError;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use std::time::Duration;
use tape::Unavailable;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bounds a whole request, from connecting to the last byte of the response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// A client that sends these headers with every request.
pub(super) fn http_client<const N: usize>(headers: [(HeaderName, HeaderValue); N]) -> Result<Client, Unavailable> {
    environment::install_crypto();
    let mut all = HeaderMap::from_iter(headers);
    all.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // A redirect would carry the key to another host.
    let client = Client::builder().default_headers(all).redirect(Policy::none());
    let client = client.connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT).build();
    client.map_err(|error| Unavailable::new("set up the HTTP client of a provider", error))
}

/// Sends a request when the throttle lets it through. Returns the body of an answer; a refusal is an error, whether the
/// status tells it or the body.
pub(super) async fn send_request(
    doing: &str,
    request: RequestBuilder,
    throttle: &Throttle,
    key: &str,
) -> Result<Vec<u8>, ProviderError> {
    let turn = throttle.take_turn().await.map_err(limited)?;
    let response = request.send().await.map_err(|error| unreachable(doing, error))?;
    let head = ResponseHead::new(&response, environment::now_ms());
    let body = read_body(doing, response).await?;
    match Refusal::from_response(doing, &head, &body, key) {
        None => {
            throttle.answered(turn);
            Ok(without_key(body, key))
        }
        Some(Refusal::Limited(asked)) => Err(limited(throttle.refused(turn, asked))),
        Some(Refusal::Failed(error)) => Err(error),
    }
}

/// The body with the key struck out: parts of it may be shown as the reason why a row is left out.
fn without_key(body: Vec<u8>, key: &str) -> Vec<u8> {
    let holds_key = !key.is_empty() && body.windows(key.len()).any(|part| part == key.as_bytes());
    if holds_key { String::from_utf8_lossy(&body).replace(key, "***").into_bytes() } else { body }
}

fn limited(pause: Duration) -> ProviderError {
    ProviderError::Limited { after_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) }
}

/// Reads the body, up to its greatest allowed size.
async fn read_body(doing: &str, mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(doing, error))? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(ProviderError::Malformed(format!("it is longer than {MAX_RESPONSE_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The URL is left out of the error, because it may hold a key.
fn unreachable(doing: &str, error: reqwest::Error) -> ProviderError {
    Unavailable::new(doing, error.without_url()).into()
}
