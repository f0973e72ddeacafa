//! Tests of the amounts: what the trader gave and got in place of what pools moved.

use super::{BOUGHT, Case, ME, OTHER, POOL, ROUTER, SOLD, amount, coin, leg, moved, swap};
use crate::attribution::amounts::use_traders_amounts;
use crate::attribution::attribute;
use crate::attribution::rule::{AttributedRoute, Confidence, Evidence};
use crate::coin_fees::{kept_on_the_way, only_route_with_coin};
use crate::model::{Amount, Leg, Transfer};
use crate::reports::{Filler, Report};
use alloy_primitives::{Address, U256, address};

/// A farm sells rewards for both sides of its pair: what it gave is in two routes, and counts once.
#[test]
fn what_is_split_over_two_traders_is_in_neither_as_a_whole() {
    let farm = Address::repeat_byte(7);
    let route = |trader, sold: u64, bought| AttributedRoute {
        route: swap(amount(SOLD, sold), amount(bought, 20)),
        trader,
        evidence: Evidence::TokenFlow,
        router: None,
        confidence: Confidence::Exact,
    };
    let sold = |mut routes: Vec<AttributedRoute>, gave: u64, more: &[Transfer]| {
        let transfers = [&[moved(SOLD, farm, ROUTER, gave)], more].concat();
        Case::sent_by(OTHER, &transfers).look(|transaction| use_traders_amounts(transaction, &[], &mut routes));
        routes.iter().map(|of| of.route.sold.1.to::<u64>()).collect::<Vec<_>>()
    };
    assert_eq!(sold(vec![route(farm, 249, BOUGHT), route(OTHER, 214, ROUTER)], 463, &[]), [249, 214]);
    assert_eq!(sold(vec![route(farm, 249, BOUGHT), route(OTHER, 214, ROUTER)], 251, &[]), [251, 214]);
    // Alone, or where the other gave as well, all that was given is the route's: a token's tax.
    assert_eq!(sold(vec![route(farm, 249, BOUGHT)], 463, &[]), [463]);
    let both = [moved(SOLD, OTHER, ROUTER, 300)];
    assert_eq!(sold(vec![route(farm, 249, BOUGHT), route(OTHER, 214, ROUTER)], 463, &both), [463, 300]);
}

/// The trader's own amount counts from the pools' less what pools round, up to twice of it, a token's tax.
#[test]
fn a_trader_gave_what_left_its_account() {
    let sold = |gave: u64| {
        let transfers = [moved(SOLD, ME, ROUTER, gave), moved(BOUGHT, POOL, ME, 20)];
        Case::sent_by(ME, &transfers).attributed(&[leg(amount(SOLD, 100), amount(BOUGHT, 20))])[0].2.1.to::<u64>()
    };
    assert_eq!([97, 98, 100, 201, 202].map(sold), [100, 98, 100, 201, 100]);
}

/// The trader's own amount counts from half of the pools', the rest a tax or a fee, up to what pools round.
#[test]
fn a_trader_got_what_reached_its_account() {
    let bought = |got: u64| {
        let transfers = [moved(SOLD, ME, POOL, 10), moved(BOUGHT, ROUTER, ME, got)];
        Case::sent_by(ME, &transfers).attributed(&[leg(amount(SOLD, 10), amount(BOUGHT, 100))])[0].3.1.to::<u64>()
    };
    assert_eq!([49, 50, 100, 102, 103].map(bought), [100, 50, 100, 102, 100]);
}

/// Where a third of both sides went through a venue that is in no list, both sides are the trader's own; where only what was
/// got exceeds the pools', something else came beside.
#[test]
fn both_sides_exceed_the_pools_in_one_measure() {
    let sides = |gave: u64, got: u64| {
        let transfers = [moved(SOLD, ME, ROUTER, gave), moved(BOUGHT, ROUTER, ME, got)];
        let of = Case::sent_by(ME, &transfers).attributed(&[leg(amount(SOLD, 100), amount(BOUGHT, 200))]);
        (of[0].2.1.to::<u64>(), of[0].3.1.to::<u64>())
    };
    assert_eq!(sides(150, 300), (150, 300));
    assert_eq!(sides(150, 306), (150, 306));
    assert_eq!(sides(150, 307), (150, 200));
    assert_eq!(sides(100, 300), (100, 200));
    assert_eq!(sides(150, 200), (150, 200), "a token's tax");
}

/// What was wrapped and unwrapped on the way is no trade of its own: one exchange of one account is one route.
#[test]
fn routes_of_one_exchange_are_merged() {
    let wrapper = Address::repeat_byte(6);
    let transfers = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let case = Case::sent_by(ME, &transfers);
    let legs = [leg(amount(SOLD, 10), amount(wrapper, 9)), leg(amount(coin(), 8), amount(BOUGHT, 20))];
    assert_eq!(case.attributed(&legs), [(ME, "tx-sender", amount(SOLD, 10), amount(BOUGHT, 20))]);
    // Another token on the account: nothing shows which routes are one.
    let more = [&transfers[..], &[moved(wrapper, ROUTER, ME, 1)]].concat();
    assert_eq!(Case::sent_by(ME, &more).attributed(&legs).len(), 2);
}

/// Coin that was bought and paid out leaves no log: all that was unwrapped is what the pools gave, a router's word is its word,
/// and where another sum was unwrapped nothing tells whose the rest is.
#[test]
fn a_side_says_how_it_is_known() {
    let known = |case: Case| {
        let legs = [leg(amount(SOLD, 10), amount(coin(), 100))];
        case.look(|transaction| attribute(transaction, &legs)[0].confidence)
    };
    let case = Case::sent_by(ME, &[moved(SOLD, ME, POOL, 10), moved(coin(), POOL, OTHER, 100)]);
    let call_of_v2_router = Case { unwrapped: 100, input: "0x18cbafe5".to_owned(), ..case.clone() };
    assert_eq!(known(call_of_v2_router), Confidence::Exact, "its code is known to pay all of it out");
    assert_eq!(known(Case { unwrapped: 100, ..case.clone() }), Confidence::Assumed);
    assert_eq!(known(Case { unwrapped: 60, ..case.clone() }), Confidence::Estimated);
    let report = Report {
        emitter: ROUTER,
        router: "router",
        sold: amount(SOLD, 10),
        bought: amount(coin(), 97),
        receiver: ME,
        code: None,
    };
    assert_eq!(known(Case { unwrapped: 60, reports: vec![report], ..case }), Confidence::Reported);
}

/// Where native coin leaves logs, they say what was spent after the refund, and what was paid out after the router's fee.
#[test]
fn native_coin_that_leaves_logs_is_exact() {
    let refunded = [moved(coin(), ME, ROUTER, 120), moved(coin(), ROUTER, ME, 19)];
    let buys = [moved(coin(), ROUTER, POOL, 100), moved(BOUGHT, POOL, ME, 20)];
    let case = Case { native_moves: refunded.to_vec(), value: 120, ..Case::sent_by(ME, &buys) };
    let of = case.attributed(&[leg(amount(coin(), 100), amount(BOUGHT, 20))]);
    assert_eq!(of, [(ME, "tx-sender", amount(coin(), 101), amount(BOUGHT, 20))]);
    let sells = [moved(SOLD, ME, POOL, 10), moved(coin(), POOL, ROUTER, 100)];
    let case = Case { native_moves: vec![moved(coin(), ROUTER, ME, 99)], ..Case::sent_by(ME, &sells) };
    let of = case.attributed(&[leg(amount(SOLD, 10), amount(coin(), 100))]);
    assert_eq!(of, [(ME, "tx-sender", amount(SOLD, 10), amount(coin(), 99))]);
}

/// Where native coin leaves logs, they say who kept some between trader and pools: no more than lies between the two, and of one
/// trade only.
#[test]
fn who_kept_native_coin_is_known_by_its_logs() {
    let (payee, executor) = (Address::repeat_byte(6), Address::repeat_byte(7));
    let buys = [moved(coin(), ROUTER, POOL, 90), moved(BOUGHT, POOL, ME, 20)];
    let legs = [leg(amount(coin(), 90), amount(BOUGHT, 20))];
    let fees = |native_moves: &[Transfer], transfers: &[Transfer], legs: &[Leg]| {
        let case = Case { native_moves: native_moves.to_vec(), value: 120, ..Case::sent_by(ME, transfers) };
        case.look(|transaction| {
            let routes = attribute(transaction, legs);
            let at = only_route_with_coin(transaction, &routes)?;
            let kept = kept_on_the_way(transaction, &routes[at], legs);
            Some(kept.into_iter().map(|(who, raw)| (who, raw.to::<u64>())).collect::<Vec<_>>())
        })
    };
    let value = moved(coin(), ME, ROUTER, 120);
    let refund = moved(coin(), ROUTER, ME, 20);
    let fee = moved(coin(), ROUTER, payee, 7);
    assert_eq!(
        fees(&[value, refund, fee], &buys, &legs),
        Some(vec![(ROUTER, 3), (payee, 7)]),
        "the router kept the rest"
    );
    // Through somebody who hands it on, and partly as wrapped coin.
    let by_way = [moved(coin(), ROUTER, executor, 10), moved(coin(), executor, payee, 4)];
    let wrapped = [&buys[..], &[moved(coin(), executor, payee, 6)]].concat();
    assert_eq!(fees(&[&[value, refund][..], &by_way].concat(), &wrapped, &legs), Some(vec![(payee, 10)]));
    // What somebody else paid is no fee of this trade.
    let more = [value, refund, fee, moved(coin(), OTHER, payee, 50)];
    assert_eq!(fees(&more, &buys, &legs), Some(vec![]));
    // Nothing is known without logs, nor of two trades.
    assert_eq!(fees(&[], &buys, &legs), None);
    let case = Case { native_moves: vec![value], value: 120, ..Case::sent_by(ME, &buys) };
    case.look(|transaction| {
        let routes = attribute(transaction, &legs);
        assert_eq!(only_route_with_coin(transaction, &routes), Some(0));
        assert_eq!(only_route_with_coin(transaction, &[&routes[..], &routes].concat()), None);
    });
}

/// Who carries out for the router pays a fee on and unwraps the rest, which reached the trader, whoever of the two was called;
/// where two unwrap, or a pool pays native coin, nothing is known of the rest.
#[test]
fn what_was_unwrapped_of_what_pools_gave_was_got() {
    let (executor, payee) = (Address::repeat_byte(6), Address::repeat_byte(7));
    let transfers = [
        moved(SOLD, ME, POOL, 10),
        moved(coin(), POOL, executor, 1_000),
        moved(coin(), executor, payee, 5),
        moved(coin(), executor, ROUTER, 990),
    ];
    let got = |unwrappings: &[(Address, u64)], transfers: &[Transfer]| {
        let by: Vec<(Address, U256)> = unwrappings.iter().map(|(who, raw)| (*who, U256::from(*raw))).collect();
        let unwrapped = unwrappings.iter().map(|(_, raw)| raw).sum();
        let case = Case { unwrapped, unwrappings: by, ..Case::sent_by(ME, transfers) };
        case.attributed(&[leg(amount(SOLD, 10), amount(coin(), 1_000))])[0].3.1.to::<u64>()
    };
    assert_eq!(got(&[(ROUTER, 990)], &transfers), 990);
    assert_eq!(got(&[(executor, 995)], &transfers[..3]), 995);
    assert_eq!(got(&[(executor, 1_000)], &transfers[..2]), 1_000);
    assert_eq!(got(&[(ROUTER, 500), (executor, 490)], &transfers), 1_000, "two unwrapped");
    assert_eq!(got(&[(ROUTER, 880)], &transfers), 1_000, "more than a fee is missing");
    assert_eq!(got(&[(POOL, 990)], &transfers), 1_000, "a pool unwraps what it pays out");
    // A token's own sale was unwrapped by the same router.
    let token = Address::repeat_byte(9);
    let own = [moved(token, token, POOL, 7), moved(coin(), POOL, ROUTER, 300)];
    let legs = [leg(amount(token, 7), amount(coin(), 300)), leg(amount(SOLD, 10), amount(coin(), 1_000))];
    let unwrappings = [300, 990].map(|raw| (ROUTER, U256::from(raw))).to_vec();
    let case = Case { unwrapped: 1_290, unwrappings, ..Case::sent_by(ME, &[&own[..], &transfers].concat()) };
    let of = case.attributed(&legs);
    assert_eq!(of[1], (ME, "tx-sender", amount(SOLD, 10), amount(coin(), 990)));
    let by_another_pool = [transfers[0], moved(coin(), POOL, executor, 950)];
    assert_eq!(got(&[(executor, 950)], &by_another_pool), 1_000, "the rest left the pool as native coin");
}

/// Most of what was sold went through a venue that is in no list: the router that was called reports the whole, and transfers
/// confirm it.
#[test]
fn a_report_of_the_router_that_was_called_says_the_whole() {
    let report = |emitter, bought| Report {
        emitter,
        router: "sushi",
        sold: amount(SOLD, 100),
        bought,
        receiver: ME,
        code: None,
    };
    let sides = |report: Report, bought: Amount, unwrapped: u64, transfers: &[Transfer]| {
        let case = Case { reports: vec![report], unwrapped, ..Case::sent_by(ME, transfers) };
        let of = case.attributed(&[leg(amount(SOLD, 40), bought)]);
        (of[0].2.1.to::<u64>(), of[0].3.1.to::<u64>())
    };
    let gave = [moved(SOLD, ME, ROUTER, 40), moved(SOLD, ME, OTHER, 60)];
    let to_coin = amount(coin(), 80);
    let of_coin = report(ROUTER, amount(coin(), 200));
    assert_eq!(sides(of_coin, to_coin, 200, &gave), (100, 200));
    assert_eq!(sides(of_coin, to_coin, 199, &gave), (40, 80), "not all of it was unwrapped");
    assert_eq!(sides(report(OTHER, amount(coin(), 200)), to_coin, 200, &gave), (40, 80), "another contract's word");
    let got = [&gave[..], &[moved(BOUGHT, OTHER, ME, 200)]].concat();
    assert_eq!(sides(report(ROUTER, amount(BOUGHT, 200)), amount(BOUGHT, 80), 0, &got), (100, 200));
    let more = [&got[..], &[moved(OTHER, ROUTER, ME, 1)]].concat();
    assert_eq!(
        sides(report(ROUTER, amount(BOUGHT, 200)), amount(BOUGHT, 80), 0, &more),
        (40, 80),
        "something else came"
    );
}

/// A pool pays native coin, and the call tells the router to pay a part of it on, which leaves no log.
#[test]
fn a_portion_that_the_call_names_is_not_got() {
    let word = |word: u64| format!("{word:064x}");
    let plan = |token: u64| {
        let words = [64, 128, 1, 0, 1, 32, 96, token, 7, 100].map(word).concat();
        format!("0x24856bc3{}{:0<64}{}", &words[..192], "06", &words[256..])
    };
    let got = |input: String| {
        let case = Case { input, ..Case::sent_by(ME, &[moved(SOLD, ME, POOL, 10)]) };
        case.look(|it| {
            let [of] = attribute(it, &[leg(amount(SOLD, 10), amount(coin(), 1_000))]).try_into().unwrap();
            (of.route.bought.1.to::<u64>(), of.confidence)
        })
    };
    assert_eq!(got(plan(0)), (990, Confidence::Reported));
    assert_eq!(got(plan(5)), (1_000, Confidence::Exact), "of a token");
}

/// Where native coin leaves logs, what was sent back is not spent, also where several routes are one exchange.
#[test]
fn native_coin_that_leaves_logs_is_one_side_of_an_exchange() {
    let wrapper = Address::repeat_byte(6);
    let legs = [leg(amount(coin(), 100), amount(wrapper, 9)), leg(amount(SOLD, 8), amount(BOUGHT, 20))];
    let refunded = [moved(coin(), ME, ROUTER, 120), moved(coin(), ROUTER, ME, 19)];
    let case =
        Case { native_moves: refunded.to_vec(), value: 120, ..Case::sent_by(ME, &[moved(BOUGHT, POOL, ME, 20)]) };
    assert_eq!(case.attributed(&legs), [(ME, "tx-sender", amount(coin(), 101), amount(BOUGHT, 20))]);
    let legs = [leg(amount(SOLD, 8), amount(wrapper, 9)), leg(amount(BOUGHT, 8), amount(coin(), 100))];
    let paid = vec![moved(coin(), ROUTER, ME, 99)];
    let case = Case { native_moves: paid, ..Case::sent_by(ME, &[moved(SOLD, ME, POOL, 8)]) };
    assert_eq!(case.attributed(&legs), [(ME, "tx-sender", amount(SOLD, 8), amount(coin(), 99))]);
}

/// A manager told swaps in pools whose keys nobody knows: the trader's own exchange counts, at the price that the known pools
/// show, up to twofold.
#[test]
fn unknown_keys_had_the_rest_of_both_sides() {
    let sides = |gave: u64, got: u64, venue_of_unknown_keys, more: &[Transfer]| {
        let transfers = [&[moved(SOLD, ME, ROUTER, gave), moved(BOUGHT, ROUTER, ME, got)], more].concat();
        let case = Case { venue_of_unknown_keys, ..Case::sent_by(ME, &transfers) };
        let of = case.attributed(&[leg(amount(SOLD, 100), amount(BOUGHT, 200))]);
        (of[0].2.1.to::<u64>(), of[0].3.1.to::<u64>())
    };
    let manager = Some("uniswap-v4");
    assert_eq!(sides(300, 610, manager, &[]), (300, 610));
    assert_eq!(sides(100, 280, manager, &[]), (100, 280));
    assert_eq!(sides(100, 401, manager, &[]), (100, 200), "at quite another price");
    assert_eq!(sides(100, 280, None, &[]), (100, 200), "no event tells of more");
    assert_eq!(sides(100, 280, manager, &[moved(OTHER, ROUTER, ME, 1)]), (100, 200), "something else came beside");
}

/// Collateral is changed: a lending market's shares of one token are given for its shares of another, and the account never held
/// what pools crossed. What was minted before to who gives is interest.
#[test]
fn shares_on_both_sides_are_the_trade() {
    let [of_sold, of_bought] = [6, 7].map(Address::repeat_byte);
    let transfers = [
        moved(of_sold, Address::ZERO, ME, 1),
        moved(of_sold, ME, ROUTER, 100),
        moved(of_sold, ROUTER, Address::ZERO, 100),
        moved(SOLD, of_sold, ROUTER, 100),
        moved(SOLD, ROUTER, POOL, 100),
        moved(BOUGHT, POOL, ROUTER, 200),
        moved(BOUGHT, ROUTER, of_bought, 200),
        moved(of_bought, Address::ZERO, ME, 201),
    ];
    let legs = [leg(amount(SOLD, 100), amount(BOUGHT, 200))];
    let of = Case::sent_by(ME, &transfers).attributed(&legs);
    assert_eq!(of, [(ME, "tx-sender", amount(of_sold, 100), amount(of_bought, 201))]);
}

/// One of two things that were bought became shares at once.
#[test]
fn shares_stand_for_what_the_trader_never_held() {
    let [share, other] = [6, 7].map(Address::repeat_byte);
    let transfers = [
        moved(SOLD, ME, ROUTER, 100),
        moved(SOLD, ROUTER, POOL, 100),
        moved(BOUGHT, POOL, ROUTER, 60),
        moved(BOUGHT, ROUTER, share, 60),
        moved(share, Address::ZERO, ME, 50),
        moved(other, POOL, ME, 70),
    ];
    let legs = [leg(amount(SOLD, 40), amount(BOUGHT, 60)), leg(amount(SOLD, 60), amount(other, 70))];
    let of = Case::sent_by(ME, &transfers).attributed(&legs);
    let bought: Vec<_> = of.iter().map(|(_, _, _, bought)| *bought).collect();
    assert_eq!(bought, [amount(share, 50), amount(other, 70)]);
    let held = [&transfers[..], &[moved(BOUGHT, ROUTER, ME, 1)]].concat();
    let of = Case::sent_by(ME, &held).attributed(&legs);
    assert_eq!(of[0].3.0, BOUGHT, "some of it reached the trader");
    let pooled = [&transfers[..], &[moved(SOLD, ROUTER, share, 5)]].concat();
    let of = Case::sent_by(ME, &pooled).attributed(&legs);
    assert_eq!(of[0].3.0, BOUGHT, "a pool's share is of two tokens, and no other form of one of them");
}

/// Two things are bought for native coin, and the first hop of one leaves no event: the rest of the value paid for it.
#[test]
fn the_rest_of_the_value_paid_for_what_was_never_held() {
    let other = Address::repeat_byte(7);
    let transfers = [moved(BOUGHT, POOL, ME, 20), moved(other, POOL, ME, 30), moved(SOLD, OTHER, POOL, 5)];
    let legs = [leg(amount(coin(), 40), amount(BOUGHT, 20)), leg(amount(SOLD, 5), amount(other, 30))];
    let sold = |value, input: Option<&str>, transfers: &[Transfer]| {
        let case = Case { value, ..Case::sent_by(ME, transfers) };
        let input = input.map_or(case.input.clone(), str::to_owned);
        let known = |of: AttributedRoute| (of.route.sold, of.confidence);
        Case { input, ..case }.look(|it| attribute(it, &legs).into_iter().map(known).collect::<Vec<_>>())
    };
    let (exact, estimated) = (Confidence::Exact, Confidence::Estimated);
    let whole = [(amount(coin(), 40), exact), (amount(coin(), 60), estimated)];
    assert_eq!(sold(100, None, &transfers), whole);
    let token = (amount(SOLD, 5), exact);
    assert_eq!(sold(44, None, &transfers)[1], token, "as small as a fee");
    assert_eq!(sold(100, Some("0xfb3bdb41"), &transfers)[1], token, "the rest was asked back");
    assert_eq!(
        sold(100, None, &[&transfers[..], &[moved(SOLD, ME, POOL, 1)]].concat())[1],
        token,
        "the sender gave it"
    );
    // Logs of native coin say that a part went back, and that the rest did not.
    let native_moves = vec![moved(coin(), ME, ROUTER, 100), moved(coin(), ROUTER, ME, 10)];
    let shown = Case { value: 100, native_moves, input: "0xfb3bdb41".to_owned(), ..Case::sent_by(ME, &transfers) };
    let second = shown.look(|it| attribute(it, &legs)[1].clone());
    assert_eq!((second.route.sold, second.confidence), (amount(coin(), 50), exact));
    let another = [transfers[0], transfers[2], moved(ROUTER, POOL, ME, 1)];
    assert_eq!(sold(100, None, &another)[1], token, "the sender did not get it");
}

/// The maker of a filled order gets native coin: what the listed router unwrapped, less the fees that stand in the order.
#[test]
fn makers_get_native_coin_as_their_order_says() {
    let router = address!("111111125421ca6dc452d289314280a0f8842a65");
    let fee_taker = address!("abd4e5fb590aa132749bbf2a04ea57efbaac399e");
    let transfers =
        [moved(SOLD, ME, POOL, 10), moved(coin(), POOL, ROUTER, 1_010_000), moved(coin(), ROUTER, router, 1_001_000)];
    let word = |account: Address| format!("{:0>64}", format!("{account:x}"));
    let fees = |flags: u8| format!("{fee_taker:x}{flags:02x}{:040}{:040}0064640000", 7, 7);
    let call = |receiver: Address, end: &str| {
        let words = [ME, receiver, SOLD, coin()].map(word).concat();
        format!("0x12345678ab{words}{}{end}", "00".repeat(77))
    };
    let paid = |input: String, fills: usize| {
        let unwrappings = vec![(router, U256::from(1_001_000))];
        let filler = Some(Filler { router: "1inch", fills });
        let case = Case { filler, unwrapped: 1_001_000, unwrappings, ..Case::sent_by(OTHER, &transfers) };
        let legs = [leg(amount(SOLD, 10), amount(coin(), 1_010_000))];
        Case { input, ..case }.look(|it| {
            let [of] = attribute(it, &legs).try_into().unwrap();
            (of.trader == ME, of.route.bought.1.to::<u64>(), of.confidence)
        })
    };
    let (reported, estimated) = (Confidence::Reported, Confidence::Estimated);
    assert_eq!(paid(call(fee_taker, &fees(0)), 1), (true, 1_000_000, reported));
    assert_eq!(paid(call(Address::ZERO, ""), 1), (true, 1_001_000, reported), "paid to the maker itself");
    assert_eq!(paid(call(fee_taker, &fees(9)), 1), (true, 1_001_000, estimated), "bytes that mean something else");
    assert_eq!(paid(call(fee_taker, "00"), 1), (true, 1_001_000, estimated), "an order without its last part");
    assert_eq!(paid(call(OTHER, &fees(0)), 1), (true, 1_001_000, estimated), "paid to a contract that nobody knows");
}
