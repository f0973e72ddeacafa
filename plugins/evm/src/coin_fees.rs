//! Fees of native coin, where logs or a trace show each movement of it: who kept some on its way between trader and pools.

use crate::attribution::rule::AttributedRoute;
use crate::attribution::transaction::TransactionView;
use crate::model::{Amount, Leg, Moved, Transfer};
use crate::transfers;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

/// Of more movements nothing is told: anybody may cause that many.
const MAX_MOVES_SEARCHED: usize = 1_024;

/// The one route of a transaction that has the coin on a side, where its movements are known; of several nobody can tell which
/// of them a fee belongs to.
pub(crate) fn only_route_with_coin(transaction: &TransactionView<'_>, routes: &[AttributedRoute]) -> Option<usize> {
    if transaction.native_moves.is_empty() {
        return None;
    }
    let has_coin =
        |of: &AttributedRoute| transaction.is_coin(of.route.sold.0) != transaction.is_coin(of.route.bought.0);
    let mut with_coin = routes.iter().enumerate().filter(|(_, of)| has_coin(of)).map(|(at, _)| at);
    with_coin.next().filter(|_| with_coin.next().is_none())
}

/// Who had more of the coin, native and wrapped together, when the transaction ended, beside the trader and the pools, and how
/// much: no more than lies between what the trader gave and the pools got, or the other way round. None where more was kept,
/// which then came from elsewhere.
pub(crate) fn kept_on_the_way(transaction: &TransactionView<'_>, of: &AttributedRoute, legs: &[Leg]) -> Vec<Amount> {
    let Some(wrapped) = transaction.rules.wrapped else { return vec![] };
    if transaction.native_moves.len() + transaction.transfers.len() > MAX_MOVES_SEARCHED {
        return vec![];
    }
    let (mut into_pools, mut out_of_pools) = (U256::ZERO, U256::ZERO);
    for leg in of.route.legs.iter().map(|at| &legs[*at]) {
        for (sum, (asset, raw)) in [(&mut into_pools, leg.sold), (&mut out_of_pools, leg.bought)] {
            if asset == wrapped {
                *sum = sum.saturating_add(raw);
            }
        }
    }
    let between = if of.route.sold.0 == wrapped {
        of.route.sold.1.saturating_sub(into_pools.saturating_sub(out_of_pools))
    } else {
        out_of_pools.saturating_sub(into_pools).saturating_sub(of.route.bought.1)
    };
    let mut others: Vec<Address> = legs.iter().map(|leg| leg.holder).chain([of.trader]).collect();
    others.sort_unstable();
    let is_payee = |who: &Address| others.binary_search(who).is_err();
    let flows = flows_of_coin(transaction, wrapped).into_iter().filter(|(who, of)| of.into > of.out && is_payee(who));
    let kept: Vec<Amount> = flows.map(|(who, Moved { into, out })| (who, into - out)).collect();
    let sum = kept.iter().fold(U256::ZERO, |sum, (_, raw)| sum.saturating_add(*raw));
    if sum <= between { kept } else { vec![] }
}

/// What came to and went from each account of the coin, native and wrapped; wrapping it moves nothing.
fn flows_of_coin(transaction: &TransactionView<'_>, wrapped: Address) -> BTreeMap<Address, Moved> {
    let of_wrapped = transaction.transfers.iter().filter(|of| of.token == wrapped);
    // Some contracts say that they mint and burn what they wrap and unwrap.
    let is_wrapping = |of: &&Transfer| [of.from, of.to].iter().any(|who| who.is_zero() || *who == wrapped);
    transfers::flows_by_account(of_wrapped.chain(transaction.native_moves).filter(|of| !is_wrapping(of)))
}
