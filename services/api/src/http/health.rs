//! Whether this process lives, and whether it can serve.

use crate::App;
use crate::views::{Liveness, LogView, Readiness};
use api_domain::Reads;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use environment::now_ms;
use std::sync::Arc;
use std::time::Duration;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);
/// A log that has been silent so long, or whose newest record is this young, is read to its end.
const CAUGHT_UP_MS: u64 = 3_000;

/// Says that this process lives.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "getHealth",
    responses((status = 200, description = "It lives", body = Liveness))
)]
pub(crate) async fn health() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(Liveness { status: "ok" })).into_response()
}

/// Says whether this process can serve: whether the database is there.
#[utoipa::path(
    get, path = "/ready", tag = "operations", operation_id = "getReadiness",
    responses(
        (status = 200, description = "It can serve", body = Readiness),
        (status = 503, description = "It waits for the database", body = Readiness),
    )
)]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let database = matches!(tokio::time::timeout(PATIENCE, app.store.folded()).await, Ok(Ok(_)));
    let (code, status, waiting_for) = if database {
        (StatusCode::OK, "ready", vec![])
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting", vec!["database"])
    };
    let answer = Readiness { status, waiting_for, log: log(&app) };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn log(app: &App) -> LogView {
    let pulse = app.hub.pulse();
    let silent = now_ms().saturating_sub(pulse.last_arrival_ms) > CAUGHT_UP_MS;
    let age = pulse.last_arrival_ms.saturating_sub(pulse.last_record_ms);
    let caught_up = pulse.started && (silent || age <= CAUGHT_UP_MS);
    LogView {
        following: pulse.started,
        caught_up,
        lag_ms: if caught_up { 0 } else { age },
        unfolded: pulse.unfolded,
        poison: pulse.poison,
        readers: pulse.readers,
    }
}
