//! From the call tree to legs: the calls of venues, each as what its pool took and gave.

use crate::block::NodeTransaction;
use crate::call_tree::CallTree;
use crate::exchange::{VenueCall, legs_of_call};
use crate::model::{Leg, PoolAccount, Venue};
use crate::venues::instructions::{is_loan_or_liquidity, is_no_swap};
use crate::venues::{self, routers};
use crate::view::TransactionView;
use chain_plugin_sdk::DroppedEvents;
use std::ops::Range;

/// The legs of a transaction.
#[derive(Debug, Default)]
pub(crate) struct FoundLegs {
    /// In the order of execution.
    pub(crate) legs: Vec<Leg>,
    /// Ranges of calls that are legs.
    pub(crate) covered: Vec<Range<usize>>,
    /// Trades that a venue's event reports and no transfer backs.
    pub(crate) dropped: DroppedEvents,
}

/// Whether a transaction may hold a leg at all: it has token accounts, and calls a program that is not a basic one.
pub(crate) fn may_trade(transaction: &NodeTransaction<'_>, tree: &CallTree<'_, '_>) -> bool {
    transaction.meta.tokens.iter().any(|balances| !balances.is_empty())
        && tree.calls.iter().any(|call| !call.is_basic())
}

/// Finds the legs of a transaction: first in calls of known venues, then in calls of unknown programs that may be
/// pools.
pub(crate) fn find_legs(view: &TransactionView<'_, '_, '_>) -> FoundLegs {
    let mut found = FoundLegs::default();
    let calls = &view.tree.calls;
    let venue_at: Vec<Option<Venue>> = calls.iter().map(|call| venues::venue_of_program(call.program)).collect();
    for (at, venue) in venue_at.iter().enumerate() {
        let Some(venue) = venue else { continue };
        // A call that calls nothing moves nothing: events are such calls.
        if calls[at].end == at + 1 || is_no_swap(calls[at].program, &calls[at].instruction.data.bytes()) {
            continue;
        }
        let nested: Vec<_> =
            view.tree.within(at).filter(|at| venue_at[*at].is_some()).map(|at| at..calls[at].end).collect();
        let before = found.legs.len();
        let call = VenueCall { at, venue, nested: &nested, with_minting: false };
        found.legs.extend(legs_of_call(view, &call, &mut found.dropped));
        if found.legs.len() > before {
            found.covered.push(at..calls[at].end);
        }
    }
    for (at, call) in calls.iter().enumerate() {
        if let Some(trust) = trust_in_unknown(view, at, &venue_at, &found) {
            let unknown = VenueCall { at, venue: &UNKNOWN_VENUE, nested: &[], with_minting: trust == Trust::Router };
            let before = found.legs.len();
            found.legs.extend(legs_of_call(view, &unknown, &mut found.dropped));
            if found.legs.len() > before {
                found.covered.push(at..call.end);
            }
        }
    }
    found.legs.sort_by_key(|leg| leg.call);
    found
}

/// A pool of a program that is not in the list of venues.
const UNKNOWN_VENUE: Venue = Venue {
    name: "other",
    program: "",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};

/// Why an unknown program may be a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// A known router called it.
    Router,
    /// The program that called it crossed a known venue as well.
    Neighbour,
}

/// Why a call may be an exchange with an unknown pool; none where nothing vouches for its program, or where it is a known
/// program or calls one.
fn trust_in_unknown(
    view: &TransactionView<'_, '_, '_>,
    at: usize,
    venue_at: &[Option<Venue>],
    found: &FoundLegs,
) -> Option<Trust> {
    let calls = &view.tree.calls;
    let call = &calls[at];
    let is_known = |at: usize| venue_at[at].is_some() || routers::router_of_program(calls[at].program).is_some();
    if call.is_basic() || call.end == at + 1 || is_known(at) || view.tree.within(at).any(is_known) {
        return None;
    }
    // A call within a leg is part of that leg.
    if found.covered.iter().any(|leg| leg.contains(&at)) {
        return None;
    }
    let parent = (0..at).rev().find(|above| calls[*above].height < call.height)?;
    if venue_at[parent].is_some() {
        None
    } else if routers::router_of_program(calls[parent].program).is_some() {
        Some(Trust::Router)
    } else if found.covered.iter().any(|leg| leg.start > parent && leg.end <= calls[parent].end) {
        // Who crosses a pool often lends or adds liquidity beside it.
        (!is_loan_or_liquidity(call.program, &call.instruction.data.bytes())).then_some(Trust::Neighbour)
    } else {
        None
    }
}
