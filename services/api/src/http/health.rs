//! Health and readiness of this process.

use crate::App;
use crate::views::{Liveness, LogView, Readiness};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use environment::now_ms;
use std::sync::Arc;
use std::time::Duration;

/// How long the database may take to answer a readiness check.
const DATABASE_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// The log counts as read to its end when nothing arrived for so long, or when the newest record was younger than this.
const CAUGHT_UP_MS: u64 = 3_000;

/// Says that this process is alive.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "getHealth",
    responses((status = 200, description = "It lives", body = Liveness))
)]
pub(crate) async fn health() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(Liveness { status: "ok" })).into_response()
}

/// Says whether this process can serve: whether the database can be read.
#[utoipa::path(
    get, path = "/ready", tag = "operations", operation_id = "getReadiness",
    responses(
        (status = 200, description = "It can serve", body = Readiness),
        (status = 503, description = "It waits for the database, or stops", body = Readiness),
    )
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let database =
        matches!(tokio::time::timeout(DATABASE_CHECK_TIMEOUT, app.store.folded_positions()).await, Ok(Ok(_)));
    let (code, status, waiting_for) = if app.shutdown.requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping", vec![])
    } else if database {
        (StatusCode::OK, "ready", vec![])
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting", vec!["database"])
    };
    let answer = Readiness { status, waiting_for, log: log_view(&app) };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn log_view(app: &App) -> LogView {
    let health = app.hub.health();
    let silent = now_ms().saturating_sub(health.last_arrival_ms) > CAUGHT_UP_MS;
    let age = health.last_arrival_ms.saturating_sub(health.last_record_ms);
    let caught_up = health.started && (silent || age <= CAUGHT_UP_MS);
    LogView {
        following: health.started,
        caught_up,
        lag_ms: if caught_up { 0 } else { age },
        unfolded: health.unfolded,
        poison: health.poison,
        readers: health.readers,
    }
}
