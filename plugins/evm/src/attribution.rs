//! Attribution: who is charged for what a transaction traded, and how that is known.
//!
//! The way, in order:
//! 1. Orders that name their owner (CoW, UniswapX) are one route each, and so are several orders of a venue that does not
//!    (1inch); the pools crossed are the solver's business (`order_rules`).
//! 2. Without a pool, a router's report or a filled order makes a route where transfers show both of its sides
//!    (`without_pool`).
//! 3. In a bundle of user operations the legs of each are netted by themselves, else all legs together; the first rule
//!    of the table in `route_rules` that holds decides who is charged for each route.
//! 4. Where all that one trader gave is one token and all that it got is another, that is one route, also as the router that was
//!    called reports it of what pools do not show; else shares that the
//!    trader held stand in place of what is within them (`shares`), and the trader's own amounts in place of the pools'
//!    (`amounts`; for makers who are paid in native coin `filled_orders`).
//!
//! A rule is a row: its name, its evidence word and a function. The README lists the rows in the same order.

mod amounts;
mod filled_orders;
mod holdings;
mod order_rules;
mod own_sales;
pub(crate) mod portions;
pub(crate) mod route_rules;
pub(crate) mod rule;
mod shares;
#[cfg(test)]
mod tests;
pub(crate) mod token_fees;
pub(crate) mod transaction;
mod without_pool;

use crate::model::{Leg, Route};
use alloy_primitives::Address;
use holdings::TraderHoldings;
use route_rules::RouteView;
use rule::{AttributedRoute, Confidence, first_that_holds};
use transaction::TransactionView;

/// The attributed routes of a transaction, in the order of their first legs.
pub(crate) fn attribute(transaction: &TransactionView<'_>, legs: &[Leg]) -> Vec<AttributedRoute> {
    let of_tokens = own_sales::own_sales(transaction, legs);
    let mut routes = attribute_by_rules(transaction, legs, &of_tokens);
    let whole = amounts::merge_into_one(transaction, &routes).or_else(|| amounts::as_reported(transaction, &routes));
    if let Some(whole) = whole {
        routes = vec![whole];
    } else {
        shares::use_shares(transaction, &mut routes);
        amounts::use_rest_of_value(transaction, &mut routes);
        amounts::use_traders_amounts(transaction, legs, &mut routes);
    }
    if !of_tokens.is_empty() && routes.iter().all(|of| of.router.is_none()) {
        routes.extend(of_tokens.iter().map(|at| own_sales::attributed(legs, *at)));
        routes.sort_by_key(|of| of.route.legs.first().copied().unwrap_or(usize::MAX));
    }
    routes
}

fn attribute_by_rules(transaction: &TransactionView<'_>, legs: &[Leg], of_tokens: &[usize]) -> Vec<AttributedRoute> {
    let is_free = |at: &usize| of_tokens.binary_search(at).is_err();
    let of_orders = order_rules::routes_of_orders(transaction, legs);
    if !of_orders.is_empty() {
        return of_orders;
    }
    if legs.is_empty() {
        return without_pool::route_without_pool(transaction).into_iter().collect();
    }
    let mut operations = transaction.operations.iter().filter(|of| of.is_listed).peekable();
    if operations.peek().is_none() {
        let all: Vec<usize> = (0..legs.len()).filter(is_free).collect();
        return net_and_attribute(transaction, legs, &all, None);
    }
    let mut routes = vec![];
    let mut first = 0;
    for operation in operations {
        let is_of_it = |at: &usize| (first..operation.place).contains(&legs[*at].place);
        let part: Vec<usize> = (0..legs.len()).filter(is_of_it).filter(is_free).collect();
        routes.extend(net_and_attribute(transaction, legs, &part, Some(operation.account)));
        first = operation.place;
    }
    let rest: Vec<usize> = (0..legs.len()).filter(|at| legs[*at].place >= first).filter(is_free).collect();
    routes.extend(net_and_attribute(transaction, legs, &rest, None));
    routes
}

/// Nets some of the legs, which belong to the account of an operation or to whoever the rules charge.
fn net_and_attribute(
    transaction: &TransactionView<'_>,
    legs: &[Leg],
    which: &[usize],
    operation_account: Option<Address>,
) -> Vec<AttributedRoute> {
    let part: Vec<Leg> = which.iter().map(|at| legs[*at].clone()).collect();
    let owner = operation_account.unwrap_or(transaction.sender);
    let holdings = TraderHoldings { transaction, legs: &part, owner };
    let attribute = |mut route: Route| {
        let view = RouteView::new(transaction, &route, &part, operation_account);
        let (trader, evidence) = first_that_holds(&RouteView::RULES, &view)?;
        for at in &mut route.legs {
            *at = which[*at];
        }
        Some(AttributedRoute { route, trader, evidence, router: None, confidence: Confidence::Exact })
    };
    netting::routes(&part, &holdings).into_iter().filter_map(attribute).collect()
}
