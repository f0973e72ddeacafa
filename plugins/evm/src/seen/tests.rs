//! What the trader saw, by small transactions made for each rule.

use super::*;
use crate::model::{NATIVE_COIN, PoolId};
use crate::native::Native;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::settlement::{Order, Terms};
use chain_plugin_sdk::Context;

const ME: Address = Address::repeat_byte(1);
const ROUTER: Address = Address::repeat_byte(2);
const OTHER: Address = Address::repeat_byte(3);
const SOLD: Address = Address::repeat_byte(4);
const BOUGHT: Address = Address::repeat_byte(5);

fn rules() -> Rules {
    let context = Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
    Settings::read(&context).unwrap().rules(1).unwrap()
}

fn moved(token: Address, from: Address, to: Address, raw: u64) -> Transfer {
    Transfer { token, from, to, raw: U256::from(raw) }
}

fn told(sender: Address, router: Option<&'static str>, reports: &[Report], transfers: &[Transfer]) -> Option<Deal> {
    let (callee, native, rules) = (Some(ROUTER), Native::default(), &rules());
    let filler = router.map(|router| Filler { router, fills: 1 });
    Scene { sender, callee, transfers, orders: &[], operations: &[], reports, filler, native, rules }.told()
}

/// A report alone makes nothing, however loud: the sender must have given, the receiver got.
#[test]
fn a_report_counts_only_as_far_as_it_is_confirmed() {
    let side = |token: Address, raw: u64| (token, U256::from(raw));
    let (sold, bought) = (side(SOLD, 10), side(BOUGHT, 20));
    let report = Report { emitter: ROUTER, router: "0x", sold, bought, receiver: ME, code: None };
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, OTHER, ME, 20)];
    let deal = told(ME, None, &[report], &whole).unwrap();
    assert_eq!((deal.trader, deal.route.sold, deal.route.bought), (ME, sold, bought));
    assert_eq!(told(ME, None, &[report], &whole[..1]), None);
    assert_eq!(told(ME, None, &[report], &whole[1..]), None);
    assert_eq!(told(ME, None, &[report], &[whole[0], moved(BOUGHT, OTHER, ME, 19)]), None);
    assert_eq!(told(OTHER, None, &[report], &whole), None);
    assert_eq!(told(ME, None, &[Report { bought: sold, ..report }], &whole), None);
    // Native coin that nothing shows to have been unwrapped.
    assert_eq!(told(ME, None, &[Report { bought: side(NATIVE_COIN, 20), ..report }], &whole), None);
}

#[test]
fn a_filled_order_is_its_owners_if_only_one_can_be() {
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let deal = told(OTHER, Some("1inch"), &[], &whole).unwrap();
    assert_eq!((deal.trader, deal.evidence, deal.router), (ME, "token-flow", Some("1inch")));
    assert_eq!(told(OTHER, None, &[], &whole), None);
    // Another account did just the same.
    let other = Address::repeat_byte(6);
    let twice = [whole, [moved(SOLD, other, ROUTER, 10), moved(BOUGHT, ROUTER, other, 20)]].concat();
    assert_eq!(told(OTHER, Some("1inch"), &[], &twice), None);
}

/// A resolver fills orders of several makers in one transaction: each is a trade of its own, or none is told apart.
#[test]
fn several_filled_orders_are_their_owners_if_there_are_as_many() {
    let other = Address::repeat_byte(6);
    let coin = Address::repeat_byte(7);
    let transfers = [
        moved(SOLD, ME, ROUTER, 10),
        moved(BOUGHT, ROUTER, ME, 20),
        moved(coin, other, ROUTER, 5),
        moved(SOLD, ROUTER, other, 9),
    ];
    let deals = |fills: usize, transfers: &[Transfer]| {
        let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
        let filler = Some(Filler { router: "1inch", fills });
        let (orders, operations, reports) = (&[], &[], &[]);
        Scene { sender, callee, transfers, orders, operations, reports, filler, native, rules }.deals(&[])
    };
    let side = |token: Address, raw: u64| (token, U256::from(raw));
    let told: Vec<_> = deals(2, &transfers)
        .into_iter()
        .map(|deal| (deal.trader, deal.evidence, deal.route.sold, deal.route.bought))
        .collect();
    let mine = (ME, "token-flow", side(SOLD, 10), side(BOUGHT, 20));
    assert_eq!(told, [mine, (other, "token-flow", side(coin, 5), side(SOLD, 9))]);
    assert_eq!(deals(3, &transfers), [], "one owner is not to be seen");
    assert_eq!(deals(1, &transfers), [], "one of the two did something else");
}

/// UniswapX names the swapper of each fill: one that had two orders traded once, and where native coin was paid to one of
/// several, nobody knows how much.
#[test]
fn fills_that_name_their_owner_are_counted_once_for_each() {
    let fill = |owner, place| Order { owner, terms: None, place, router: "uniswap-x" };
    let deals = |orders: &[Order], transfers: &[Transfer]| {
        let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
        let (operations, reports, filler) = (&[], &[], None);
        Scene { sender, callee, transfers, orders, operations, reports, filler, native, rules }.deals(&[])
    };
    let other = Address::repeat_byte(6);
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let twice = deals(&[fill(ME, 1), fill(ME, 2)], &whole);
    assert_eq!(twice.len(), 1);
    assert_eq!((twice[0].trader, twice[0].evidence, twice[0].route.sold.1), (ME, "event-owner", U256::from(10)));
    let both = [&whole[..], &[moved(SOLD, other, ROUTER, 7), moved(BOUGHT, ROUTER, other, 13)]].concat();
    let traders: Vec<_> = deals(&[fill(ME, 1), fill(other, 2)], &both).iter().map(|deal| deal.trader).collect();
    assert_eq!(traders, [ME, other]);
    let crowd: Vec<Order> =
        (0..20_000).map(|at: u32| fill(Address::left_padding_from(&at.to_be_bytes()), at)).collect();
    assert_eq!(deals(&[&[fill(ME, 1)][..], &crowd].concat(), &whole), [], "a crowd that nobody looks through");
    let side = |token: Address, raw: u64| (token, U256::from(raw));
    let terms = Some(Terms { sold: side(SOLD, 10), bought: side(BOUGHT, 20) });
    let settled = Order { owner: ME, terms, place: 1, router: "cow-protocol" };
    let told = deals(&[&[settled][..], &crowd].concat(), &whole);
    assert_eq!(told.iter().map(|deal| deal.trader).collect::<Vec<_>>(), [ME], "nor does it hide what was settled");
    let paid_in_coin = [&whole[..], &[moved(SOLD, other, ROUTER, 7)]].concat();
    let traders: Vec<_> = deals(&[fill(ME, 1), fill(other, 2)], &paid_in_coin).iter().map(|deal| deal.trader).collect();
    assert_eq!(traders, [ME]);
}

/// Native coin leaves no log: a known router's word for it counts, nobody else's.
#[test]
fn native_coin_is_paid_out_as_a_known_router_says() {
    let side = |token: Address, raw: u64| (token, U256::from(raw));
    let (sold, bought) = (side(SOLD, 10), side(NATIVE_COIN, 20));
    let kyber = alloy_primitives::address!("818e6fecd516ecc3849daf6845e3ec868087b755");
    let report = Report { emitter: kyber, router: "kyber-network", sold, bought, receiver: ME, code: None };
    let given = [moved(SOLD, ME, OTHER, 10)];
    let deal = told(ME, None, &[report], &given).unwrap();
    assert_eq!((deal.route.sold, deal.route.bought), (sold, (rules().wrapped.unwrap(), U256::from(20))));
    assert_eq!(told(ME, None, &[Report { emitter: ROUTER, ..report }], &given), None);
}

/// A farm sells rewards for both sides of its pair: what it gave is in two deals, and counts once.
#[test]
fn what_is_split_over_two_traders_is_in_neither_as_a_whole() {
    let farm = Address::repeat_byte(7);
    let deal = |trader, sold: u64, bought| Deal {
        route: Route {
            kind: RouteKind::Swap,
            sold: (SOLD, U256::from(sold)),
            bought: (bought, U256::from(20)),
            legs: vec![],
        },
        trader,
        evidence: "token-flow",
        router: None,
    };
    let sold = |mut deals: Vec<Deal>, gave: u64, more: &[Transfer]| {
        let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
        let (orders, operations, reports, filler) = (&[], &[], &[], None);
        let transfers = &[&[moved(SOLD, farm, ROUTER, gave)], more].concat();
        Scene { sender, callee, transfers, orders, operations, reports, filler, native, rules }
            .as_the_trader_saw(&mut deals);
        deals.iter().map(|deal| deal.route.sold.1.to::<u64>()).collect::<Vec<_>>()
    };
    assert_eq!(sold(vec![deal(farm, 249, BOUGHT), deal(OTHER, 214, ROUTER)], 463, &[]), [249, 214]);
    assert_eq!(sold(vec![deal(farm, 249, BOUGHT), deal(OTHER, 214, ROUTER)], 251, &[]), [251, 214]);
    // Alone, or where the other gave as well, all that was given is the deal's: a token's tax.
    assert_eq!(sold(vec![deal(farm, 249, BOUGHT)], 463, &[]), [463]);
    let both = [moved(SOLD, OTHER, ROUTER, 300)];
    assert_eq!(sold(vec![deal(farm, 249, BOUGHT), deal(OTHER, 214, ROUTER)], 463, &both), [463, 300]);
}

#[test]
fn what_a_bridge_brings_is_the_trade_of_whom_it_was_brought() {
    let pool = Address::repeat_byte(8);
    let leg = Leg {
        venue: "v2-like".to_owned(),
        pool: PoolId::Contract(pool),
        holder: pool,
        sold: (SOLD, U256::from(10)),
        bought: (BOUGHT, U256::from(20)),
        recipient: None,
        place: 1,
        is_proved: true,
    };
    let told = |transfers: &[Transfer], leg: &Leg, unwrapped: u64| {
        let (sender, callee, rules) = (OTHER, Some(ROUTER), &rules());
        let (orders, operations, reports, filler) = (&[], &[], &[], None);
        let mut native = Native::default();
        native.unwrapped = U256::from(unwrapped);
        let scene = Scene { sender, callee, transfers, orders, operations, reports, filler, native, rules };
        let deals = scene.deals(std::slice::from_ref(leg));
        deals.into_iter().map(|deal| (deal.trader, deal.evidence)).collect::<Vec<_>>()
    };
    let trader = |transfers: &[Transfer]| told(transfers, &leg, 0);
    let arrival = [
        moved(SOLD, Address::ZERO, ROUTER, 10),
        moved(SOLD, ROUTER, pool, 10),
        moved(BOUGHT, pool, ROUTER, 20),
        moved(BOUGHT, ROUTER, ME, 20),
    ];
    let with = |more: &[Transfer]| trader(&[&arrival[..], more].concat());
    assert_eq!(with(&[]), [(ME, "recipient")]);
    // The bridge pays whoever delivers.
    assert_eq!(with(&[moved(SOLD, Address::ZERO, OTHER, 1)]), [(ME, "recipient")]);
    let of_sender = [(OTHER, "tx-sender")];
    assert_eq!(with(&[moved(ROUTER, OTHER, ROUTER, 5)]), of_sender, "the sender gave something for it");
    assert_eq!(with(&[moved(BOUGHT, pool, Address::repeat_byte(9), 20)]), of_sender, "two got as much");
    assert_eq!(trader(&arrival[1..]), of_sender, "nothing was minted");
    let wrapped = rules().wrapped.unwrap();
    let coin = Leg { bought: (wrapped, U256::from(20)), ..leg.clone() };
    let arrival = arrival.map(|one| if one.token == BOUGHT { Transfer { token: wrapped, ..one } } else { one });
    assert_eq!(told(&arrival, &coin, 0), [(ME, "recipient")]);
    assert_eq!(told(&arrival, &coin, 20), of_sender, "native coin went on to somebody");
}

#[test]
fn what_a_relay_gave_is_the_trade_of_whom_the_router_paid() {
    let wrapped = rules().wrapped.unwrap();
    let side = |token: Address, raw: u64| (token, U256::from(raw));
    let (sold, bought) = (side(SOLD, 10), side(wrapped, 20));
    let report = Report { emitter: ROUTER, router: "woofi", sold, bought, receiver: ME, code: None };
    let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![] };
    let payee = |reports: &[Report], transfers: &[Transfer], route: &Route| {
        let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
        let filler = None;
        let scene = Scene { sender, callee, transfers, orders: &[], operations: &[], reports, filler, native, rules };
        (scene.payee(route), scene.paid_out(ME, route))
    };
    let relay = [moved(SOLD, Address::repeat_byte(7), ROUTER, 10)];
    assert_eq!(payee(&[report], &relay, &route), (Some(ME), Some(U256::from(20))));
    // Two reports, another amount, an account that moved tokens itself, a token in place of native coin.
    assert_eq!(payee(&[report, report], &relay, &route), (None, None));
    let other = Route { sold: side(SOLD, 11), ..route.clone() };
    assert_eq!(payee(&[report], &relay, &other).0, None);
    assert_eq!(payee(&[report], &[relay[0], moved(BOUGHT, ME, OTHER, 1)], &route).0, None);
    let token = Route { bought: side(BOUGHT, 20), ..route.clone() };
    assert_eq!(payee(&[Report { bought: side(BOUGHT, 20), ..report }], &relay, &token).0, None);
    // A router that says it paid more than the pools gave, or less than half, is not believed.
    for raw in [21, 9] {
        assert_eq!(payee(&[Report { bought: side(wrapped, raw), ..report }], &relay, &route).1, None);
    }
}
