//! Health and readiness of this process.

use crate::App;
use crate::store::Store;
use crate::views::{ChainCondition, ChainState, Liveness, LogView, Readiness, StoppedConsumer};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use environment::now_ms;
use std::sync::Arc;
use std::time::Duration;

/// How long the database may take to answer a readiness check.
const DATABASE_CHECK_TIMEOUT: Duration = Duration::from_secs(3);

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
    let answers = async |store: &Store| {
        matches!(tokio::time::timeout(DATABASE_CHECK_TIMEOUT, store.folded_positions()).await, Ok(Ok(_)))
    };
    let database = answers(&app.store).await && (!app.has_replica || answers(&app.primary).await);
    let stopped: Vec<StoppedConsumer> = app
        .consumers
        .iter()
        .filter_map(|it| Some(StoppedConsumer { service: it.service, reason: it.guard.problem()?.to_string() }))
        .collect();
    let mut waiting_for: Vec<&'static str> = stopped.iter().map(|consumer| consumer.service).collect();
    if !database {
        waiting_for.push("database");
    }
    let (code, status) = if app.shutdown.requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if waiting_for.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting")
    };
    let chains = app.hub.chains().into_iter().filter(|view| view.state != ChainState::Live);
    let chains = chains.map(ChainCondition::from).collect();
    let notices = app.consumers.iter().flat_map(|consumer| consumer.notices.sentences()).collect();
    let answer = Readiness { status, waiting_for, log: log_view(&app), chains, stopped, notices };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn log_view(app: &App) -> LogView {
    let health = app.hub.health();
    let caught_up = health.is_caught_up(now_ms());
    LogView {
        following: health.started,
        caught_up,
        lag_ms: if caught_up { 0 } else { health.record_age_ms() },
        unfolded: health.unfolded,
        poison: health.poison,
        readers: health.readers,
    }
}
