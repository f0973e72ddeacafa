//! What a user holds in dollars, now and by the day.

use super::documented::{DatabaseReadResponses, SumParams};
use super::params::{Params, joined_addresses};
use super::problem::Problem;
use crate::App;
use crate::views::{ChainWorth, UserWorth, WalletWorth, WorthDay, WorthHistory, WorthView};
use api_domain::{BalanceTotals, HOUR_MS, PositionRow, Totals};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use environment::now_ms;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What one user holds in US dollars: by the trades, with unrealized and realized profit and loss, and by the balances that
/// providers tell.
#[utoipa::path(
    get, path = "/v1/users/{address}/worth", tag = "users", operation_id = "getUserWorth",
    params(SumParams),
    responses(
        (status = 200, description = "The sums", body = UserWorth),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn worth(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<UserWorth>, Problem> {
    let params = Params::read(&uri, &["chain"])?;
    let users = params.users(&app, path)?;
    let holdings = app.store.user_holdings(&users).await?;
    let totals = holdings.totals.iter().fold(Totals::default(), |sum, row| sum.plus(&row.totals));
    let chains: BTreeSet<&str> = holdings.totals.iter().map(|row| row.chain.as_str()).collect();
    let of_chain = |chain: &str| {
        let mine = holdings.positions.iter().filter(|position: &&PositionRow| position.chain == chain);
        let of_chain = holdings.totals.iter().filter(|row| row.chain == chain);
        let totals = of_chain.fold(Totals::default(), |sum, row| sum.plus(&row.totals));
        ChainWorth { chain: chain.to_owned(), worth: WorthView::of_positions(mine, &totals) }
    };
    Ok(Json(UserWorth {
        address: joined_addresses(&users),
        total: WorthView::of_positions(&holdings.positions, &totals),
        chains: chains.into_iter().map(of_chain).collect(),
        wallets: WalletWorth::of_chains(&holdings.balances),
        wallets_total: BalanceTotals::of_balances(&holdings.balances).into(),
        truncated: holdings.truncated,
    }))
}

/// What one user's wallets were worth in US dollars at the end of each day, by the balances that providers tell.
#[utoipa::path(
    get, path = "/v1/users/{address}/worth/history", tag = "users", operation_id = "getUserWorthHistory",
    params(
        SumParams,
        ("days" = Option<u32>, Query, description = "How many days, today included; 30 by default", minimum = 1, maximum = 366),
    ),
    responses(
        (status = 200, description = "The days", body = WorthHistory),
        DatabaseReadResponses,
    )
)]
pub(crate) async fn history(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<WorthHistory>, Problem> {
    let params = Params::read(&uri, &["chain", "days"])?;
    let users = params.users(&app, path)?;
    let today = now_ms() / (24 * HOUR_MS);
    let days = [(today + 1).saturating_sub(params.days()?), today];
    let (days, truncated) = app.store.worth_history(&users, days).await?;
    Ok(Json(WorthHistory { address: joined_addresses(&users), items: WorthDay::from_days(days), truncated }))
}
