//! Routes: each group of legs as what was given and what was got in all.

use crate::flows::{Flow, flows};
use crate::groups::groups;
use crate::{Amount, Leg, Route, RouteKind, TraderView, split};
use std::cmp::Reverse;

/// Nets legs that one trader caused; routes stand in the order of their first legs.
pub fn routes<'l, L: Leg>(legs: &'l [L], trader: &impl TraderView<L::Asset<'l>>) -> Vec<Route<L::Asset<'l>>> {
    if let [leg] = legs {
        return vec![route_of_leg(leg, 0)];
    }
    let mut routes: Vec<_> = groups(legs).into_iter().flat_map(|group| routes_of_group(legs, group, trader)).collect();
    routes.sort_by_key(|route| route.legs.first().copied().unwrap_or(usize::MAX));
    routes
}

fn route_of_leg<L: Leg>(leg: &L, at: usize) -> Route<L::Asset<'_>> {
    Route { kind: RouteKind::Swap, sold: leg.sold(), bought: leg.bought(), legs: vec![at] }
}

fn routes_of_group<'l, L: Leg>(
    legs: &'l [L],
    group: Vec<usize>,
    trader: &impl TraderView<L::Asset<'l>>,
) -> Vec<Route<L::Asset<'l>>> {
    let flows = flows(legs, &group);
    let (sold, bought) = sides(&flows, trader);
    match (&sold[..], &bought[..]) {
        ([], _) | (_, []) => cycle(&flows, group, trader).into_iter().collect(),
        ([sold], [bought]) => vec![Route { kind: RouteKind::Swap, sold: *sold, bought: *bought, legs: group }],
        _ => split::pairs(legs, &group, &sold, &bought)
            .unwrap_or_else(|| group.iter().map(|at| route_of_leg(&legs[*at], *at)).collect()),
    }
}

/// What was sold and what was bought of all that moved.
fn sides<A: Copy>(flows: &[Flow<A>], trader: &impl TraderView<A>) -> (Vec<Amount<A>>, Vec<Amount<A>>) {
    let (mut sold, mut bought) = (vec![], vec![]);
    for flow in flows {
        let is_side =
            !flow.is_given_and_got() || (!flow.is_dust() && trader.stayed_with_trader(flow.asset, flow.is_gain()));
        if is_side && flow.is_gain() {
            bought.push(flow.net());
        } else if is_side && flow.is_loss() {
            sold.push(flow.net());
        }
    }
    if bought.is_empty() && flows.iter().any(|flow| flow.got.is_zero()) {
        // Something was given and never came back, so its price is among the small differences.
        let gains = flows.iter().filter(|flow| flow.is_given_and_got() && flow.is_gain());
        bought.extend(largest_share(gains, trader).map(Flow::net));
    }
    (sold, bought)
}

fn cycle<A: Copy>(flows: &[Flow<A>], group: Vec<usize>, trader: &impl TraderView<A>) -> Option<Route<A>> {
    let Flow { asset, given, got, .. } = *largest_share(flows.iter().filter(|flow| flow.is_given_and_got()), trader)?;
    Some(Route { kind: RouteKind::Cycle, sold: (asset, given), bought: (asset, got), legs: group })
}

/// The flow whose difference is the largest share of it; among equals the one most like cash, then the first.
fn largest_share<'f, A: Copy + 'f>(
    flows: impl Iterator<Item = &'f Flow<A>>,
    trader: &impl TraderView<A>,
) -> Option<&'f Flow<A>> {
    let order = |one: &Flow<A>, two: &Flow<A>| {
        one.cmp_share(two).then_with(|| trader.cash_rank(one.asset).cmp(&trader.cash_rank(two.asset)))
    };
    flows
        .enumerate()
        .max_by(|(i, one), (j, two)| order(one, two).then(Reverse(i).cmp(&Reverse(j))))
        .map(|(_, flow)| flow)
}
