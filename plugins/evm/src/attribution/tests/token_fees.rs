//! Parts of a side beside the pools: accounted for to the last unit, or not told.

use super::*;
use crate::attribution::rule::{Confidence, Evidence};
use crate::attribution::token_fees::{TokenFee, beside_pools};

/// Sold for bought by me through the one pool.
fn fees(sold: u64, bought: u64, legs: &[Leg], transfers: &[Transfer]) -> Vec<(Address, u64, Address, bool)> {
    let of = AttributedRoute {
        route: swap(amount(SOLD, sold), amount(BOUGHT, bought)),
        trader: ME,
        evidence: Evidence::TxSender,
        router: None,
        confidence: Confidence::Exact,
    };
    let short = |fee: TokenFee| (fee.asset, fee.raw.to::<u64>(), fee.recipient, fee.is_tax);
    let found = Case::sent_by(ME, transfers).look(|transaction| beside_pools(transaction, &of, legs));
    found.into_iter().map(short).collect()
}

#[test]
fn taxes_and_fees_are_who_has_the_rest() {
    let through = [leg(amount(SOLD, 99), amount(BOUGHT, 1_000))];
    let (into, out) = (moved(SOLD, ME, POOL, 99), moved(BOUGHT, POOL, ROUTER, 1_000));
    let to_me = moved(BOUGHT, ROUTER, ME, 990);
    let (burnt, paid) = (moved(SOLD, ME, Address::ZERO, 1), moved(BOUGHT, ROUTER, OTHER, 10));
    let both = vec![(SOLD, 1, Address::ZERO, true), (BOUGHT, 10, OTHER, false)];
    assert_eq!(fees(100, 990, &through, &[into, burnt, out, paid, to_me]), both);
    let of_pool = moved(SOLD, POOL, OTHER, 3);
    assert_eq!(fees(100, 990, &through, &[into, burnt, of_pool, out, paid, to_me]), both, "a pool's own fee");
    let to_itself = moved(BOUGHT, ROUTER, BOUGHT, 10);
    assert_eq!(fees(99, 990, &through, &[into, out, to_itself, to_me]), vec![(BOUGHT, 10, BOUGHT, true)]);
    assert_eq!(fees(99, 990, &through, &[into, out, to_me]), vec![(BOUGHT, 10, ROUTER, false)], "it kept it");
    assert_eq!(fees(99, 1_000, &through, &[into, moved(BOUGHT, POOL, ME, 1_000)]), vec![]);
    let large = [leg(amount(SOLD, 99), amount(BOUGHT, 1_000_000))];
    let rounded = [into, moved(BOUGHT, POOL, ROUTER, 1_000_000), moved(BOUGHT, ROUTER, ME, 999_999)];
    assert_eq!(fees(99, 999_999, &large, &rounded), vec![], "it rounds");
}

#[test]
fn what_is_not_accounted_for_is_not_told() {
    let through = [leg(amount(SOLD, 99), amount(BOUGHT, 1_000))];
    let (into, out) = (moved(SOLD, ME, POOL, 99), moved(BOUGHT, POOL, ROUTER, 1_000));
    let paid = |raw| moved(BOUGHT, ROUTER, OTHER, raw);
    let to_me = |raw| moved(BOUGHT, ROUTER, ME, raw);
    let elsewhere = moved(BOUGHT, POOL, OTHER, 7);
    assert_eq!(fees(99, 990, &through, &[into, out, elsewhere, paid(10), to_me(990)]), vec![], "more than the rest");
    assert_eq!(fees(99, 800, &through, &[into, out, paid(200), to_me(800)]), vec![], "more than a tenth");
    let tax = vec![(BOUGHT, 200, Address::ZERO, true)];
    let burnt = moved(BOUGHT, ROUTER, Address::ZERO, 200);
    assert_eq!(fees(99, 800, &through, &[into, out, burnt, to_me(800)]), tax, "but for the token");
    let minted = moved(BOUGHT, Address::ZERO, OTHER, 10);
    assert_eq!(fees(99, 990, &through, &[into, out, minted, paid(10), to_me(990)]), vec![], "it came from elsewhere");
    let many: Vec<Transfer> = (20..40).map(|who| moved(BOUGHT, ROUTER, Address::repeat_byte(who), 1)).collect();
    assert_eq!(fees(99, 980, &through, &[&[into, out, to_me(980)], &many[..]].concat()), vec![], "its holders");
}
