//! Trades, newest first, in pages that stay true while trades come and go.

use super::documented::{DatabaseReadResponses, PageParams, UserParams};
use super::paging::cut_walk;
use super::params::{Params, address_in_path};
use super::problem::Problem;
use crate::App;
use crate::token;
use crate::views::TradePage;
use api_domain::TradeQuery;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::value::RawValue;
use std::sync::Arc;
use tape::Unavailable;

/// Lists trades, newest first by block time, chain, height, transaction index and ordinal.
#[utoipa::path(
    get, path = "/v1/trades", tag = "trades", operation_id = "listTrades",
    params(
        ("chain" = Option<String>, Query, description = "Only of this chain", max_length = 256),
        ("trader" = Option<String>, Query, description = "Only of this trader", max_length = 256),
        ("asset" = Option<String>, Query, description = "Only where this asset was sold or bought", max_length = 256),
        ("venue" = Option<String>, Query, description = "Only where a pool of this venue was crossed", max_length = 256),
        ("status" = Option<String>, Query, description = "`live` (default), or `all`: reverted trades too", pattern = "^(live|all)$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page; of a filter that few trades pass it may be short or empty, and go on at `next`", body = TradePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<TradePage>, Problem> {
    let params = Params::read(&uri, &["chain", "trader", "asset", "venue", "status", "cursor", "limit"])?;
    let query = trade_query(&params)?;
    trade_page(&app, query).await
}

/// Lists one user's trades, newest first.
#[utoipa::path(
    get, path = "/v1/users/{address}/trades", tag = "users", operation_id = "listUserTrades",
    params(
        UserParams,
        ("asset" = Option<String>, Query, description = "Only where this asset was sold or bought", max_length = 256),
        ("venue" = Option<String>, Query, description = "Only where a pool of this venue was crossed", max_length = 256),
        ("status" = Option<String>, Query, description = "`live` (default), or `all`: reverted trades too", pattern = "^(live|all)$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page; of a filter that few trades pass it may be short or empty, and go on at `next`", body = TradePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn list_of_user(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<TradePage>, Problem> {
    let trader = address_in_path(path)?;
    let params = Params::read(&uri, &["chain", "asset", "venue", "status", "cursor", "limit"])?;
    let mut query = trade_query(&params)?;
    query.filter.trader = Some(trader);
    trade_page(&app, query).await
}

fn trade_query(params: &Params) -> Result<TradeQuery, Problem> {
    Ok(TradeQuery {
        filter: params.filter()?,
        shown: params.shown()?,
        after: params.trade_cursor()?,
        limit: params.limit()?,
    })
}

/// One page of trades, each as it was published.
async fn trade_page(app: &App, mut query: TradeQuery) -> Result<Json<TradePage>, Problem> {
    let limit = query.limit;
    query.limit += 1;
    let walk = app.store.trades(&query).await?;
    let (rows, next) = cut_walk(walk, limit, |row| &row.key, token::trade_cursor);
    let items = rows
        .into_iter()
        .map(|row| {
            RawValue::from_string(row.payload)
                .map_err(|e| Unavailable::new(format!("read the event of trade {}", row.key.id), e))
        })
        .collect::<Result<_, _>>()?;
    Ok(Json(TradePage { items, next }))
}
