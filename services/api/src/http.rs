//! REST: the routes, each answered from the store or the hub, behind one guard.

mod problem;
mod params;
mod paging;
mod documented;
mod guard;
mod health;
mod chains;
mod trades;
mod users;
mod boards;
mod platforms;
mod assets;
mod worth;
mod explain;
mod prometheus;
mod page;
mod schemas;
mod asyncapi;
pub(crate) mod openapi;

pub(crate) use guard::AS_OF;
pub(crate) use params::read_min_usd;
pub(crate) use problem::Problem;
pub(crate) use prometheus::{RequestFigures, observe};

use crate::{App, stream};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;

/// Every documented route. A test holds the OpenAPI document to exactly these.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/health", get(health::health)),
        ("/ready", get(health::ready)),
        ("/v1/chains", get(chains::list)),
        ("/v1/trades", get(trades::list)),
        ("/v1/trades/{tradeId}", get(trades::one)),
        ("/v1/transactions/{chain}/{hash}", get(trades::list_of_transaction)),
        ("/v1/users/{address}/metrics", get(users::metrics)),
        ("/v1/users/{address}/history", get(users::history)),
        ("/v1/users/{address}/fees", get(boards::user_fees)),
        ("/v1/users/{address}/positions", get(users::positions)),
        ("/v1/users/{address}/positions/{chain}/{asset}/explain", get(explain::explain)),
        ("/v1/users/{address}/trades", get(trades::list_of_user)),
        ("/v1/users/{address}/portfolio", get(users::portfolio)),
        ("/v1/users/{address}/drift", get(users::drift)),
        ("/v1/users/{address}/worth", get(worth::worth)),
        ("/v1/users/{address}/worth/history", get(worth::history)),
        ("/v1/assets", get(assets::search)),
        ("/v1/assets/{chain}/{asset}", get(assets::show)),
        ("/v1/assets/{chain}/{asset}/candles", get(assets::candles)),
        ("/v1/leaderboard", get(boards::leaderboard)),
        ("/v1/book", get(boards::book)),
        ("/v1/users/{address}/platforms", get(platforms::of_user)),
        ("/v1/platforms", get(platforms::list)),
        ("/v1/platforms/{platform}", get(platforms::one)),
        ("/v1/platforms/{platform}/days", get(platforms::days)),
        ("/v1/platforms/{platform}/assets", get(platforms::assets)),
        ("/v1/platforms/{platform}/leaderboard", get(platforms::leaderboard)),
        ("/v1/platforms/{platform}/fees", get(boards::platform_fees)),
        ("/v1/stream", get(stream::open)),
        ("/metrics", get(prometheus::show)),
        ("/openapi.json", get(openapi::document)),
        ("/asyncapi.json", get(asyncapi::document)),
    ]
}

/// The routes for those who run this process. With an admin address they are served there and not to the public.
const ADMIN_PATHS: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Everything that is served at the admin address.
pub(crate) fn admin_router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for (path, method) in routes().into_iter().filter(|(path, _)| ADMIN_PATHS.contains(path)) {
        router = router.route(path, method);
    }
    router.fallback(async || Problem::no_such_path()).with_state(Arc::clone(app))
}

/// Everything that is served to the public.
pub(crate) fn router(app: &Arc<App>, with_admin_paths: bool) -> Router {
    let mut router = Router::new();
    let in_parts = ("/v1/trades/{chain}/{block}/{transaction}/{ordinal}", get(trades::one_in_parts));
    for (path, method) in routes().into_iter().chain(page::routes()).chain([in_parts]) {
        if with_admin_paths || !ADMIN_PATHS.contains(&path) {
            router = router.route(path, method);
        }
    }
    let router = router
        .fallback(async || Problem::no_such_path())
        .layer(from_fn(guard::add_etag))
        .layer(from_fn_with_state(Arc::clone(app), guard::add_as_of))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(app), guard::admit));
    let router = match &app.origins {
        Some(origins) => router.layer(origins.layer()),
        None => router,
    };
    router
        .layer(from_fn(guard::add_security_headers))
        .layer(from_fn_with_state(Arc::clone(app), prometheus::count))
        .with_state(Arc::clone(app))
}
