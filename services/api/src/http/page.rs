//! The web page: files embedded in this program and served unchanged.

use crate::App;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use std::sync::Arc;

/// Path, type and content of every file.
const PAGE_FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("../../page/index.html")),
    ("/page/style.css", "text/css; charset=utf-8", include_str!("../../page/style.css")),
    ("/page/app.js", "text/javascript; charset=utf-8", include_str!("../../page/app.js")),
    ("/page/client/client.js", "text/javascript; charset=utf-8", include_str!("../../page/client/client.js")),
    ("/page/client/decimal.js", "text/javascript; charset=utf-8", include_str!("../../page/client/decimal.js")),
    ("/page/client/exact.js", "text/javascript; charset=utf-8", include_str!("../../page/client/exact.js")),
    ("/page/client/live.js", "text/javascript; charset=utf-8", include_str!("../../page/client/live.js")),
    ("/page/client/rest.js", "text/javascript; charset=utf-8", include_str!("../../page/client/rest.js")),
    ("/page/client/states.js", "text/javascript; charset=utf-8", include_str!("../../page/client/states.js")),
    ("/page/client/stream.js", "text/javascript; charset=utf-8", include_str!("../../page/client/stream.js")),
    ("/page/vendor/uplot.js", "text/javascript; charset=utf-8", include_str!("../../page/vendor/uplot.js")),
    ("/page/vendor/uplot.css", "text/css; charset=utf-8", include_str!("../../page/vendor/uplot.css")),
    ("/page/asset.js", "text/javascript; charset=utf-8", include_str!("../../page/asset.js")),
    ("/page/chain.js", "text/javascript; charset=utf-8", include_str!("../../page/chain.js")),
    ("/page/chains.js", "text/javascript; charset=utf-8", include_str!("../../page/chains.js")),
    ("/page/charts.js", "text/javascript; charset=utf-8", include_str!("../../page/charts.js")),
    ("/page/explain.js", "text/javascript; charset=utf-8", include_str!("../../page/explain.js")),
    ("/page/format.js", "text/javascript; charset=utf-8", include_str!("../../page/format.js")),
    ("/page/history.js", "text/javascript; charset=utf-8", include_str!("../../page/history.js")),
    ("/page/leaders.js", "text/javascript; charset=utf-8", include_str!("../../page/leaders.js")),
    ("/page/parts.js", "text/javascript; charset=utf-8", include_str!("../../page/parts.js")),
    ("/page/place.js", "text/javascript; charset=utf-8", include_str!("../../page/place.js")),
    ("/page/platform.js", "text/javascript; charset=utf-8", include_str!("../../page/platform.js")),
    ("/page/tape.js", "text/javascript; charset=utf-8", include_str!("../../page/tape.js")),
    ("/page/trade.js", "text/javascript; charset=utf-8", include_str!("../../page/trade.js")),
    ("/page/user.js", "text/javascript; charset=utf-8", include_str!("../../page/user.js")),
    ("/docs", "text/html; charset=utf-8", include_str!("../../page/docs.html")),
    ("/page/docs.js", "text/javascript; charset=utf-8", include_str!("../../page/docs.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("../../page/favicon.svg")),
];

/// A route for each file.
pub(super) fn routes() -> impl Iterator<Item = (&'static str, MethodRouter<Arc<App>>)> {
    PAGE_FILES.iter().map(|(path, kind, content)| {
        (*path, get(move || std::future::ready(([(header::CONTENT_TYPE, *kind)], *content).into_response())))
    })
}
