//! The leaderboard, and the fees of users and platforms by day.

use super::documented::{DatabaseReadResponses, PageParams, UserParams};
use super::paging::cut_page;
use super::params::{Params, address_in_path, platform_in_path};
use super::problem::Problem;
use crate::App;
use crate::token;
use crate::views::{FeePage, FeeView, Leaderboard};
use api_domain::FeeRow;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use std::sync::Arc;

/// The first traders by volume, realized profit or fees, over all chains.
#[utoipa::path(
    get, path = "/v1/leaderboard", tag = "boards", operation_id = "getLeaderboard",
    params(
        ("by" = Option<String>, Query, description = "`volume` (default), `pnl`, `fees`", pattern = "^(volume|pnl|fees)$"),
        ("window" = Option<String>, Query, description = "The span of time: `all` (default), `24h`, `7d`, `30d`", pattern = "^(all|24h|7d|30d)$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = Leaderboard),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn leaderboard(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<Leaderboard>, Problem> {
    let params = Params::read(&uri, &["by", "window", "cursor", "limit"])?;
    let (window, by, limit) = (params.window()?, params.measure()?, params.limit()?);
    let after_rank = params.number_cursor::<u32>()?.unwrap_or(0);
    let rows = app.store.leaderboard(window, by, after_rank, limit + 1).await?;
    let (rows, next) = cut_page(rows, limit, |last| token::number_cursor(last.rank.into()));
    let built_at = rows.first().map(|first| first.built_at);
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(Leaderboard { window: window.name(), by: by.name(), built_at, items, next }))
}

/// One user's fees by day, chain and platform, newest first.
#[utoipa::path(
    get, path = "/v1/users/{address}/fees", tag = "users", operation_id = "listUserFees",
    params(
        UserParams,
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Items in a page at least, a day is never cut; 50 by default", minimum = 1, maximum = 500),
    ),
    responses(
        (status = 200, description = "One page", body = FeePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn user_fees(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<FeePage>, Problem> {
    let params = Params::read(&uri, &["chain", "cursor", "limit"])?;
    let user = params.user(address_in_path(path)?)?;
    let (below_day, limit) = (params.number_cursor::<u64>()?, params.limit()?);
    let rows = app.store.user_fees(&user, below_day, limit + MAX_FEE_ROWS_PER_DAY).await?;
    Ok(Json(fee_page(rows, limit)))
}

/// What a platform earned by day, over all users and chains, newest first.
#[utoipa::path(
    get, path = "/v1/platforms/{platform}/fees", tag = "boards", operation_id = "listPlatformFees",
    params(
        ("platform" = String, Path, description = "The platform", min_length = 1, max_length = 256),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = FeePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn platform_fees(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<FeePage>, Problem> {
    let params = Params::read(&uri, &["cursor", "limit"])?;
    let platform = platform_in_path(path)?;
    let (below_day, limit) = (params.number_cursor::<u64>()?, params.limit()?);
    let rows = app.store.platform_fees(&platform, below_day, limit + 1).await?;
    Ok(Json(fee_page(rows, limit)))
}

/// Fees of one user in a day at most, one for each chain and platform; more are left out.
const MAX_FEE_ROWS_PER_DAY: u32 = 500;

/// A page of whole days with at least `limit` items, if there are so many.
fn fee_page(rows: Vec<FeeRow>, limit: u32) -> FeePage {
    let mut items: Vec<FeeView> = vec![];
    let mut last = None;
    for row in rows {
        if items.len() >= limit as usize && last != Some(row.day) {
            return FeePage { items, next: last.map(token::number_cursor) };
        }
        last = Some(row.day);
        items.push(row.into());
    }
    FeePage { items, next: None }
}
