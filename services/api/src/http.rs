//! The REST side: routes, each a question to the store or the hub, behind one guard.

mod problem;
mod params;
mod guard;
mod health;
mod chains;
mod trades;
mod users;
mod boards;
mod explain;
mod measures;
mod page;
pub(crate) mod openapi;

pub(crate) use measures::Measures;
pub(crate) use problem::Problem;

use crate::{App, stream};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;

/// Every documented route: what the OpenAPI document must hold, no more and no less.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/health", get(health::health)),
        ("/ready", get(health::ready)),
        ("/v1/chains", get(chains::list)),
        ("/v1/trades", get(trades::list)),
        ("/v1/users/{address}/metrics", get(users::metrics)),
        ("/v1/users/{address}/history", get(users::history)),
        ("/v1/users/{address}/fees", get(boards::of_user)),
        ("/v1/users/{address}/positions", get(users::positions)),
        ("/v1/users/{address}/positions/{chain}/{asset}/explain", get(explain::explain)),
        ("/v1/users/{address}/trades", get(trades::of_user)),
        ("/v1/users/{address}/portfolio", get(users::portfolio)),
        ("/v1/users/{address}/drift", get(users::drift)),
        ("/v1/leaderboard", get(boards::leaders)),
        ("/v1/platforms/{platform}/fees", get(boards::of_platform)),
        ("/v1/stream", get(stream::open)),
        ("/metrics", get(measures::show)),
        ("/openapi.json", get(openapi::document)),
    ]
}

/// Everything this process serves.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for (path, method) in routes().into_iter().chain(page::routes()) {
        router = router.route(path, method);
    }
    let router = router
        .fallback(async || Problem::no_such_path())
        .layer(from_fn(guard::tag))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(app), guard::admit));
    let router = match &app.origins {
        Some(origins) => router.layer(origins.layer()),
        None => router,
    };
    router
        .layer(from_fn(guard::dress))
        .layer(from_fn_with_state(Arc::clone(app), measures::measure))
        .with_state(Arc::clone(app))
}
