//! One user, by one address or by several: totals, history, drift, positions, portfolio.

use super::documented::{DatabaseReadResponses, PageParams, SumParams, UserParams};
use super::paging::cut_page;
use super::params::{Params, joined_addresses};
use super::problem::Problem;
use crate::App;
use crate::token;
use crate::views::{DriftPage, Portfolio, PositionPage, UserHistory, UserMetrics};
use api_domain::{AssetPage, HOUR_MS, Totals};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use environment::now_ms;
use std::sync::Arc;

type Address = Result<Path<String>, PathRejection>;

/// One user's volume, fees and realized profit and loss, per chain and in all, over one address or several.
#[utoipa::path(
    get, path = "/v1/users/{address}/metrics", tag = "users", operation_id = "getUserMetrics",
    params(
        SumParams,
        ("window" = Option<String>, Query, description = "The span of time: `all` (default), `24h` (the current hour and the 23 before), `7d`, `30d`; a trade whose block time lies in the future is in each", pattern = "^(all|24h|7d|30d)$"),
    ),
    responses(
        (status = 200, description = "The user's metrics", body = UserMetrics),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    path: Address,
    uri: Uri,
) -> Result<Json<UserMetrics>, Problem> {
    let params = Params::read(&uri, &["chain", "platform", "window"])?;
    let users = params.users(&app, path)?;
    let address = joined_addresses(&users);
    params.refuse_platform(|platform| format!("/v1/users/{address}/platforms?platform={platform}"))?;
    let window = params.window()?;
    let rows = app.store.user_totals(&users, window.first_hour(now_ms())).await?;
    let total = rows.iter().fold(Totals::default(), |sum, row| sum.plus(&row.totals));
    let chains = rows.into_iter().map(Into::into).collect();
    Ok(Json(UserMetrics { address, window: window.name(), total: total.into(), chains }))
}

/// What happened to one user over time: volume, fees and realized profit and loss by the hour or day.
#[utoipa::path(
    get, path = "/v1/users/{address}/history", tag = "users", operation_id = "getUserHistory",
    params(
        SumParams,
        ("window" = Option<String>, Query, description = "The span of time: `all` (default) and `30d` by the day, `7d` and `24h` by the hour", pattern = "^(all|24h|7d|30d)$"),
    ),
    responses(
        (status = 200, description = "The curve", body = UserHistory),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    path: Address,
    uri: Uri,
) -> Result<Json<UserHistory>, Problem> {
    let params = Params::read(&uri, &["chain", "window"])?;
    let users = params.users(&app, path)?;
    let window = params.window()?;
    let points = app.store.user_history(&users, window.first_hour(now_ms()), window.step_hours()).await?;
    let items = points.into_iter().map(Into::into).collect();
    let step_ms = window.step_hours() * HOUR_MS;
    Ok(Json(UserHistory { address: joined_addresses(&users), window: window.name(), step_ms, items }))
}

/// How far a provider's balances differ from the sum of one user's trades, by chain and asset.
#[utoipa::path(
    get, path = "/v1/users/{address}/drift", tag = "users", operation_id = "listUserDrift",
    params(
        UserParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = DriftPage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn drift(State(app): State<Arc<App>>, path: Address, uri: Uri) -> Result<Json<DriftPage>, Problem> {
    let params = Params::read(&uri, &["chain", "cursor", "limit"])?;
    let user = params.user(&app, path)?;
    let page = params.asset_page()?;
    let rows = app.store.user_drift(&user, &one_more(&page)).await?;
    let (rows, next) = cut_page(rows, page.limit, |row| token::asset_cursor(&row.chain, &row.asset));
    Ok(Json(DriftPage { address: user.address, items: rows.into_iter().map(Into::into).collect(), next }))
}

/// One user's positions, by chain and asset.
#[utoipa::path(
    get, path = "/v1/users/{address}/positions", tag = "users", operation_id = "listUserPositions",
    params(
        UserParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "One page", body = PositionPage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn positions(
    State(app): State<Arc<App>>,
    path: Address,
    uri: Uri,
) -> Result<Json<PositionPage>, Problem> {
    let params = Params::read(&uri, &["chain", "cursor", "limit"])?;
    let user = params.user(&app, path)?;
    let page = params.asset_page()?;
    let rows = app.store.user_positions(&user, &one_more(&page)).await?;
    let (rows, next) = cut_page(rows, page.limit, |row| token::asset_cursor(&row.chain, &row.asset));
    Ok(Json(PositionPage { address: user.address, items: rows.into_iter().map(Into::into).collect(), next }))
}

/// One user's balances as a provider reports them, by chain and asset.
#[utoipa::path(
    get, path = "/v1/users/{address}/portfolio", tag = "users", operation_id = "getUserPortfolio",
    params(
        UserParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "The wallets and one page of balances", body = Portfolio),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn portfolio(
    State(app): State<Arc<App>>,
    path: Address,
    uri: Uri,
) -> Result<Json<Portfolio>, Problem> {
    let params = Params::read(&uri, &["chain", "cursor", "limit"])?;
    let user = params.user(&app, path)?;
    let page = params.asset_page()?;
    let state = app.store.wallet_state(&user, &one_more(&page)).await?;
    let (balances, next) = cut_page(state.balances, page.limit, |row| token::asset_cursor(&row.chain, &row.asset));
    Ok(Json(Portfolio {
        address: user.address,
        incomplete: state.wallets.iter().any(|wallet| wallet.left_out > 0),
        wallets: state.wallets.into_iter().map(Into::into).collect(),
        items: balances.into_iter().map(Into::into).collect(),
        next,
    }))
}

fn one_more(page: &AssetPage) -> AssetPage {
    AssetPage { after: page.after.clone(), limit: page.limit + 1 }
}
