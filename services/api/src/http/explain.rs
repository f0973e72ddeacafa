//! A position explained: the trades that its figures are made of, lot by lot.

use super::documented::{DatabaseReadResponses, PageParams};
use super::paging::cut_walk;
use super::params::{Params, position_in_path};
use super::problem::Problem;
use crate::App;
use crate::token;
use crate::views::{Explanation, StepView};
use api_domain::StepPage;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use std::sync::Arc;

/// The trades that a position's figures are made of, oldest first.
#[utoipa::path(
    get, path = "/v1/users/{address}/positions/{chain}/{asset}/explain", tag = "users", operation_id = "explainPosition",
    params(
        ("address" = String, Path, description = "The user's address; `0x…` in any case", min_length = 1, max_length = 256),
        ("chain" = String, Path, description = "Id of the chain", min_length = 1, max_length = 256),
        ("asset" = String, Path, description = "The asset; `0x…` in any case", min_length = 1, max_length = 256),
        PageParams,
    ),
    responses(
        (status = 200, description = "The position and one page of its trades; it may be short or empty, and go on at `next`", body = Explanation),
        (status = 404, description = "There is no such position", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Json<Explanation>, Problem> {
    let params = Params::read(&uri, &["cursor", "limit"])?;
    let key = position_in_path(&app, path)?;
    let page = params.step_page()?;
    let one_more = StepPage { limit: page.limit + 1, after: page.after };
    let explained = app.store.explain_position(&key, &one_more).await?.ok_or_else(Problem::no_such_position)?;
    let (steps, next) = cut_walk(explained.steps, page.limit, |step| &step.key, token::step_cursor);
    Ok(Json(Explanation {
        address: key.address,
        method: explained.method,
        position: explained.position.into(),
        items: steps.into_iter().map(StepView::try_from).collect::<Result<_, _>>()?,
        next,
    }))
}
