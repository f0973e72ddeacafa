//! Flows: how much of each asset a group of legs gave and got.

use crate::{Amount, Leg};
use ruint::aliases::{U256, U512};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A difference of at most one part in so many of the larger flow is dust: routers leave such rests behind, and pools
/// round.
const DUST_DIVISOR: u64 = 50;

/// What moved of one asset in a group of legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow<A> {
    /// Which asset.
    pub(crate) asset: A,
    /// Into pools.
    pub(crate) given: U256,
    /// Fees paid to others beside it.
    pub(crate) beside: U256,
    /// Out of pools.
    pub(crate) got: U256,
}

impl<A: Copy> Flow<A> {
    pub(crate) fn is_given_and_got(&self) -> bool {
        !self.given.is_zero() && !self.got.is_zero()
    }

    /// All that was given. Fees count only for an asset on the way; those beside a side are no part of that side.
    fn spent(&self) -> U256 {
        if self.got.is_zero() { self.given } else { self.given.saturating_add(self.beside) }
    }

    /// The asset with what more was got than given, or given than got.
    pub(crate) fn net(&self) -> Amount<A> {
        (self.asset, self.difference())
    }

    pub(crate) fn difference(&self) -> U256 {
        self.spent().abs_diff(self.got)
    }

    fn larger(&self) -> U256 {
        self.spent().max(self.got)
    }

    pub(crate) fn is_gain(&self) -> bool {
        self.got > self.spent()
    }

    pub(crate) fn is_loss(&self) -> bool {
        self.spent() > self.got
    }

    pub(crate) fn is_dust(&self) -> bool {
        self.difference() <= self.larger() / U256::from(DUST_DIVISOR)
    }

    /// Compares the differences of two flows as shares of the flows.
    pub(crate) fn cmp_share(&self, other: &Self) -> Ordering {
        let cross = |one: &Self, two: &Self| U512::from(one.difference()) * U512::from(two.larger());
        cross(self, other).cmp(&cross(other, self))
    }
}

/// What moved of each asset in some of the legs, in the order of first appearance.
pub(crate) fn flows<'l, L: Leg>(legs: &'l [L], group: &[usize]) -> Vec<Flow<L::Asset<'l>>> {
    let mut flows: Vec<Flow<L::Asset<'l>>> = Vec::with_capacity(group.len() + 1);
    // Found by a sorted index: a transaction of thousands of hostile legs must not cost their square.
    let mut index: BTreeMap<L::Asset<'l>, usize> = BTreeMap::new();
    for leg in group.iter().map(|at| &legs[*at]) {
        for ((asset, raw), is_given) in [(leg.sold(), true), (leg.bought(), false)] {
            let place = *index.entry(asset).or_insert_with(|| {
                flows.push(Flow { asset, given: U256::ZERO, beside: U256::ZERO, got: U256::ZERO });
                flows.len() - 1
            });
            let flow = &mut flows[place];
            let sum = if is_given { &mut flow.given } else { &mut flow.got };
            *sum = sum.saturating_add(raw);
        }
        for (asset, raw) in leg.fees_beside() {
            if let Some(flow) = index.get(&asset).and_then(|place| flows.get_mut(*place)) {
                flow.beside = flow.beside.saturating_add(raw);
            }
        }
    }
    flows
}
