//! Trades, newest first, in pages that stay true while trades come and go; one trade, and those of one transaction.

use super::documented::{DatabaseReadResponses, PageParams, TradeParams, UserParams};
use super::paging::cut_walk;
use super::params::{Params, trade_in_path, transaction_in_path};
use super::problem::Problem;
use crate::views::{TradeExecuted, TradePage};
use crate::{App, names, token};
use api_domain::{StatusFilter, TradeFilter, TradeQuery, TradeRow};
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
        TradeParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "One page; of a filter that few trades pass it may be short or empty, and go on at `next`", body = TradePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Result<Json<TradePage>, Problem> {
    let params = Params::read(&uri, &[&["chain", "trader"][..], TradeParams::NAMES, PageParams::NAMES].concat())?;
    let query = trade_query(&params)?;
    trade_page(&app, query).await
}

/// Lists one user's trades, newest first.
#[utoipa::path(
    get, path = "/v1/users/{address}/trades", tag = "users", operation_id = "listUserTrades",
    params(
        UserParams,
        TradeParams,
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
    let params = Params::read(&uri, &[&["chain"][..], TradeParams::NAMES, PageParams::NAMES].concat())?;
    let user = params.user(&app, path)?;
    let mut query = trade_query(&params)?;
    query.filter.trader = Some(user.address);
    trade_page(&app, query).await
}

/// Shows one trade, live or reverted; its `status` says which.
#[utoipa::path(
    get, path = "/v1/trades/{tradeId}", tag = "trades", operation_id = "getTrade",
    params(("tradeId" = String, Path, description = "The trade's `tradeId`; its slashes may be sent as they are, or as `%2F`", min_length = 1, max_length = 800)),
    responses(
        (status = 200, description = "The trade; where it was charged to several traders, the one that is live", body = TradeExecuted),
        (status = 404, description = "There is no such trade", body = Problem, content_type = "application/problem+json"),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Box<RawValue>>, Problem> {
    Params::read(&uri, &[])?;
    let id = trade_in_path(path)?;
    let chain = id.split('/').next().map(str::to_owned);
    names::check_filter(&app, &TradeFilter { chain, ..TradeFilter::default() })
        .map_err(|wrong| Problem::bad_parameter("tradeId", format!("begins with a chain that {}", wrong.rule)))?;
    let row = app.store.trade(&id).await?.ok_or_else(Problem::no_such_trade)?;
    Ok(Json(published(row)?))
}

/// The same for an id whose slashes are sent as they are.
pub(crate) async fn one_in_parts(
    state: State<Arc<App>>,
    path: Result<Path<(String, String, String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Json<Box<RawValue>>, Problem> {
    one(
        state,
        path.map(|Path((chain, block, transaction, ordinal))| Path([chain, block, transaction, ordinal].join("/"))),
        uri,
    )
    .await
}

/// Lists the trades of one transaction, live and reverted; the `status` of each says which.
#[utoipa::path(
    get, path = "/v1/transactions/{chain}/{hash}", tag = "trades", operation_id = "listTransactionTrades",
    params(
        ("chain" = String, Path, description = "Id of the chain", min_length = 1, max_length = 256),
        ("hash" = String, Path, description = "Hash or first signature of the transaction; `0x…` in any case", min_length = 1, max_length = 256),
        ("status" = Option<String>, Query, description = "`all` (default), or `live`: without reverted trades", pattern = "^(live|all)$"),
        PageParams,
    ),
    responses(
        (status = 200, description = "One page, the last trade of the transaction first; empty where the transaction has no trade, or is not read yet", body = TradePage),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn list_of_transaction(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Json<TradePage>, Problem> {
    let params = Params::read(&uri, &[&["status"][..], PageParams::NAMES].concat())?;
    let (chain, hash) = transaction_in_path(path)?;
    let query = TradeQuery {
        filter: TradeFilter { chain: Some(chain), ..TradeFilter::default() },
        transaction: Some(hash),
        shown: params.shown(StatusFilter::All)?,
        after: params.trade_cursor()?,
        limit: params.limit()?,
        ..TradeQuery::default()
    };
    trade_page(&app, query).await.map_err(|problem| problem.of_field("tx", "hash"))
}

fn trade_query(params: &Params) -> Result<TradeQuery, Problem> {
    Ok(TradeQuery {
        filter: params.filter()?,
        span: params.span()?,
        transaction: params.transaction()?,
        shown: params.shown(StatusFilter::Live)?,
        after: params.trade_cursor()?,
        limit: params.limit()?,
    })
}

/// One page of trades, each as it was published.
async fn trade_page(app: &App, mut query: TradeQuery) -> Result<Json<TradePage>, Problem> {
    names::check_query(app, &mut query)?;
    let limit = query.limit;
    query.limit += 1;
    let walk = app.store.trades(&query).await?;
    let (rows, next) = cut_walk(walk, limit, |row| &row.key, token::trade_cursor);
    let items = rows.into_iter().map(published).collect::<Result<_, _>>()?;
    Ok(Json(TradePage { items, next }))
}

fn published(row: TradeRow) -> Result<Box<RawValue>, Unavailable> {
    let TradeRow { key, payload, .. } = row;
    RawValue::from_string(payload).map_err(|e| Unavailable::new(format!("read the event of trade {}", key.id), e))
}
