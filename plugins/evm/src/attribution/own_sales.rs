//! A token's own sales: what the token's contract itself sent to a pool is its own trade (the sale of a tax that it hoarded,
//! inside a user's sale), not the user's.

use crate::attribution::rule::{AttributedRoute, Confidence, Evidence};
use crate::attribution::transaction::TransactionView;
use crate::model::{Leg, Route, Transfer};
use alloy_primitives::{Address, U256};
use netting::RouteKind;
use std::collections::BTreeMap;

/// The legs whose sold tokens their own contract sent to the pool, by index: by a transfer of just that amount, or because
/// nobody else sent any.
pub(crate) fn own_sales(transaction: &TransactionView<'_>, legs: &[Leg]) -> Vec<usize> {
    // By pool and token, how often the token itself sent which amount, and whether somebody else sent some.
    let mut sent: BTreeMap<(Address, Address), (BTreeMap<U256, usize>, bool)> = BTreeMap::new();
    let is_own = |of: &&Transfer| of.from == of.token && !of.raw.is_zero();
    for own in transaction.transfers.iter().filter(is_own) {
        *sent.entry((own.to, own.token)).or_default().0.entry(own.raw).or_default() += 1;
    }
    if sent.is_empty() {
        return vec![];
    }
    for transfer in transaction.transfers.iter().filter(|of| of.from != of.token) {
        if let Some((_, has_others)) = sent.get_mut(&(transfer.to, transfer.token)) {
            *has_others = true;
        }
    }
    let mut take = |leg: &Leg| {
        let Some((amounts, has_others)) = sent.get_mut(&(leg.holder, leg.sold.0)) else { return false };
        match amounts.get_mut(&leg.sold.1) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => !*has_others,
        }
    };
    (0..legs.len()).filter(|at| take(&legs[*at])).collect()
}

/// The sale as a trade of the token's contract.
pub(crate) fn attributed(legs: &[Leg], at: usize) -> AttributedRoute {
    let Leg { sold, bought, .. } = legs[at];
    let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![at] };
    AttributedRoute {
        route,
        trader: sold.0,
        evidence: Evidence::TokenFlow,
        router: None,
        confidence: Confidence::Exact,
    }
}
