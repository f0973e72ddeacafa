//! Requests to a provider over HTTP: rate-limited, bounded in time and size, no redirects, no secrets in errors.

use super::refusal::Refusal;
use environment::RateLimiter;
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

/// Sends a request when the rate limit allows it. Returns the body of a response with status 200.
pub(super) async fn send_request(
    doing: &str,
    request: RequestBuilder,
    limit: &RateLimiter,
    key: &str,
) -> Result<Vec<u8>, ProviderError> {
    limit.wait_for(1).await;
    let response = request.send().await.map_err(|error| unreachable(doing, error))?;
    let refusal = Refusal::from_response(&response, environment::now_ms());
    let body = read_body(doing, response).await?;
    let Some(refusal) = refusal else { return Ok(body) };
    let error = refusal.into_error(doing, &body, key);
    if let ProviderError::Limited { after_ms: Some(after_ms) } = &error {
        limit.pause(Duration::from_millis(*after_ms));
    }
    Err(error)
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
