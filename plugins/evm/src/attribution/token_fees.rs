//! What of a side went beside the pools, where the transfers account for all of it: the tax of a token, the fee of a router or of
//! an interface. Native coin leaves other traces (`coin_fees.rs`).

use super::rule::AttributedRoute;
use super::transaction::{MAX_LEGS_SEARCHED, MAX_TRANSFERS_SEARCHED, TransactionView};
use crate::model::{Leg, MAX_FEE_DIVISOR, Moved, Transfer};
use crate::transfers;
use alloy_primitives::{Address, U256};

/// One part in so many of a side or less is what routers round: it counts, and is not listed.
const ROUNDING_DIVISOR: u64 = 100_000;
/// What more accounts share is not listed: a token that pays its holders.
const MAX_FEES_PER_SIDE: usize = 8;

/// A part of a side that somebody else has in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenFee {
    /// The token.
    pub(crate) asset: Address,
    /// How much of it.
    pub(crate) raw: U256,
    /// Who has it; the zero address where it was burnt.
    pub(crate) recipient: Address,
    /// Whether the token itself took it.
    pub(crate) is_tax: bool,
}

/// Who has parts of the two sides of a transaction's only route. Of a side either all that lies between trader and pools is
/// accounted for, or nothing is told: not what is more than a tenth of it, unless the token took it, which has another reason.
pub(crate) fn beside_pools(transaction: &TransactionView<'_>, of: &AttributedRoute, legs: &[Leg]) -> Vec<TokenFee> {
    if transaction.transfers.len() > MAX_TRANSFERS_SEARCHED || legs.len() > MAX_LEGS_SEARCHED {
        return vec![];
    }
    [true, false].into_iter().filter_map(|is_sold| of_side(transaction, of, legs, is_sold)).flatten().collect()
}

fn of_side(
    transaction: &TransactionView<'_>,
    of: &AttributedRoute,
    legs: &[Leg],
    is_sold: bool,
) -> Option<Vec<TokenFee>> {
    let (asset, side) = if is_sold { of.route.sold } else { of.route.bought };
    if transaction.is_coin(asset) {
        return None;
    }
    let mut pools = Moved::default();
    for leg in legs {
        for (sum, (token, raw)) in [(&mut pools.into, leg.sold), (&mut pools.out, leg.bought)] {
            if token == asset {
                *sum = sum.saturating_add(raw);
            }
        }
    }
    let beside = if is_sold {
        side.checked_sub(pools.into.checked_sub(pools.out)?)?
    } else {
        pools.out.checked_sub(pools.into)?.checked_sub(side)?
    };
    if beside.is_zero() {
        return None;
    }
    let mut holders: Vec<Address> = legs.iter().map(|leg| leg.holder).collect();
    holders.sort_unstable();
    let is_pool = |who: &Address| holders.binary_search(who).is_ok();
    // What a pool pays of what it got is its own fee.
    let is_beside = |it: &&Transfer| it.token == asset && !(is_sold && is_pool(&it.from));
    let mut flows = transfers::flows_by_account(transaction.transfers.iter().filter(is_beside));
    flows.retain(|who, _| *who != of.trader && !is_pool(who));
    let (mut fees, mut sum) = (vec![], U256::ZERO);
    for (recipient, Moved { into, out }) in flows {
        let raw = into.checked_sub(out)?;
        let is_tax = recipient.is_zero() || recipient == asset;
        if !is_tax && raw > side / U256::from(MAX_FEE_DIVISOR) {
            return None;
        }
        sum = sum.saturating_add(raw);
        if raw > side / U256::from(ROUNDING_DIVISOR) {
            fees.push(TokenFee { asset, raw, recipient, is_tax });
        }
    }
    (sum == beside && fees.len() <= MAX_FEES_PER_SIDE).then_some(fees)
}
