//! Platforms: which there are, what they are used for by day and asset, and what one user used them for.

use super::documented::{DatabaseReadResponses, DayParams, PageParams, SumParams};
use super::paging::cut_page;
use super::params::{Params, joined_addresses, platform_in_path};
use super::problem::Problem;
use crate::views::{
    PlatformAssetPage, PlatformDayPage, PlatformDayView, PlatformLeaderboard, PlatformPage, PlatformView, UserPlatforms,
};
use crate::{App, names, token};
use api_domain::{AssetPage, HOUR_MS, PlatformDayRow, TradeFilter};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use environment::now_ms;
use std::sync::Arc;

type InPath = Result<Path<String>, PathRejection>;

/// Lists the platforms that trades belong to, with their figures over all time and chains, by name.
#[utoipa::path(
    get, path = "/v1/platforms", tag = "boards", operation_id = "listPlatforms",
    params(PageParams),
    responses(
        (status = 200, description = "One page", body = PlatformPage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<PlatformPage>, Problem> {
    let params = Params::read(&uri, PageParams::NAMES)?;
    let (after, limit) = (params.name_cursor()?, params.limit()?);
    let rows = app.store.platforms(after.as_deref(), limit + 1).await?;
    let (rows, next) = cut_page(rows, limit, |row| token::name_cursor(&row.platform));
    Ok(Json(PlatformPage { items: rows.into_iter().map(Into::into).collect(), next }))
}

/// Shows one platform with its figures over all time and chains.
#[utoipa::path(
    get, path = "/v1/platforms/{platform}", tag = "boards", operation_id = "getPlatform",
    params(("platform" = String, Path, description = "The platform", min_length = 1, max_length = 256)),
    responses(
        (status = 200, description = "The platform", body = PlatformView),
        (status = 404, description = "No trade is of such a platform", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn one(State(app): State<Arc<App>>, path: InPath, uri: Uri) -> Result<Json<PlatformView>, Problem> {
    Params::read(&uri, &[])?;
    let platform = platform_in_path(path)?;
    if let Some(row) = app.store.platform(&platform).await? {
        return Ok(Json(row.into()));
    }
    let known = app.store.platforms(None, MAX_PLATFORMS_NAMED).await?;
    Err(Problem::no_such_platform(known.iter().map(|row| row.platform.as_str())))
}

/// Platforms named in a sentence at most.
const MAX_PLATFORMS_NAMED: u32 = 24;

/// What a platform was used for by day and chain, newest first.
#[utoipa::path(
    get, path = "/v1/platforms/{platform}/days", tag = "boards", operation_id = "listPlatformDays",
    params(
        ("platform" = String, Path, description = "The platform", min_length = 1, max_length = 256),
        ("chain" = Option<String>, Query, description = "Only of this chain", max_length = 256),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Items in a page at least, a day is never cut; 50 by default", minimum = 1, maximum = 500),
    ),
    responses(
        (status = 200, description = "One page", body = PlatformDayPage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn days(
    State(app): State<Arc<App>>,
    path: InPath,
    uri: Uri,
) -> Result<Json<PlatformDayPage>, Problem> {
    let params = Params::read(&uri, &["chain", "cursor", "limit"])?;
    let platform = platform_in_path(path)?;
    let chain = known_chain(&app, &params)?;
    let (below_day, limit) = (params.number_cursor::<u64>()?, params.limit()?);
    let rows = app.store.platform_days(&platform, chain.as_deref(), below_day, limit + MAX_CHAINS_PER_DAY).await?;
    let (items, next) = whole_days(rows, limit);
    Ok(Json(PlatformDayPage { platform, items, next }))
}

/// Chains of one day at most; more are left out.
const MAX_CHAINS_PER_DAY: u32 = 500;

/// Whole days with at least `limit` items, if there are so many.
fn whole_days(rows: Vec<PlatformDayRow>, limit: u32) -> (Vec<PlatformDayView>, Option<String>) {
    let mut items: Vec<PlatformDayView> = vec![];
    let mut last = None;
    for row in rows {
        if items.len() >= limit as usize && last != Some(row.day) {
            return (items, last.map(token::number_cursor));
        }
        last = Some(row.day);
        items.push(row.into());
    }
    (items, None)
}

/// The assets that were traded through a platform on one day, by chain and asset.
#[utoipa::path(
    get, path = "/v1/platforms/{platform}/assets", tag = "boards", operation_id = "listPlatformAssets",
    params(
        ("platform" = String, Path, description = "The platform", min_length = 1, max_length = 256),
        DayParams,
        ("chain" = Option<String>, Query, description = "Only of this chain", max_length = 256),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = PlatformAssetPage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn assets(
    State(app): State<Arc<App>>,
    path: InPath,
    uri: Uri,
) -> Result<Json<PlatformAssetPage>, Problem> {
    let params = Params::read(&uri, &["at", "chain", "cursor", "limit"])?;
    let platform = platform_in_path(path)?;
    let chain = known_chain(&app, &params)?;
    let day = params.time("at")?.unwrap_or_else(now_ms) / (24 * HOUR_MS);
    let AssetPage { after, limit } = params.asset_page()?;
    let one_more = AssetPage { after, limit: limit + 1 };
    let rows = app.store.platform_assets(&platform, day, chain.as_deref(), &one_more).await?;
    let (rows, next) = cut_page(rows, limit, |row| token::asset_cursor(&row.chain, &row.asset));
    Ok(Json(PlatformAssetPage {
        platform,
        at: day * 24 * HOUR_MS,
        items: rows.into_iter().map(Into::into).collect(),
        next,
    }))
}

/// The first users of a platform by volume or by the fees that they paid it, over all chains.
#[utoipa::path(
    get, path = "/v1/platforms/{platform}/leaderboard", tag = "boards", operation_id = "getPlatformLeaderboard",
    params(
        ("platform" = String, Path, description = "The platform", min_length = 1, max_length = 256),
        ("by" = Option<String>, Query, description = "`volume` (default) or `fees`; profits have no platform, for what is bought through one is sold through another", pattern = "^(volume|fees)$"),
        ("window" = Option<String>, Query, description = "The span of time: `all` (default), `24h`, `7d`, `30d`", pattern = "^(all|24h|7d|30d)$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = PlatformLeaderboard),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn leaderboard(
    State(app): State<Arc<App>>,
    path: InPath,
    uri: Uri,
) -> Result<Json<PlatformLeaderboard>, Problem> {
    let params = Params::read(&uri, &["by", "window", "cursor", "limit"])?;
    let platform = platform_in_path(path)?;
    let (window, by, limit) = (params.window()?, params.platform_measure()?, params.limit()?);
    let after_rank = params.number_cursor::<u32>()?.unwrap_or(0);
    let rows = app.store.platform_leaders(&platform, window, by, after_rank, limit + 1).await?;
    let built_at = rows.first().map(|first| first.built_at);
    let (rows, next) = cut_page(rows, limit, |last| token::number_cursor(last.rank.into()));
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(PlatformLeaderboard { platform, window: window.name(), by: by.name(), built_at, items, next }))
}

/// What one user used platforms for, by platform and chain.
#[utoipa::path(
    get, path = "/v1/users/{address}/platforms", tag = "users", operation_id = "listUserPlatforms",
    params(
        SumParams,
        ("platform" = Option<String>, Query, description = "Only of this platform", max_length = 256),
        ("window" = Option<String>, Query, description = "The span of time: `all` (default), `24h` (the current hour and the 23 before), `7d`, `30d`", pattern = "^(all|24h|7d|30d)$"),
    ),
    responses(
        (status = 200, description = "The platforms", body = UserPlatforms),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn of_user(
    State(app): State<Arc<App>>,
    path: InPath,
    uri: Uri,
) -> Result<Json<UserPlatforms>, Problem> {
    let params = Params::read(&uri, &["chain", "platform", "window"])?;
    let users = params.users(&app, path)?;
    let (platform, window) = (params.filter()?.platform, params.window()?);
    let rows = app.store.user_platforms(&users, platform.as_deref(), window.first_hour(now_ms())).await?;
    let items = rows.into_iter().map(Into::into).collect();
    Ok(Json(UserPlatforms { address: joined_addresses(&users), window: window.name(), items }))
}

fn known_chain(app: &App, params: &Params) -> Result<Option<String>, Problem> {
    let chain = params.filter()?.chain;
    names::check_filter(app, &TradeFilter { chain: chain.clone(), ..TradeFilter::default() })?;
    Ok(chain)
}
