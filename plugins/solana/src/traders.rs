//! Who traded: from who stood before the pools to who is charged for it.
//!
//! A signer who gave to a pool is the trader. Routers give from accounts of their own, on behalf of a signer; keepers fill
//! the orders of people who sign nothing. What settles it is whose holdings changed.

use crate::SOL;
use crate::holders::Holders;
use crate::legs::{Leg, Scene};
use crate::net::{Judge, Kind, Route};
use crate::worth::Cash;

/// A trader, and how that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trader {
    /// Who is charged.
    pub address: String,
    /// `signer`, `event-owner`, `owner`, `recipient`.
    pub evidence: &'static str,
}

/// The legs of a transaction by trader, in the order of their first legs.
pub fn group(scene: &Scene<'_, '_, '_>, legs: Vec<Leg>) -> Vec<(Trader, Vec<Leg>)> {
    let mut groups: Vec<(Trader, Vec<Leg>)> = vec![];
    let traders: Vec<Trader> = legs.iter().map(|leg| behind(scene, leg, &legs)).collect();
    for (trader, leg) in traders.into_iter().zip(legs) {
        match groups.iter_mut().find(|(known, _)| known.address == trader.address) {
            Some((_, legs)) => legs.push(leg),
            None => groups.push((trader, vec![leg])),
        }
    }
    groups
}

/// Who stands behind the giver of a leg.
fn behind(scene: &Scene<'_, '_, '_>, leg: &Leg, legs: &[Leg]) -> Trader {
    let holders = scene.holders;
    let known = |evidence| Trader { address: leg.user.clone(), evidence };
    if holders.signs(&leg.user) {
        return known("signer");
    }
    let is_pool = legs.iter().any(|other| other.counterparts.contains(&leg.user));
    let paid = holders.change(&leg.user, &leg.sold.0) < 0 && holders.change(&leg.user, &leg.bought.0) > 0;
    if paid && !is_pool {
        return known(if leg.venue == "pump-fun" { "event-owner" } else { "owner" });
    }
    // A router: whoever of the signers handed to it or was handed by it, the one whose holdings changed first.
    let deals = |signer: &str| {
        let is = |place: Option<usize>, party: &str| place.and_then(|at| holders.party(at)) == Some(party);
        scene.moves.iter().any(|moved| {
            (is(moved.from, signer) && is(moved.to, &leg.user)) || (is(moved.from, &leg.user) && is(moved.to, signer))
        })
    };
    let changed = |signer: &str| {
        legs.iter().any(|leg| leg.sold.0 != SOL && holders.change(signer, &leg.sold.0) < 0)
            || legs.iter().any(|leg| leg.bought.0 != SOL && holders.change(signer, &leg.bought.0) > 0)
    };
    let rank = |signer: &&str| (deals(signer), changed(signer));
    // Of equals the first, who pays.
    let best = holders.signers().collect::<Vec<_>>().into_iter().rev().max_by_key(rank);
    Trader { address: best.unwrap_or(holders.payer()).to_owned(), evidence: "signer" }
}

/// A signer who neither lost what was sold nor got what was bought acted for another: for the one, if there is just one,
/// who got it.
pub fn beneficiary(scene: &Scene<'_, '_, '_>, trader: Trader, route: &Route<'_>, legs: &[Leg]) -> Trader {
    let holders = scene.holders;
    let (sold, bought) = (route.sold.0, route.bought.0);
    let acted_for_itself = |party: &str| holders.change(party, sold) < 0 || holders.change(party, bought) > 0;
    if route.kind == Kind::Cycle || bought == SOL || trader.evidence != "signer" || acted_for_itself(&trader.address) {
        return trader;
    }
    let is_partner = |party: &str| legs.iter().any(|leg| leg.counterparts.iter().any(|known| known == party));
    let half = u128::try_from(route.bought.1 / ruint::aliases::U256::from(2)).map(i128::try_from);
    let Ok(Ok(half)) = half else { return trader };
    let mut got: Vec<&str> = holders
        .tokens()
        .filter(|(_, holder)| holder.mint == bought)
        .map(|(_, holder)| holder.owner.as_ref())
        .filter(|owner| !owner.is_empty() && !is_partner(owner) && holders.change(owner, bought) > half)
        .collect();
    got.sort_unstable();
    got.dedup();
    match got[..] {
        [one] => Trader { address: one.to_owned(), evidence: "recipient" },
        _ => trader,
    }
}

/// Decides by the trader's holdings what stayed.
pub struct Ledger<'x, 't, 'a> {
    /// Who holds what.
    pub holders: &'x Holders<'t, 'a>,
    /// The trader.
    pub trader: &'x str,
    /// What the trader paid for the transaction itself.
    pub fee: u64,
    /// What is cash.
    pub cash: &'x Cash,
}

impl Judge for Ledger<'_, '_, '_> {
    fn stayed(&self, asset: &str, gained: bool) -> bool {
        let paid = if asset == SOL { i128::from(self.fee) } else { 0 };
        let change = self.holders.change(self.trader, asset) + paid;
        if gained { change > 0 } else { change < 0 }
    }

    fn rank(&self, asset: &str) -> u8 {
        if asset == SOL { 2 } else { u8::from(self.cash.is_stable(asset)) }
    }
}
