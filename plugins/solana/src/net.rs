//! Netting: the legs of one transaction become routes, each from what was given to what was got.
//!
//! The rules, in order:
//! 1. Legs that share an asset, directly or through others, belong together; every group is netted by itself.
//! 2. An asset that was only given is sold, one that was only got is bought, with everything that moved of it.
//! 3. An asset that was both given and got was on the way; its difference, fees paid beside it counted, is a side of the
//!    trade only if it is more than a fiftieth of the larger flow and stayed with the trader ([`Judge::stayed`]). Smaller
//!    ones are a router's dust, others a token's tax or somebody's fee: they are in the legs, and in no side.
//! 4. One asset sold and one bought make one trade. More are split into pairs, see [`crate::split`].
//! 5. With nothing sold, or nothing bought, it is a cycle: its asset is the one whose difference is the largest share of
//!    its flow.

use crate::legs::Leg;
use crate::split;
use ruint::aliases::{U256, U512};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

/// An amount of an asset.
pub type Amount<'l> = (&'l str, U256);

/// What a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One asset for another.
    Swap,
    /// From an asset back to itself.
    Cycle,
}

/// A trade without its decoration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'l> {
    /// Swap or cycle.
    pub kind: Kind,
    /// Given.
    pub sold: Amount<'l>,
    /// Got.
    pub bought: Amount<'l>,
    /// Places of its legs in the list that was netted; each leg is in one route.
    pub legs: Vec<usize>,
}

/// What the legs alone do not tell.
pub trait Judge {
    /// Whether a difference stayed with the trader, who has more of it (`gained`) or less than before.
    fn stayed(&self, asset: &str, gained: bool) -> bool;
    /// How much an asset is like cash; decides between equals.
    fn rank(&self, asset: &str) -> u8;
}

/// What moved of one asset in a group of legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<'l> {
    /// Which.
    pub asset: &'l str,
    /// Into pools.
    pub given: U256,
    /// Paid beside, to others.
    pub beside: U256,
    /// Out of pools.
    pub got: U256,
}

impl Flow<'_> {
    fn is_mixed(&self) -> bool {
        !self.given.is_zero() && !self.got.is_zero()
    }

    /// All that was given, where some of it was got before; fees are a side's own affair where none was.
    fn spent(&self) -> U256 {
        if self.got.is_zero() { self.given } else { self.given.saturating_add(self.beside) }
    }

    fn difference(&self) -> U256 {
        self.spent().abs_diff(self.got)
    }

    fn larger(&self) -> U256 {
        self.spent().max(self.got)
    }

    fn is_gain(&self) -> bool {
        self.got > self.spent()
    }

    fn is_loss(&self) -> bool {
        self.spent() > self.got
    }

    fn is_dust(&self) -> bool {
        self.difference() <= self.larger() / U256::from(50)
    }

    /// Compares differences as shares of flows.
    fn cmp_share(&self, other: &Self) -> Ordering {
        let cross = |one: &Self, two: &Self| U512::from(one.difference()) * U512::from(two.larger());
        cross(self, other).cmp(&cross(other, self))
    }
}

/// Nets the legs of one trader; routes stand in the order of their first legs.
pub fn routes<'l>(legs: &'l [Leg], judge: &impl Judge) -> Vec<Route<'l>> {
    if let [leg] = legs {
        return vec![alone(leg, 0)];
    }
    let mut routes: Vec<Route<'_>> = groups(legs).into_iter().flat_map(|group| net(legs, group, judge)).collect();
    routes.sort_by_key(|route| route.legs.first().copied().unwrap_or(usize::MAX));
    routes
}

fn amount((asset, raw): &(String, U256)) -> Amount<'_> {
    (asset, *raw)
}

fn alone(leg: &Leg, at: usize) -> Route<'_> {
    Route { kind: Kind::Swap, sold: amount(&leg.sold), bought: amount(&leg.bought), legs: vec![at] }
}

/// Legs connected by their assets, each group in order.
fn groups(legs: &[Leg]) -> Vec<Vec<usize>> {
    let mut assets: Vec<&str> = legs.iter().flat_map(|leg| [leg.sold.0.as_str(), leg.bought.0.as_str()]).collect();
    assets.sort_unstable();
    assets.dedup();
    let mut parents: Vec<usize> = (0..assets.len()).collect();
    let place = |asset: &str| assets.binary_search(&asset).unwrap_or_default();
    for leg in legs {
        let (one, two) = (root(&mut parents, place(&leg.sold.0)), root(&mut parents, place(&leg.bought.0)));
        parents[one.max(two)] = one.min(two);
    }
    let mut groups: Vec<(usize, Vec<usize>)> = vec![];
    for (at, leg) in legs.iter().enumerate() {
        let root = root(&mut parents, place(&leg.sold.0));
        match groups.iter_mut().find(|(of, _)| *of == root) {
            Some((_, group)) => group.push(at),
            None => groups.push((root, vec![at])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

/// What moved of each asset, in the order of first appearance.
pub fn flows<'l>(legs: &'l [Leg], group: &[usize]) -> Vec<Flow<'l>> {
    let mut flows: Vec<Flow<'l>> = Vec::with_capacity(group.len() + 1);
    // Found by a sorted index: a transaction of many hostile legs must not cost their square.
    let mut index: BTreeMap<&'l str, usize> = BTreeMap::new();
    for leg in group.iter().map(|at| &legs[*at]) {
        for ((asset, raw), is_given) in [(&leg.sold, true), (&leg.bought, false)] {
            let place = *index.entry(asset).or_insert_with(|| {
                flows.push(Flow { asset, given: U256::ZERO, beside: U256::ZERO, got: U256::ZERO });
                flows.len() - 1
            });
            let flow = &mut flows[place];
            let sum = if is_given { &mut flow.given } else { &mut flow.got };
            *sum = sum.saturating_add(*raw);
        }
        for cost in leg.costs.iter().filter(|cost| !cost.included) {
            if let Some(flow) = index.get(cost.asset.as_str()).and_then(|place| flows.get_mut(*place)) {
                flow.beside = flow.beside.saturating_add(U256::from(cost.raw));
            }
        }
    }
    flows
}

fn net<'l>(legs: &'l [Leg], group: Vec<usize>, judge: &impl Judge) -> Vec<Route<'l>> {
    let flows = flows(legs, &group);
    let (mut sold, mut bought): (Vec<Amount<'l>>, Vec<Amount<'l>>) = (vec![], vec![]);
    for flow in &flows {
        let counts = !flow.is_mixed() || (!flow.is_dust() && judge.stayed(flow.asset, flow.is_gain()));
        if counts && flow.is_gain() {
            bought.push((flow.asset, flow.difference()));
        } else if counts && flow.is_loss() {
            sold.push((flow.asset, flow.difference()));
        }
    }
    if bought.is_empty() && flows.iter().any(|flow| flow.got.is_zero()) {
        // What was given for good has its price among the small differences.
        let gains = flows.iter().filter(|flow| flow.is_mixed() && flow.is_gain());
        bought.extend(widest(gains, judge).map(|flow| (flow.asset, flow.difference())));
    }
    match (&sold[..], &bought[..]) {
        ([], _) | (_, []) => cycle(&flows, group, judge).into_iter().collect(),
        ([sold], [bought]) => vec![Route { kind: Kind::Swap, sold: *sold, bought: *bought, legs: group }],
        _ => split::pairs(legs, &group, &sold, &bought)
            .unwrap_or_else(|| group.iter().map(|at| alone(&legs[*at], *at)).collect()),
    }
}

fn cycle<'l>(flows: &[Flow<'l>], group: Vec<usize>, judge: &impl Judge) -> Option<Route<'l>> {
    let Flow { asset, given, got, .. } = widest(flows.iter().filter(|flow| flow.is_mixed()), judge)?;
    Some(Route { kind: Kind::Cycle, sold: (asset, *given), bought: (asset, *got), legs: group })
}

/// The flow whose difference is the largest share of it; among equals the one most like cash, then the first.
fn widest<'f, 'l: 'f>(flows: impl Iterator<Item = &'f Flow<'l>>, judge: &impl Judge) -> Option<&'f Flow<'l>> {
    let order = |one: &Flow<'_>, two: &Flow<'_>| {
        one.cmp_share(two).then_with(|| judge.rank(one.asset).cmp(&judge.rank(two.asset)))
    };
    flows
        .enumerate()
        .max_by(|(i, one), (j, two)| order(one, two).then(Reverse(i).cmp(&Reverse(j))))
        .map(|(_, flow)| flow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legs::Cost;
    use proptest::prelude::*;

    /// Everything stays with the trader; asset 0 is cash.
    struct Keeps(bool);

    impl Judge for Keeps {
        fn stayed(&self, _asset: &str, _gained: bool) -> bool {
            self.0
        }
        fn rank(&self, asset: &str) -> u8 {
            u8::from(asset == "0")
        }
    }

    /// Legs from (sold, how much, bought, how much).
    fn legs(all: &[(u8, u64, u8, u64)]) -> Vec<Leg> {
        let leg = |(place, (sold, given, bought, got)): (usize, &(u8, u64, u8, u64))| Leg {
            venue: "any".into(),
            pool: place.to_string(),
            sold: (sold.to_string(), U256::from(*given)),
            bought: (bought.to_string(), U256::from(*got)),
            user: String::new(),
            counterparts: vec![],
            costs: vec![],
            place,
        };
        (0..).zip(all).map(leg).collect()
    }

    /// Kind, sold, how much, bought, how much, legs.
    type Brief<'l> = (Kind, &'l str, u64, &'l str, u64, Vec<usize>);

    fn brief<'l>(routes: &[Route<'l>]) -> Vec<Brief<'l>> {
        let one = |route: &Route<'l>| {
            let ((sold, given), (bought, got)) = (route.sold, route.bought);
            (route.kind, sold, given.to::<u64>(), bought, got.to::<u64>(), route.legs.clone())
        };
        routes.iter().map(one).collect()
    }

    fn check(all: &[(u8, u64, u8, u64)], stays: bool, expected: &[Brief<'_>]) {
        assert_eq!(brief(&routes(&legs(all), &Keeps(stays))), expected);
    }

    #[test]
    fn a_chain_of_hops_is_one_trade() {
        check(&[(1, 100, 2, 50), (2, 50, 3, 7)], true, &[(Kind::Swap, "1", 100, "3", 7, vec![0, 1])]);
    }

    #[test]
    fn a_split_over_two_paths_is_one_trade() {
        let all = [(1, 60, 3, 6), (1, 40, 2, 50), (2, 50, 3, 4)];
        check(&all, true, &[(Kind::Swap, "1", 100, "3", 10, vec![0, 1, 2])]);
    }

    #[test]
    fn a_fee_on_the_way_is_no_side() {
        let mut hops = legs(&[(1, 100, 0, 1_000), (0, 950, 3, 7)]);
        assert_eq!(routes(&hops, &Keeps(true)).len(), 2, "fifty are missing");
        let (asset, recipient) = ("0".to_owned(), None);
        hops[1].costs = vec![Cost { kind: "protocol", asset, raw: 50, recipient, included: false }];
        assert_eq!(brief(&routes(&hops, &Keeps(true))), [(Kind::Swap, "1", 100, "3", 7, vec![0, 1])]);
    }

    #[test]
    fn what_the_trader_keeps_on_the_way_is_a_trade() {
        let all = [(1, 100, 2, 1_000), (2, 900, 3, 7)];
        check(&all, false, &[(Kind::Swap, "1", 100, "3", 7, vec![0, 1])]);
        check(&all, true, &[(Kind::Swap, "1", 10, "2", 100, vec![0]), (Kind::Swap, "1", 90, "3", 7, vec![1])]);
    }

    #[test]
    fn separate_legs_are_separate_trades() {
        let expected = [(Kind::Swap, "1", 100, "2", 50, vec![0]), (Kind::Swap, "3", 9, "4", 8, vec![1])];
        check(&[(1, 100, 2, 50), (3, 9, 4, 8)], true, &expected);
    }

    #[test]
    fn what_comes_back_to_its_asset_is_a_cycle() {
        check(&[(0, 100, 2, 50), (2, 50, 0, 103)], true, &[(Kind::Cycle, "0", 100, "0", 103, vec![0, 1])]);
    }

    #[test]
    fn one_for_two_is_two_trades() {
        let expected = [(Kind::Swap, "1", 30, "2", 5, vec![0]), (Kind::Swap, "1", 70, "3", 9, vec![1])];
        check(&[(1, 30, 2, 5), (1, 70, 3, 9)], true, &expected);
    }

    fn any_legs() -> impl Strategy<Value = Vec<Leg>> {
        let leg = (0_u8..6, 1_u64..1 << 40, 1_u8..6, 1_u64..1 << 40);
        prop::collection::vec(leg, 1..12)
            .prop_map(|all| legs(&all.into_iter().map(|(s, g, b, t)| (s, g, (s + b) % 6, t)).collect::<Vec<_>>()))
    }

    proptest! {
        /// Whatever the legs: each is in exactly one route, no side is empty, and the routes of a group add up to
        /// what the group gave and got.
        #[test]
        fn everything_adds_up(legs in any_legs(), stays in any::<bool>()) {
            let routes = routes(&legs, &Keeps(stays));
            let mut used: Vec<usize> = routes.iter().flat_map(|route| route.legs.clone()).collect();
            used.sort_unstable();
            prop_assert_eq!(used, (0..legs.len()).collect::<Vec<_>>());
            let flows = flows(&legs, &(0..legs.len()).collect::<Vec<_>>());
            let mut sums: BTreeMap<&str, (U256, U256)> = BTreeMap::new();
            for route in &routes {
                prop_assert!(!route.sold.1.is_zero() && !route.bought.1.is_zero());
                prop_assert_eq!(route.kind == Kind::Cycle, route.sold.0 == route.bought.0);
                sums.entry(route.sold.0).or_default().0 += route.sold.1;
                sums.entry(route.bought.0).or_default().1 += route.bought.1;
            }
            for flow in &flows {
                let (given, got) = sums.get(flow.asset).copied().unwrap_or_default();
                let whole = (given, got) == (flow.given, flow.got);
                let net = if flow.is_gain() { (U256::ZERO, flow.difference()) } else { (flow.difference(), U256::ZERO) };
                let on_the_way = flow.is_mixed() && (given, got) == (U256::ZERO, U256::ZERO);
                let in_a_cycle = routes.iter().any(|route| route.kind == Kind::Cycle);
                prop_assert!(whole || (given, got) == net || on_the_way || in_a_cycle, "{flow:?}: {given} {got}");
            }
        }
    }
}
