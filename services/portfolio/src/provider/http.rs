//! Asking a provider over HTTP: in its pace, with bounds on time and size, no redirect followed, no secret told.

use super::refusal::Refusal;
use environment::RateLimiter;
use portfolio_domain::ProviderError;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use std::time::Duration;
use tape::Unavailable;

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A client that sends these headers with every request.
pub(super) fn client<const N: usize>(headers: [(HeaderName, HeaderValue); N]) -> Result<Client, Unavailable> {
    environment::install_crypto();
    let mut all = HeaderMap::from_iter(headers);
    all.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // A redirect would carry the key to another host.
    let client = Client::builder().default_headers(all).redirect(Policy::none());
    let client = client.connect_timeout(CONNECT).timeout(ANSWER).build();
    client.map_err(|error| Unavailable::new("set up the client of a provider of balances", error))
}

/// Sends a request when the limit lets it through; the body of a good answer, or what the refusal means.
pub(super) async fn ask(
    doing: &str,
    request: RequestBuilder,
    limit: &RateLimiter,
    key: &str,
) -> Result<Vec<u8>, ProviderError> {
    limit.wait_for(1).await;
    let response = request.send().await.map_err(|error| unreachable(doing, error))?;
    let refusal = Refusal::of(&response, environment::now_ms());
    let body = body(doing, response).await?;
    let Some(refusal) = refusal else { return Ok(body) };
    let error = refusal.into_error(doing, &body, key);
    if let ProviderError::Limited { after_ms: Some(after) } = &error {
        limit.pause(Duration::from_millis(*after));
    }
    Err(error)
}

/// The body, as far as it is worth reading.
async fn body(doing: &str, mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(doing, error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(ProviderError::Malformed(format!("it is longer than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The address may hold a key, so it is never told.
fn unreachable(doing: &str, error: reqwest::Error) -> ProviderError {
    Unavailable::new(doing, error.without_url()).into()
}
