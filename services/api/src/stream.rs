//! The stream: one WebSocket per client, which sends requests in JSON and receives snapshots and updates.

mod origin;
mod protocol;
mod connection;
mod snapshots;

pub(crate) use protocol::{
    DEFAULT_SNAPSHOT_CANDLES, DEFAULT_SNAPSHOT_TRADES, MAX_ID_BYTES, MAX_SNAPSHOT_CANDLES, MAX_SNAPSHOT_TRADES,
    reply_schemas,
};
#[cfg(test)]
pub(crate) use protocol::{accepted_names, is_accepted};
pub(crate) use snapshots::{MetricsData, WalletData};

use crate::App;
use crate::clients::ClientId;
use crate::http::Problem;
use crate::keys::ApiKey;
use crate::listen::ConnectionPermit;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;

/// Largest message a client may send.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Opens the stream.
#[utoipa::path(
    get, path = "/v1/stream", tag = "stream", operation_id = "openStream",
    description = "A WebSocket; `/asyncapi.json` has its messages, services/api/README.md what a client may rely on.",
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 400, description = "Not a WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "Not a WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Pages of this origin may not open it", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The API key is unknown", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests, or too many streams of one client", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many connections as there may be", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    parts: Parts,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(refused) => return Problem::no_handshake(refused.status(), &refused.body_text()).into_response(),
    };
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let through_proxy = peer.is_some_and(|peer| app.trusted_proxies.contains(peer));
    if !origin::may_open(&parts.headers, app.origins.as_ref(), through_proxy) {
        return Problem::foreign_origin().into_response();
    }
    if app.stopping.requested() {
        return Problem::stopping().into_response();
    }
    let client = parts.extensions.get::<ClientId>().cloned();
    let of_key = parts.extensions.get::<Arc<ApiKey>>().and_then(|key| key.streams);
    let most = of_key.unwrap_or(app.streams_per_client);
    let of_client = match client.map(|client| app.streams_of_clients.take(client, most)) {
        Some(None) => return Problem::too_many_streams(most).into_response(),
        Some(permit) => permit,
        None => None,
    };
    let connection = parts.extensions.get::<ConnectionPermit>().cloned();
    let Ok(permit) = Arc::clone(&app.stream_permits).try_acquire_owned() else {
        return Problem::full().into_response();
    };
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .write_buffer_size(32 * 1024)
        .on_upgrade(move |socket| async move {
            connection::serve(&app, socket).await;
            drop((permit, of_client, connection));
        })
}
