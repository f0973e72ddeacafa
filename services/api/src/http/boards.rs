//! The leaderboard, and the fees of users and platforms by day.

use super::documented::{DatabaseReadResponses, PageParams, UserParams};
use super::paging::cut_page;
use super::params::{Params, platform_in_path};
use super::problem::Problem;
use crate::App;
use crate::token;
use crate::views::{BookView, FeePage, FeeView, Leaderboard};
use api_domain::FeeRow;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use std::sync::Arc;

/// The first traders by volume, net volume, realized profit or fees, over all chains.
#[utoipa::path(
    get, path = "/v1/leaderboard", tag = "boards", operation_id = "getLeaderboard",
    params(
        ("by" = Option<String>, Query, description = "`volume` (default: without what is counted apart as wash), `netVolume`, `pnl`, `fees`", pattern = "^(volume|netVolume|pnl|fees)$"),
        ("window" = Option<String>, Query, description = "The span of time: `all` (default), `24h`, `7d`, `30d`", pattern = "^(all|24h|7d|30d)$"),
        ("minCoverage" = Option<String>, Query, description = "Only traders of whose sales at least this part, from 0 to 1, is covered; those who sold nothing stay, and so do ranks", pattern = "^(0|1|0[.][0-9]{1,6}|1[.]0{1,6})$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = Leaderboard),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn leaderboard(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<Leaderboard>, Problem> {
    let params = Params::read(&uri, &["by", "window", "minCoverage", "platform", "cursor", "limit"])?;
    params.refuse_platform(|platform| format!("/v1/platforms/{platform}/leaderboard"))?;
    let (window, by, limit) = (params.window()?, params.measure()?, params.limit()?);
    let (after_rank, min_coverage) = (params.number_cursor::<u32>()?.unwrap_or(0), params.min_coverage()?);
    let rows_read = if min_coverage.is_some() { MAX_LEADERS } else { limit + 1 };
    let mut rows = app.store.leaderboard(window, by, after_rank, rows_read).await?;
    let built_at = rows.first().map(|first| first.built_at);
    if let Some(least) = min_coverage {
        rows.retain(|leader| leader.totals.coverage().is_none_or(|coverage| coverage >= least));
    }
    let (rows, next) = cut_page(rows, limit, |last| token::number_cursor(last.rank.into()));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(Leaderboard { window: window.name(), by: by.name(), built_at, items, next }))
}

/// How many traders stand on a leaderboard.
const MAX_LEADERS: u32 = 1_000;

/// The rules by which the figures of all users are calculated: cost method and what is cash.
#[utoipa::path(
    get, path = "/v1/book", tag = "boards", operation_id = "getBook",
    responses(
        (status = 200, description = "The rules", body = BookView),
        (status = 404, description = "There is no book yet", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn book(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<BookView>, Problem> {
    Params::read(&uri, &[])?;
    let rules = app.store.book_rules().await?.ok_or_else(Problem::no_book)?;
    Ok(Json(rules.into()))
}

/// One user's fees by day, chain and platform, newest first.
#[utoipa::path(
    get, path = "/v1/users/{address}/fees", tag = "users", operation_id = "listUserFees",
    params(
        UserParams,
        ("platform" = Option<String>, Query, description = "Only of this platform", max_length = 256),
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
    let params = Params::read(&uri, &["chain", "platform", "cursor", "limit"])?;
    let (user, platform) = (params.user(&app, path)?, params.filter()?.platform);
    let (below_day, limit) = (params.number_cursor::<u64>()?, params.limit()?);
    let rows = app.store.user_fees(&user, platform.as_deref(), below_day, limit + MAX_FEE_ROWS_PER_DAY).await?;
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
