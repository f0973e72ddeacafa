//! The chains, from the newest progress message of each.

use super::params::Params;
use super::problem::Problem;
use crate::App;
use crate::views::ChainList;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use std::sync::Arc;

/// Lists the chains that are followed.
#[utoipa::path(
    get, path = "/v1/chains", tag = "chains", operation_id = "listChains",
    responses(
        (status = 200, description = "The chains, by id", body = ChainList),
        (status = 304, description = "Unchanged since the given ETag"),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The API key is unknown", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<ChainList>, Problem> {
    Params::read(&uri, &[])?;
    Ok(Json(ChainList { items: app.hub.chains() }))
}
