//! Problem documents (RFC 9457): the body of every error response.

use crate::keys::Refusal;
use crate::names::WrongName;
use crate::store::Overload;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;
use tape::Unavailable;
use utoipa::ToSchema;

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Which kind of problem: `urn:chaintape:problem:…`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong here.
    detail: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip)]
    header: Option<Box<(HeaderName, String)>>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:chaintape:problem:{kind}");
        Self { kind, title, status: status.as_u16(), detail: detail.into(), field: None, header: None }
    }

    fn with(mut self, name: HeaderName, value: &impl ToString) -> Self {
        self.header = Some(Box::new((name, value.to_string())));
        self
    }

    pub(crate) fn bad_parameter(field: &str, rule: impl std::fmt::Display) -> Self {
        let title = "A parameter is wrong";
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad-parameter", title, format!("`{field}` {rule}"));
        problem.field = Some(field.to_owned());
        problem
    }

    /// The same problem where a parameter goes by another name.
    pub(crate) fn of_field(mut self, name: &str, here: &str) -> Self {
        if self.field.as_deref() == Some(name) {
            self.detail = self.detail.replacen(&format!("`{name}`"), &format!("`{here}`"), 1);
            self.field = Some(here.to_owned());
        }
        self
    }

    pub(crate) fn bad_query() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-query", "The query cannot be read", "the query string is malformed")
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-path", "There is nothing here", "see /openapi.json for what there is")
    }

    pub(crate) fn no_such_position() -> Self {
        let detail = "this user has no position of this asset on this chain";
        Self::new(StatusCode::NOT_FOUND, "no-such-position", "There is no such position", detail)
    }

    pub(crate) fn no_such_trade() -> Self {
        let detail = "no trade of this id is stored; it may not be read yet, or be older than what is kept";
        Self::new(StatusCode::NOT_FOUND, "no-such-trade", "There is no such trade", detail)
    }

    pub(crate) fn no_such_platform<'a>(known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
        let detail = match known.len() {
            0 => "no trade belongs to any platform".to_owned(),
            _ => format!("no trade is of this platform; there are {}", known.join(", ")),
        };
        Self::new(StatusCode::NOT_FOUND, "no-such-platform", "There is no such platform", detail)
    }

    pub(crate) fn no_such_asset(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-asset", "There is no such asset", detail)
    }

    pub(crate) fn no_book() -> Self {
        let detail = "metrics has not opened its book yet";
        Self::new(StatusCode::NOT_FOUND, "no-book", "There is no book yet", detail)
    }

    pub(crate) fn read_only() -> Self {
        let detail = "only GET and HEAD are allowed";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "read-only", "This is read-only", detail)
            .with(header::ALLOW, &"GET, HEAD")
    }

    pub(crate) fn too_large() -> Self {
        let detail = "a request needs no body";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    pub(crate) fn too_long() -> Self {
        let detail = "the address of a request has at most 8192 bytes";
        Self::new(StatusCode::URI_TOO_LONG, "too-long", "The address is too long", detail)
    }

    pub(crate) fn too_many(wait_ms: u64) -> Self {
        let detail = format!("ask again in {wait_ms} ms");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail)
            .with(header::RETRY_AFTER, &wait_ms.div_ceil(1_000))
    }

    /// Why a request with an API key is refused.
    pub(crate) fn refused_key(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownKey => {
                let detail =
                    "this API key is not known here, or was withdrawn; without a key you are counted by address";
                Self::new(StatusCode::UNAUTHORIZED, "unknown-key", "The API key is unknown", detail)
                    .with(header::WWW_AUTHENTICATE, &"Bearer")
            }
            Refusal::TooFast(wait_ms) => Self::too_many(wait_ms),
            Refusal::UsedUp(wait_ms) => {
                let detail = "the requests that this API key has for a day are used up; a day begins at 00:00 UTC";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "quota-used-up", "The day's quota is used up", detail)
                    .with(header::RETRY_AFTER, &wait_ms.div_ceil(1_000))
            }
        }
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "the answer took too long; ask for less: a smaller `limit`, a shorter `window`, one `chain`";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too-slow", "This takes too long", detail)
            .with(header::RETRY_AFTER, &5)
    }

    pub(crate) fn busy() -> Self {
        let detail = "too many requests of this kind are under way; ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much is asked at once", detail)
            .with(header::RETRY_AFTER, &2)
    }

    pub(crate) fn full() -> Self {
        let detail = "there are as many open streams as there may be";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", "No stream is free", detail).with(header::RETRY_AFTER, &5)
    }

    pub(crate) fn too_many_streams(most: usize) -> Self {
        let detail =
            format!("a client may have {most} open streams; close one, or share one for several subscriptions");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", "Too many streams", detail)
            .with(header::RETRY_AFTER, &5)
    }

    pub(crate) fn too_many_connections() -> Self {
        let detail = "this client has as many open connections as it may; use those that are open";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-connections", "Too many connections", detail)
            .with(header::RETRY_AFTER, &5)
    }

    pub(crate) fn no_connection_free() -> Self {
        let detail = "there are as many open connections as there may be";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", "No connection is free", detail)
            .with(header::RETRY_AFTER, &5)
    }

    pub(crate) fn foreign_origin() -> Self {
        let detail = "pages of this origin may not open a stream; an operator lists it in API_CORS_ORIGINS";
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", "The origin is not allowed", detail)
    }

    pub(crate) fn stopping() -> Self {
        let detail = "this instance stops; connect again, and to another one";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "This instance stops", detail)
            .with(header::RETRY_AFTER, &1)
    }

    /// The whole response of HTTP/1.1, for a connection that is closed with it.
    pub(crate) fn as_last_response(&self) -> Vec<u8> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(self).unwrap_or_default();
        let own = self.header.as_deref().map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n{own}");
        format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
    }

    pub(crate) fn no_handshake(status: StatusCode, detail: &str) -> Self {
        let problem = Self::new(status, "no-handshake", "This is a WebSocket", detail);
        if status == StatusCode::UPGRADE_REQUIRED { problem.with(header::UPGRADE, &"websocket") } else { problem }
    }

    pub(crate) fn too_big_an_answer() -> Self {
        let title = "The answer cannot be made";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, "the answer is larger than it may be")
    }
}

impl From<WrongName> for Problem {
    fn from(wrong: WrongName) -> Self {
        Self::bad_parameter(wrong.field, wrong.rule)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        match Overload::of_failure(&error) {
            Some(Overload::Busy) => return Self::busy(),
            Some(Overload::TooSlow) => {
                tracing::warn!(
                    event = "api.database.slow",
                    error = &error as &dyn Error,
                    "a request read the database for too long and was ended"
                );
                return Self::too_slow();
            }
            None => {}
        }
        tracing::error!(
            event = "api.database.failed",
            error = &error as &dyn Error,
            "cannot read the database for a request; the client is asked to retry"
        );
        let title = "The database cannot be read";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, "ask again in a moment")
            .with(header::RETRY_AFTER, &1)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header.map(|header| *header)
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
