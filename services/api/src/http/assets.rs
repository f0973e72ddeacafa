//! Assets: search, price and pools, candles.

use super::documented::DatabaseReadResponses;
use super::params::{Params, asset_in_path};
use super::problem::Problem;
use crate::App;
use crate::views::{AssetDetailsView, AssetList, AssetView, CandleList, CandleView};
use api_domain::{AssetQuery, HOUR_MS, MINUTE_MS, Window};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use environment::now_ms;
use std::sync::Arc;

type AssetPath = Result<Path<(String, String)>, PathRejection>;

/// Assets that a search answers with at most.
const MAX_SEARCH_ITEMS: usize = 50;

/// Assets by the beginning of their ticker or by their id, those with the largest volume first.
#[utoipa::path(
    get, path = "/v1/assets", tag = "assets", operation_id = "searchAssets",
    params(
        ("search" = String, Query, description = "The beginning of a ticker, in any case, or an asset's id", min_length = 1, max_length = 128),
        ("chain" = Option<String>, Query, description = "Only of this chain", max_length = 256),
    ),
    responses(
        (status = 200, description = "The assets found, at most 50", body = AssetList),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn search(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<AssetList>, Problem> {
    let search = Params::read(&uri, &["search", "chain"])?.asset_search()?;
    let now = now_ms();
    let mut found = app.store.search_assets(&search, first_minute_of_24h(now)).await?;
    let truncated = found.len() > MAX_SEARCH_ITEMS;
    found.truncate(MAX_SEARCH_ITEMS);
    Ok(Json(AssetList { items: found.into_iter().map(|row| AssetView::at(row, now)).collect(), truncated }))
}

/// One asset: its price, the last 24 hours and its pools.
#[utoipa::path(
    get, path = "/v1/assets/{chain}/{asset}", tag = "assets", operation_id = "getAsset",
    params(
        ("chain" = String, Path, description = "Id of the chain", min_length = 1, max_length = 256),
        ("asset" = String, Path, description = "The asset; `0x…` in any case", min_length = 1, max_length = 256),
    ),
    responses(
        (status = 200, description = "The asset", body = AssetDetailsView),
        (status = 404, description = "No trade of such an asset was seen", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    path: AssetPath,
    uri: Uri,
) -> Result<Json<AssetDetailsView>, Problem> {
    Params::read(&uri, &[])?;
    let key = asset_in_path(path)?;
    let now = now_ms();
    let details = app.store.asset(&key, first_minute_of_24h(now)).await?.ok_or_else(|| no_such_asset(&key))?;
    Ok(Json(AssetDetailsView::at(details, now)))
}

/// The candles of one asset in US dollars, oldest first.
#[utoipa::path(
    get, path = "/v1/assets/{chain}/{asset}/candles", tag = "assets", operation_id = "listCandles",
    params(
        ("chain" = String, Path, description = "Id of the chain", min_length = 1, max_length = 256),
        ("asset" = String, Path, description = "The asset; `0x…` in any case", min_length = 1, max_length = 256),
        ("interval" = Option<String>, Query, description = "How long each lasts: `1m`, `1h` (default) or `1d`", pattern = "^(1m|1h|1d)$"),
        ("from" = Option<u64>, Query, description = "From this time on, milliseconds since the Unix epoch; the candle that holds it is the first. By default 500 candles before `to`; at most 1500"),
        ("to" = Option<u64>, Query, description = "Up to this time; now by default"),
    ),
    responses(
        (status = 200, description = "The candles", body = CandleList),
        (status = 404, description = "No trade of such an asset was seen", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn candles(
    State(app): State<Arc<App>>,
    path: AssetPath,
    uri: Uri,
) -> Result<Json<CandleList>, Problem> {
    let params = Params::read(&uri, &["interval", "from", "to"])?;
    let key = asset_in_path(path)?;
    let range = params.candle_range(now_ms())?;
    let (asset, rows) = app.store.candles(&key, &range).await?.ok_or_else(|| no_such_asset(&key))?;
    let items = rows.into_iter().map(|row| CandleView::with_decimals(row, asset.decimals)).collect();
    let [from, to] = [range.from_minute, range.to_minute].map(|minute| minute.saturating_mul(MINUTE_MS));
    let (decimals, interval) = (asset.decimals, range.interval.name());
    Ok(Json(CandleList { chain: asset.chain, asset: asset.asset, decimals, interval, from, to, items }))
}

/// The first minute of the current hour and the 23 before.
fn first_minute_of_24h(now_ms: u64) -> u64 {
    Window::Day.first_hour(now_ms).unwrap_or_default() * (HOUR_MS / MINUTE_MS)
}

fn no_such_asset(key: &AssetQuery) -> Problem {
    let AssetQuery { chain, asset } = key;
    Problem::no_such_asset(format!(
        "no trade of `{asset}` on `{chain}` was seen; an asset is named by its id and not by its ticker: find it by \
         /v1/assets?search={asset}"
    ))
}
