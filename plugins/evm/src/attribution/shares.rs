//! Shares on a side: what pools crossed became shares, or was got for shares, and the trader held nothing but the shares.

use crate::attribution::rule::AttributedRoute;
use crate::attribution::transaction::{TransactionView, only, without_fee};
use crate::model::{Amount, Moved};
use alloy_primitives::{Address, U256};
use netting::RouteKind;

/// Of more routes none is looked at: each costs a pass over all transfers.
const MAX_ROUTES: usize = 16;

/// Puts the one share that the trader gave in place of what was sold, or that it got in place of what was bought, if it held
/// none of that itself and all of it was within the share.
pub(crate) fn use_shares(transaction: &TransactionView<'_>, routes: &mut [AttributedRoute]) {
    if routes.len() > MAX_ROUTES {
        return;
    }
    let of_routes: Vec<(Address, Address)> =
        routes.iter().flat_map(|of| [of.route.sold.0, of.route.bought.0].map(|asset| (of.trader, asset))).collect();
    for AttributedRoute { trader, route, router, .. } in routes {
        if route.kind == RouteKind::Cycle || router.is_some() {
            continue;
        }
        let (given, got) = transaction.net_of_account(*trader);
        for (side, held, is_sold) in [(&mut route.sold, given, true), (&mut route.bought, got, false)] {
            let is_free = |(token, _): &&Amount| !of_routes.contains(&(*trader, *token));
            let share = |of: &&Amount| is_share(transaction, of.0, *side, is_sold);
            if transaction.is_coin(side.0) || transaction.flow(*trader, side.0) != Moved::default() {
                continue;
            }
            if let Some(share) = only(held.iter().filter(is_free).filter(share)) {
                *side = *share;
            }
        }
    }
}

/// Whether a side was got for shares, or became shares.
fn is_share(transaction: &TransactionView<'_>, share: Address, (token, raw): Amount, is_sold: bool) -> bool {
    let within: U256 = transaction.wrapped_by(share, token, !is_sold);
    within >= without_fee(raw) && raw >= without_fee(within)
}
