//! What every request passes: checks of method, size and rate, a timeout, and the headers that every response carries.

use super::Problem;
use crate::App;
use crate::clients::ClientId;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest URI of a request.
const MAX_URI_BYTES: usize = 8 * 1024;
/// Largest response body.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Lets a request pass, or answers why not.
pub(super) async fn admit(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let address = peer.map(|peer| ClientId::from_address(app.trusted_proxies.client(peer, request.headers())));
    match check(&app, address, &mut request) {
        Ok(()) => match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::too_slow().into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

fn check(app: &App, address: Option<ClientId>, request: &mut Request) -> Result<(), Problem> {
    if !matches!(request.uri().path(), "/health" | "/ready" | "/metrics") {
        count(app, address, request)?;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::read_only());
    }
    if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > MAX_URI_BYTES) {
        return Err(Problem::too_long());
    }
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::too_large());
    }
    Ok(())
}

/// Counts a request by the key that it sent, else by its address. Keys that are none are counted by address too, so that
/// nobody tries many.
fn count(app: &App, address: Option<ClientId>, request: &mut Request) -> Result<(), Problem> {
    let now_ms = environment::now_ms();
    let key = app.keys.of_request(request.headers());
    if let Ok(Some(key)) = key {
        key.admit(now_ms).map_err(Problem::refused_key)?;
        request.extensions_mut().insert(ClientId::Key(Arc::clone(&key.name)));
        request.extensions_mut().insert(key);
        return Ok(());
    }
    if let Some(address) = address {
        app.rate_limits.admit(address.clone(), now_ms).map_err(Problem::too_many)?;
        request.extensions_mut().insert(address);
    }
    key.map(|_| ()).map_err(Problem::refused_key)
}

/// The header that says how fresh an answer is: what was on the tape at this time, milliseconds since the Unix epoch, is in
/// it; `unknown` where that cannot be said.
pub(crate) const AS_OF: HeaderName = HeaderName::from_static("chaintape-as-of");

/// Whether answers of a path are read from the database.
pub(super) fn is_read_from_database(path: &str) -> bool {
    path.starts_with("/v1/") && !matches!(path, "/v1/chains" | "/v1/stream")
}

/// Says how fresh an answer is that was read from the database.
pub(super) async fn add_as_of(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_read = is_read_from_database(request.uri().path());
    // Before the database is read: what it has then, it has later, too.
    let as_of = app.freshness.as_of_ms().filter(|_| is_read);
    let mut response = next.run(request).await;
    if is_read && (response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED) {
        let text = as_of.map_or_else(|| "unknown".to_owned(), |as_of| as_of.to_string());
        set_header(response.headers_mut(), AS_OF, &text);
    }
    response
}

/// Adds an `ETag` to good responses; answers "not modified" to a client that has the content already.
pub(super) async fn add_etag(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || response.headers().contains_key(header::CACHE_CONTROL) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_RESPONSE_BYTES).await else {
        return Problem::too_big_an_answer().into_response();
    };
    let digest = &Sha256::digest(&bytes)[..12];
    let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(digest));
    let matches = known.as_ref().and_then(|known| known.to_str().ok()).is_some_and(|known| names_tag(known, &tag));
    set_header(&mut parts.headers, header::CACHE_CONTROL, "no-cache");
    set_header(&mut parts.headers, header::ETAG, &tag);
    if matches {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether an `If-None-Match` names a tag; tags are compared weakly.
fn names_tag(known: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|one| opaque(one) == opaque(tag))
}

/// Adds the headers that keep browsers from misusing a response.
pub(super) async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    set_header(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set_header(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_header(headers, header::REFERRER_POLICY, "no-referrer");
    set_header(headers, header::X_FRAME_OPTIONS, "DENY");
    set_header(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set_header(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set_header(headers, HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    response
}

fn set_header(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        assert!(names_tag("*", "W/\"a\"") && names_tag("\"a\"", "W/\"a\"") && names_tag("\"b\", W/\"a\"", "W/\"a\""));
        assert!(!names_tag("\"b\"", "W/\"a\""));
    }
}
