//! From the tree to legs: the calls of venues, each as what its pool took and gave.

use crate::block::Transaction;
use crate::exchange::exchange;
use crate::holders::Holders;
use crate::moves::Move;
use crate::tree::Tree;
use crate::venues::{self, Pool, Venue, routers};
use crate::worth::Cash;
use ruint::aliases::U256;

/// One pool crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The venue's name.
    pub venue: String,
    /// The pool.
    pub pool: String,
    /// What was given to the pool, and how much.
    pub sold: (String, U256),
    /// What was got from it, and how much.
    pub bought: (String, U256),
    /// Who gave.
    pub user: String,
    /// Whoever else is on the pool's side.
    pub counterparts: Vec<String>,
    /// What was paid beside.
    pub costs: Vec<Cost>,
    /// The place of the call in the order of execution.
    pub place: usize,
}

/// A fee of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// `protocol`, `creator`, `cashback`, `transfer`.
    pub kind: &'static str,
    /// Of what.
    pub asset: String,
    /// How much.
    pub raw: u128,
    /// To whom.
    pub recipient: Option<String>,
    /// Whether what was given or got contains it.
    pub included: bool,
}

/// What a transaction holds, as far as it is about legs.
pub struct Scene<'s, 't, 'a> {
    /// The transaction.
    pub transaction: &'t Transaction<'a>,
    /// What was called.
    pub tree: &'s Tree<'t, 'a>,
    /// Who holds what.
    pub holders: &'s Holders<'t, 'a>,
    /// What moved.
    pub moves: &'s [Move<'t>],
    /// What is cash.
    pub cash: &'s Cash,
}

/// The legs of a transaction.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of execution.
    pub legs: Vec<Leg>,
    /// Ranges of calls that are legs.
    pub covered: Vec<std::ops::Range<usize>>,
    /// Events of venues that nothing backs.
    pub unbacked: u64,
}

/// Whether a transaction may hold a leg at all: tokens are held by somebody, and programs are called that others do not
/// just stand on.
pub fn may_trade(transaction: &Transaction<'_>, tree: &Tree<'_, '_>) -> bool {
    transaction.meta.tokens.iter().any(|balances| !balances.is_empty())
        && tree.calls.iter().any(|call| !call.is_basic())
}

/// The legs of a transaction.
pub fn find(scene: &Scene<'_, '_, '_>) -> Found {
    let mut found = Found::default();
    let calls = &scene.tree.calls;
    let venue_at: Vec<Option<Venue>> = calls.iter().map(|call| venues::of(call.program)).collect();
    for (at, venue) in venue_at.iter().enumerate() {
        let Some(venue) = venue else { continue };
        // What calls nothing moves nothing: events are such calls.
        if calls[at].end == at + 1 {
            continue;
        }
        let nested: Vec<_> =
            scene.tree.within(at).filter(|at| venue_at[*at].is_some()).map(|at| at..calls[at].end).collect();
        let before = found.legs.len();
        found.legs.extend(exchange(scene, at, venue, &nested, false, &mut found.unbacked));
        if found.legs.len() > before {
            found.covered.push(at..calls[at].end);
        }
    }
    for (at, call) in calls.iter().enumerate() {
        if let Some(trust) = unknown(scene, at, &venue_at, &found) {
            let legs = exchange(scene, at, &UNKNOWN, &[], trust == Trust::Router, &mut found.unbacked);
            let legs = legs.into_iter().filter(|leg| trust != Trust::Nobody || is_plain(scene, leg));
            let before = found.legs.len();
            found.legs.extend(legs);
            if found.legs.len() > before {
                found.covered.push(at..call.end);
            }
        }
    }
    found.legs.sort_by_key(|leg| leg.place);
    found
}

/// A pool that nobody has heard of.
const UNKNOWN: Venue =
    Venue { name: "other", program: "", pool: Pool::Party, authority: None, taker: None, creators: &[], claim: None };

/// Who vouches for an unknown program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// A known router called it.
    Router,
    /// What called it crossed a known venue as well.
    Neighbour,
    /// Nobody.
    Nobody,
}

/// Whether a call may be an exchange with a pool that nobody has heard of: it is no known program, and calls none.
fn unknown(scene: &Scene<'_, '_, '_>, at: usize, venue_at: &[Option<Venue>], found: &Found) -> Option<Trust> {
    let calls = &scene.tree.calls;
    let call = &calls[at];
    let is_known = |at: usize| venue_at[at].is_some() || routers::of(calls[at].program).is_some();
    if call.is_basic() || call.end == at + 1 || is_known(at) || scene.tree.within(at).any(is_known) {
        return None;
    }
    // What is within a leg is part of it.
    if found.covered.iter().any(|leg| leg.contains(&at)) {
        return None;
    }
    let Some(parent) = (0..at).rev().find(|above| calls[*above].height < call.height) else {
        return Some(Trust::Nobody);
    };
    if venue_at[parent].is_some() {
        None
    } else if routers::of(calls[parent].program).is_some() {
        Some(Trust::Router)
    } else if found.covered.iter().any(|leg| leg.start > parent && leg.end <= calls[parent].end) {
        Some(Trust::Neighbour)
    } else {
        Some(Trust::Nobody)
    }
}

/// Where nobody vouches for a program, only the plainest exchange is believed to be a trade: by a signer, with one party,
/// for cash.
fn is_plain(scene: &Scene<'_, '_, '_>, leg: &Leg) -> bool {
    let is_divisible = |asset: &str| scene.holders.decimals(asset).is_some_and(|decimals| decimals > 0);
    scene.holders.signs(&leg.user)
        && leg.counterparts.len() == 1
        && (scene.cash.is_quote(&leg.sold.0) || scene.cash.is_quote(&leg.bought.0))
        && is_divisible(&leg.sold.0)
        && is_divisible(&leg.bought.0)
}
