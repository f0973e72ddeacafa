//! Examples of the rules, and properties that hold for whatever legs.

use crate::flows::flows;
use crate::{Amount, Leg, Route, RouteKind, TraderView, routes};
use proptest::prelude::*;
use ruint::aliases::U256;
use std::collections::BTreeMap;

/// A leg whose assets are named by a small number; asset 0 is cash.
#[derive(Clone, Debug)]
struct Hop {
    sold: Amount<u8>,
    bought: Amount<u8>,
    fees: Vec<Amount<u8>>,
}

impl Leg for Hop {
    type Asset<'l> = u8;

    fn sold(&self) -> Amount<u8> {
        self.sold
    }

    fn bought(&self) -> Amount<u8> {
        self.bought
    }

    fn fees_beside(&self) -> impl Iterator<Item = Amount<u8>> {
        self.fees.iter().copied()
    }
}

/// Whether every difference stays with the trader, or none does.
struct Keeps(bool);

impl<A> TraderView<A> for Keeps
where
    A: PartialEq + Cash,
{
    fn stayed_with_trader(&self, _asset: A, _is_gain: bool) -> bool {
        self.0
    }

    fn cash_rank(&self, asset: A) -> u8 {
        u8::from(asset == A::CASH)
    }
}

trait Cash {
    const CASH: Self;
}

impl Cash for u8 {
    const CASH: Self = 0;
}

impl Cash for &str {
    const CASH: Self = "0";
}

/// Legs from (sold, how much, bought, how much).
type Numbers = (u8, u64, u8, u64);

fn hops(all: &[Numbers]) -> Vec<Hop> {
    let hop = |(sold, given, bought, got): &Numbers| Hop {
        sold: (*sold, U256::from(*given)),
        bought: (*bought, U256::from(*got)),
        fees: vec![],
    };
    all.iter().map(hop).collect()
}

/// Kind, sold, how much, bought, how much, legs.
type Short = (RouteKind, u8, u64, u8, u64, Vec<usize>);

fn short(routes: &[Route<u8>]) -> Vec<Short> {
    let one = |route: &Route<u8>| {
        let ((sold, given), (bought, got)) = (route.sold, route.bought);
        (route.kind, sold, given.to::<u64>(), bought, got.to::<u64>(), route.legs.clone())
    };
    routes.iter().map(one).collect()
}

fn check(all: &[Numbers], stays: bool, expected: &[Short]) {
    assert_eq!(short(&routes(&hops(all), &Keeps(stays))), expected);
}

use RouteKind::{Cycle, Swap};

#[test]
fn a_chain_of_hops_is_one_trade() {
    check(&[(1, 100, 2, 50), (2, 50, 3, 7)], true, &[(Swap, 1, 100, 3, 7, vec![0, 1])]);
    // Logs of a flash swap come the other way round.
    check(&[(2, 50, 3, 7), (1, 100, 2, 50)], true, &[(Swap, 1, 100, 3, 7, vec![0, 1])]);
}

#[test]
fn a_split_over_two_paths_is_one_trade() {
    let all = [(1, 60, 3, 6), (1, 40, 2, 50), (2, 50, 3, 4)];
    check(&all, true, &[(Swap, 1, 100, 3, 10, vec![0, 1, 2])]);
}

#[test]
fn dust_on_the_way_is_no_side() {
    check(&[(1, 100, 2, 1_000), (2, 985, 3, 7)], true, &[(Swap, 1, 100, 3, 7, vec![0, 1])]);
    // A fiftieth is dust, one more is not.
    check(&[(1, 100, 2, 1_000), (2, 980, 3, 7)], true, &[(Swap, 1, 100, 3, 7, vec![0, 1])]);
    assert_eq!(routes(&hops(&[(1, 100, 2, 1_000), (2, 979, 3, 7)]), &Keeps(true)).len(), 2);
}

#[test]
fn a_fee_beside_an_asset_on_the_way_is_no_side() {
    let mut hops = hops(&[(1, 100, 0, 1_000), (0, 950, 3, 7)]);
    assert_eq!(routes(&hops, &Keeps(true)).len(), 2, "fifty are missing");
    hops[1].fees = vec![(0, U256::from(50))];
    assert_eq!(short(&routes(&hops, &Keeps(true))), [(Swap, 1, 100, 3, 7, vec![0, 1])]);
}

#[test]
fn a_fee_beside_a_side_is_no_part_of_it() {
    let mut hops = hops(&[(1, 60, 3, 6), (1, 40, 3, 4)]);
    hops[0].fees = vec![(1, U256::from(5)), (9, U256::from(5))];
    assert_eq!(short(&routes(&hops, &Keeps(true))), [(Swap, 1, 100, 3, 10, vec![0, 1])]);
}

#[test]
fn a_tax_on_the_way_is_no_side_but_what_the_trader_keeps_is() {
    let all = [(1, 100, 2, 1_000), (2, 900, 3, 7)];
    check(&all, false, &[(Swap, 1, 100, 3, 7, vec![0, 1])]);
    check(&all, true, &[(Swap, 1, 10, 2, 100, vec![0]), (Swap, 1, 90, 3, 7, vec![1])]);
}

#[test]
fn separate_legs_are_separate_trades() {
    let expected = [(Swap, 1, 100, 2, 50, vec![0]), (Swap, 3, 9, 4, 8, vec![1])];
    check(&[(1, 100, 2, 50), (3, 9, 4, 8)], true, &expected);
}

#[test]
fn what_comes_back_to_its_asset_is_a_cycle() {
    check(&[(0, 100, 2, 50), (2, 50, 0, 103)], true, &[(Cycle, 0, 100, 0, 103, vec![0, 1])]);
    check(&[(1, 50, 0, 1_000), (0, 999, 1, 50)], true, &[(Cycle, 0, 999, 0, 1_000, vec![0, 1])]);
    // Profit taken in another asset, nothing given for it.
    let other = [(0, 100, 2, 50), (2, 50, 0, 100), (0, 100, 3, 5), (3, 4, 0, 100)];
    assert_eq!(short(&routes(&hops(&other), &Keeps(true)))[0].0, Cycle);
}

#[test]
fn one_for_two_is_two_trades() {
    let expected = [(Swap, 1, 30, 2, 5, vec![0]), (Swap, 1, 70, 3, 9, vec![1])];
    check(&[(1, 30, 2, 5), (1, 70, 3, 9)], true, &expected);
    let expected = [(Swap, 1, 60, 3, 9, vec![0, 2]), (Swap, 1, 40, 2, 5, vec![1])];
    check(&[(1, 100, 0, 10), (0, 4, 2, 5), (0, 6, 3, 9)], true, &expected);
}

#[test]
fn two_for_one_is_two_trades() {
    let expected = [(Swap, 1, 30, 3, 5, vec![0]), (Swap, 2, 70, 3, 9, vec![1])];
    check(&[(1, 30, 3, 5), (2, 70, 3, 9)], true, &expected);
}

/// The same hop with assets named by text.
struct Named {
    sold: (String, U256),
    bought: (String, U256),
    fees: Vec<(String, U256)>,
}

impl Leg for Named {
    type Asset<'l> = &'l str;

    fn sold(&self) -> Amount<&str> {
        (&self.sold.0, self.sold.1)
    }

    fn bought(&self) -> Amount<&str> {
        (&self.bought.0, self.bought.1)
    }

    fn fees_beside(&self) -> impl Iterator<Item = Amount<&str>> {
        self.fees.iter().map(|(asset, raw)| (asset.as_str(), *raw))
    }
}

fn named(hops: &[Hop]) -> Vec<Named> {
    let name = |(asset, raw): Amount<u8>| (asset.to_string(), raw);
    hops.iter()
        .map(|hop| Named {
            sold: name(hop.sold),
            bought: name(hop.bought),
            fees: hop.fees.iter().map(|fee| name(*fee)).collect(),
        })
        .collect()
}

fn any_hops(with_fees: bool) -> impl Strategy<Value = Vec<Hop>> {
    let fee = (0_u8..6, 0_u64..1 << 36).prop_map(|(asset, raw)| (asset, U256::from(raw)));
    let fees = prop::collection::vec(fee, 0..=if with_fees { 3 } else { 0 });
    let hop = (0_u8..6, 1_u64..1 << 40, 1_u8..6, 1_u64..1 << 40, fees);
    let hop = hop.prop_map(|(sold, given, step, got, fees)| Hop {
        sold: (sold, U256::from(given)),
        bought: ((sold + step) % 6, U256::from(got)),
        fees,
    });
    prop::collection::vec(hop, 1..12)
}

proptest! {
    /// Whatever the legs: each is in exactly one route, no side is empty, and the routes of a group add up to
    /// what the group gave and got.
    #[test]
    fn everything_adds_up(hops in any_hops(false), stays in any::<bool>()) {
        let routes = routes(&hops, &Keeps(stays));
        let mut used: Vec<usize> = routes.iter().flat_map(|route| route.legs.clone()).collect();
        used.sort_unstable();
        prop_assert_eq!(used, (0..hops.len()).collect::<Vec<_>>());
        let flows = flows(&hops, &(0..hops.len()).collect::<Vec<_>>());
        let mut sums: BTreeMap<u8, (U256, U256)> = BTreeMap::new();
        for route in &routes {
            prop_assert!(!route.sold.1.is_zero() && !route.bought.1.is_zero());
            prop_assert_eq!(route.kind == Cycle, route.sold.0 == route.bought.0);
            sums.entry(route.sold.0).or_default().0 += route.sold.1;
            sums.entry(route.bought.0).or_default().1 += route.bought.1;
        }
        for flow in &flows {
            let (given, got) = sums.get(&flow.asset).copied().unwrap_or_default();
            let whole = (given, got) == (flow.given, flow.got);
            let net = if flow.is_gain() { (U256::ZERO, flow.difference()) } else { (flow.difference(), U256::ZERO) };
            let on_the_way = flow.is_given_and_got() && (given, got) == (U256::ZERO, U256::ZERO);
            let in_a_cycle = routes.iter().any(|route| route.kind == Cycle);
            prop_assert!(whole || (given, got) == net || on_the_way || in_a_cycle, "{flow:?}: {given} {got}");
        }
    }

    /// With fees beside the legs, too, each leg is in exactly one route and no side is empty.
    #[test]
    fn fees_lose_no_leg(hops in any_hops(true), stays in any::<bool>()) {
        // A side that fees take whole leaves its leg nothing to be netted with: such legs are in no route today.
        let eats_a_side = |asset: u8| {
            let sum = |moved: &mut dyn Iterator<Item = (u8, U256)>| -> U256 {
                moved.filter(|(other, _)| *other == asset).fold(U256::ZERO, |sum, (_, raw)| sum + raw)
            };
            let fees = sum(&mut hops.iter().flat_map(|hop| hop.fees.iter().copied()));
            !fees.is_zero() && fees >= sum(&mut hops.iter().map(|hop| hop.bought))
        };
        if (0..6).any(eats_a_side) {
            return Ok(());
        }
        let routes = routes(&hops, &Keeps(stays));
        let mut used: Vec<usize> = routes.iter().flat_map(|route| route.legs.clone()).collect();
        used.sort_unstable();
        prop_assert_eq!(used, (0..hops.len()).collect::<Vec<_>>());
        prop_assert!(routes.iter().all(|route| !route.sold.1.is_zero() && !route.bought.1.is_zero()));
    }

    /// The same legs give the same routes.
    #[test]
    fn netting_is_deterministic(hops in any_hops(true), stays in any::<bool>()) {
        prop_assert_eq!(routes(&hops, &Keeps(stays)), routes(&hops, &Keeps(stays)));
    }

    /// What an asset is named by changes no route, as long as names are ordered alike.
    #[test]
    fn names_of_assets_do_not_matter(hops in any_hops(true), stays in any::<bool>()) {
        let (by_number, named) = (routes(&hops, &Keeps(stays)), named(&hops));
        let by_name = routes(&named, &Keeps(stays));
        prop_assert_eq!(by_number.len(), by_name.len());
        for (one, two) in by_number.iter().zip(&by_name) {
            prop_assert_eq!((one.kind, &one.legs), (two.kind, &two.legs));
            for (one, two) in [(one.sold, two.sold), (one.bought, two.bought)] {
                prop_assert_eq!((one.0.to_string(), one.1), (two.0.to_owned(), two.1));
            }
        }
    }
}
