//! Tests of the rules of transactions without a pool.

use super::{BOUGHT, Case, ME, OTHER, ROUTER, SOLD, amount, coin, moved};
use crate::attribution::rule::AttributedRoute;
use crate::attribution::without_pool::route_without_pool;
use crate::model::{NATIVE_COIN, Transfer};
use crate::reports::{Filler, Report};
use alloy_primitives::{Address, address};

fn charged(case: &Case) -> Option<AttributedRoute> {
    case.look(route_without_pool)
}

/// A report alone makes nothing, however loud: the sender must have given, the receiver got.
#[test]
fn confirmed_report() {
    let (sold, bought) = (amount(SOLD, 10), amount(BOUGHT, 20));
    let report = Report { emitter: ROUTER, router: "0x", sold, bought, receiver: ME, code: None };
    let by = |sender, report: Report, transfers: &[Transfer]| {
        charged(&Case { reports: vec![report], ..Case::sent_by(sender, transfers) })
    };
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, OTHER, ME, 20)];
    let of_me = by(ME, report, &whole).unwrap();
    assert_eq!((of_me.trader, of_me.route.sold, of_me.route.bought), (ME, sold, bought));
    assert_eq!((of_me.evidence.word(), of_me.router), ("tx-sender", Some("0x")));
    assert_eq!(by(ME, report, &whole[..1]), None);
    assert_eq!(by(ME, report, &whole[1..]), None);
    assert_eq!(by(ME, report, &[whole[0], moved(BOUGHT, OTHER, ME, 19)]), None);
    assert_eq!(by(OTHER, report, &whole), None);
    assert_eq!(by(ME, Report { bought: sold, ..report }, &whole), None);
    // Native coin that nothing shows to have been unwrapped.
    assert_eq!(by(ME, Report { bought: amount(NATIVE_COIN, 20), ..report }, &whole), None);
}

/// Native coin leaves no log: what a listed router reports of it counts, what another contract reports does not.
#[test]
fn native_coin_is_paid_out_as_a_listed_router_reports() {
    let (sold, bought) = (amount(SOLD, 10), amount(NATIVE_COIN, 20));
    let kyber = address!("818e6fecd516ecc3849daf6845e3ec868087b755");
    let report = Report { emitter: kyber, router: "kyber-network", sold, bought, receiver: ME, code: None };
    let by = |report| charged(&Case { reports: vec![report], ..Case::sent_by(ME, &[moved(SOLD, ME, OTHER, 10)]) });
    let of_me = by(report).unwrap();
    assert_eq!((of_me.route.sold, of_me.route.bought), (sold, amount(coin(), 20)));
    assert_eq!(by(Report { emitter: ROUTER, ..report }), None);
}

/// Called, a listed router trades from its own stock: the sender's one token for one other, or for what was unwrapped.
#[test]
fn sender_through_a_router() {
    let by = |transfers: &[Transfer], router: Option<&'static str>, unwrapped| {
        let filler = router.map(|router| Filler { router, fills: 0 });
        let of_sender = charged(&Case { filler, unwrapped, ..Case::sent_by(ME, transfers) })?;
        assert_eq!((of_sender.trader, of_sender.evidence.word(), of_sender.router), (ME, "tx-sender", router));
        Some((of_sender.route.sold, of_sender.route.bought))
    };
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    assert_eq!(by(&whole, Some("0x"), 0), Some((amount(SOLD, 10), amount(BOUGHT, 20))));
    assert_eq!(by(&whole[..1], Some("0x"), 7), Some((amount(SOLD, 10), amount(coin(), 7))));
    assert_eq!(by(&whole[..1], Some("0x"), 0), None, "nothing came back");
    assert_eq!(by(&whole, None, 0), None, "no listed router");
    let more = [&whole[..], &[moved(OTHER, ROUTER, ME, 1)]].concat();
    assert_eq!(by(&more, Some("0x"), 0), None, "two tokens came back");
}

/// A filled order is its owner's, if only one account can be the owner.
#[test]
fn maker_through_a_router() {
    let by = |router: Option<&'static str>, transfers: &[Transfer]| {
        let filler = router.map(|router| Filler { router, fills: 1 });
        charged(&Case { filler, ..Case::sent_by(OTHER, transfers) })
    };
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let of_me = by(Some("1inch"), &whole).unwrap();
    assert_eq!((of_me.trader, of_me.evidence.word(), of_me.router), (ME, "token-flow", Some("1inch")));
    assert_eq!(by(None, &whole), None);
    // Another account did just the same.
    let other = Address::repeat_byte(6);
    let twice = [whole, [moved(SOLD, other, ROUTER, 10), moved(BOUGHT, ROUTER, other, 20)]].concat();
    assert_eq!(by(Some("1inch"), &twice), None);
}

/// A manager told a swap in a pool whose key nobody knows: the sender's one token for one other, or for what was unwrapped.
#[test]
fn sender_through_unknown_keys() {
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let by = |venue_of_unknown_keys, unwrapped, transfers: &[Transfer]| {
        let of = charged(&Case { venue_of_unknown_keys, unwrapped, ..Case::sent_by(ME, transfers) })?;
        assert_eq!((of.trader, of.evidence.word(), of.router), (ME, "tx-sender", Some("uniswap-v4")));
        Some((of.route.sold, of.route.bought))
    };
    let manager = Some("uniswap-v4");
    assert_eq!(by(manager, 0, &whole), Some((amount(SOLD, 10), amount(BOUGHT, 20))));
    assert_eq!(by(manager, 7, &whole[..1]), Some((amount(SOLD, 10), amount(coin(), 7))));
    assert_eq!(by(manager, 0, &whole[..1]), None, "nothing came back");
    assert_eq!(by(None, 0, &whole), None, "no swap was told");
}
