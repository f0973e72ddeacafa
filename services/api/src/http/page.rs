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
    ("/page/client/exact.js", "text/javascript; charset=utf-8", include_str!("../../page/client/exact.js")),
    ("/page/client/stream.js", "text/javascript; charset=utf-8", include_str!("../../page/client/stream.js")),
    ("/page/client/rest.js", "text/javascript; charset=utf-8", include_str!("../../page/client/rest.js")),
    ("/page/vendor/uplot.js", "text/javascript; charset=utf-8", include_str!("../../page/vendor/uplot.js")),
    ("/page/vendor/uplot.css", "text/css; charset=utf-8", include_str!("../../page/vendor/uplot.css")),
    ("/page/curve.js", "text/javascript; charset=utf-8", include_str!("../../page/curve.js")),
    ("/page/leaders.js", "text/javascript; charset=utf-8", include_str!("../../page/leaders.js")),
    ("/page/explain.js", "text/javascript; charset=utf-8", include_str!("../../page/explain.js")),
    ("/docs", "text/html; charset=utf-8", include_str!("../../page/docs.html")),
    ("/page/docs.js", "text/javascript; charset=utf-8", include_str!("../../page/docs.js")),
    ("/page/format.js", "text/javascript; charset=utf-8", include_str!("../../page/format.js")),
    ("/page/tape.js", "text/javascript; charset=utf-8", include_str!("../../page/tape.js")),
    ("/page/chains.js", "text/javascript; charset=utf-8", include_str!("../../page/chains.js")),
    ("/page/user.js", "text/javascript; charset=utf-8", include_str!("../../page/user.js")),
    ("/favicon.svg", "image/svg+xml", include_str!("../../page/favicon.svg")),
];

/// A route for each file.
pub(super) fn routes() -> impl Iterator<Item = (&'static str, MethodRouter<Arc<App>>)> {
    PAGE_FILES.iter().map(|(path, kind, content)| {
        (*path, get(move || std::future::ready(([(header::CONTENT_TYPE, *kind)], *content).into_response())))
    })
}
