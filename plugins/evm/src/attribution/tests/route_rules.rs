//! Tests of the rules of routes through pools.

use super::{BOUGHT, Case, ME, OTHER, POOL, ROUTER, SOLD, amount, coin, leg, moved, swap};
use crate::attribution::amounts::paid_out;
use crate::model::{Leg, Route, Transfer};
use crate::reports::{Filler, Report};
use crate::settlement::UserOperation;
use alloy_primitives::{Address, address};
use netting::RouteKind;

const BY_SENDER: [(Address, &str); 1] = [(OTHER, "tx-sender")];

/// Who is charged for one leg, and why.
fn charged(case: &Case, leg: &Leg) -> Vec<(Address, &'static str)> {
    case.attributed(std::slice::from_ref(leg)).into_iter().map(|(trader, evidence, ..)| (trader, evidence)).collect()
}

fn tokens() -> (Route, Leg) {
    let (sold, bought) = (amount(SOLD, 10), amount(BOUGHT, 20));
    (swap(sold, bought), leg(sold, bought))
}

#[test]
fn two_sided() {
    let (_, leg) = tokens();
    let known = Case::sent_by(OTHER, &[moved(SOLD, OTHER, POOL, 10), moved(BOUGHT, POOL, OTHER, 20)]);
    let unknown = Case { is_two_sided: true, ..known.clone() };
    assert_eq!(charged(&unknown, &leg), [(OTHER, "two-sided")]);
    // Whatever a factory is called in the settings.
    assert_eq!(charged(&known, &Leg { venue: "unknown".to_owned(), ..leg }), BY_SENDER);
}

/// The legs before the end of an operation are its account's; the other rules decide about those behind it.
#[test]
fn operation_account() {
    let (_, leg) = tokens();
    let transfers = [moved(SOLD, OTHER, POOL, 10), moved(BOUGHT, POOL, OTHER, 20)];
    let at = |place| {
        let operations = vec![UserOperation { account: ME, place, is_listed: true }];
        charged(&Case { operations, ..Case::sent_by(OTHER, &transfers) }, &leg)
    };
    assert_eq!(at(2), [(ME, "user-operation")]);
    assert_eq!(at(1), BY_SENDER);
}

#[test]
fn cycle_of_the_sender() {
    let (route, leg) = tokens();
    let case = Case::sent_by(OTHER, &[]);
    let cycle = Route { kind: RouteKind::Cycle, ..route.clone() };
    assert_eq!(case.by_route_rule("cycle-of-the-sender", &cycle, &[leg]), Some(OTHER));
    assert_eq!(case.by_route_rule("cycle-of-the-sender", &route, &[]), None);
}

/// Coin was sold and the sender brought some, even if another account moved as much of the wrapped coin.
#[test]
fn sender_brought_coin() {
    let (sold, bought) = (amount(coin(), 10), amount(BOUGHT, 20));
    let transfers = [moved(coin(), ME, POOL, 10), moved(BOUGHT, POOL, ME, 20)];
    let case = Case { signers: vec![ME], ..Case::sent_by(OTHER, &transfers) };
    let with_value = |value| charged(&Case { value, ..case.clone() }, &leg(sold, bought));
    assert_eq!(with_value(1), BY_SENDER);
    assert_eq!(with_value(0), [(ME, "token-flow")]);
    let case = Case { value: 1, ..Case::sent_by(OTHER, &[]) };
    assert_eq!(case.by_route_rule("sender-brought-coin", &tokens().0, &[]), None, "coin was not sold");
}

/// The sender gave some of what was sold, even if another account gave and got all.
#[test]
fn sender_gave() {
    let (route, leg) = tokens();
    let all = [moved(SOLD, ME, POOL, 10), moved(BOUGHT, POOL, ME, 20)];
    let with = |more: &[Transfer]| {
        charged(&Case { signers: vec![ME], ..Case::sent_by(OTHER, &[&all[..], more].concat()) }, &leg)
    };
    assert_eq!(with(&[moved(SOLD, OTHER, ROUTER, 1)]), BY_SENDER);
    assert_eq!(with(&[moved(SOLD, OTHER, ROUTER, 1), moved(SOLD, ROUTER, OTHER, 1)]), [(ME, "token-flow")]);
    let case = Case::sent_by(OTHER, &all);
    assert_eq!(case.by_route_rule("sender-gave", &route, &[]), None);
}

/// The sender got some of what was bought, even if another account gave and got all.
#[test]
fn sender_got() {
    let (route, leg) = tokens();
    let all = [moved(SOLD, ME, POOL, 10), moved(BOUGHT, POOL, ME, 20)];
    let with = |more: &[Transfer]| charged(&Case::sent_by(OTHER, &[&all[..], more].concat()), &leg);
    assert_eq!(with(&[moved(BOUGHT, ROUTER, OTHER, 1)]), BY_SENDER);
    assert_eq!(Case::sent_by(OTHER, &all).by_route_rule("sender-got", &route, &[]), None);
}

/// What a relay gave is the trade of whom the router reports to have paid.
#[test]
fn reported_payee() {
    let (sold, bought) = (amount(SOLD, 10), amount(coin(), 20));
    let kyber = address!("818e6fecd516ecc3849daf6845e3ec868087b755");
    let report = Report { emitter: kyber, router: "kyber-network", sold, bought, receiver: ME, code: None };
    let route = swap(sold, bought);
    let payee = |reports: &[Report], transfers: &[Transfer], route: &Route| {
        let case = Case { reports: reports.to_vec(), ..Case::sent_by(OTHER, transfers) };
        let paid = case.look(|transaction| paid_out(transaction, ME, route).map(|raw| raw.to::<u64>()));
        (case.by_route_rule("reported-payee", route, &[]), paid)
    };
    let relay = [moved(SOLD, Address::repeat_byte(7), ROUTER, 10)];
    assert_eq!(payee(&[report], &relay, &route), (Some(ME), Some(20)));
    assert_eq!(payee(&[Report { emitter: ROUTER, ..report }], &relay, &route).0, None, "no listed router reports it");
    // Two reports, another amount, an account that moved tokens itself, a token in place of native coin.
    assert_eq!(payee(&[report, report], &relay, &route), (None, None));
    let other = Route { sold: amount(SOLD, 11), ..route.clone() };
    assert_eq!(payee(&[report], &relay, &other).0, None);
    assert_eq!(payee(&[report], &[relay[0], moved(BOUGHT, ME, OTHER, 1)], &route).0, None);
    let token = Route { bought: amount(BOUGHT, 20), ..route.clone() };
    assert_eq!(payee(&[Report { bought: amount(BOUGHT, 20), ..report }], &relay, &token).0, None);
    // A router that reports more than the pools gave, or less than half, is not believed.
    for raw in [21, 9] {
        assert_eq!(payee(&[Report { bought: amount(coin(), raw), ..report }], &relay, &route).1, None);
    }
}

/// One account that is bound to the transaction gave nine tenths and more of what was sold and got as much of what was
/// bought, and no second one did.
#[test]
fn bound_account() {
    let (sold, bought) = (amount(SOLD, 100), amount(BOUGHT, 200));
    let exchange = |who, gave, got| [moved(SOLD, who, ROUTER, gave), moved(BOUGHT, ROUTER, who, got)];
    let second = Address::repeat_byte(6);
    let with = |signers: &[Address], transfers: &[Transfer]| {
        let case = Case { signers: signers.to_vec(), ..Case::sent_by(OTHER, transfers) };
        charged(&case, &leg(sold, bought))
    };
    assert_eq!(with(&[ME], &exchange(ME, 90, 180)), [(ME, "token-flow")]);
    assert_eq!(with(&[], &exchange(ME, 100, 200)), BY_SENDER, "transfers alone, which anybody's token can forge");
    assert_eq!(with(&[ME], &exchange(ME, 89, 180)), BY_SENDER, "gave too little");
    assert_eq!(with(&[ME], &exchange(ME, 90, 179)), BY_SENDER, "got too little");
    assert_eq!(with(&[second], &exchange(ME, 100, 200)), BY_SENDER, "another one signed");
    let both = [exchange(ME, 100, 200), exchange(second, 100, 200)].concat();
    assert_eq!(with(&[ME, second], &both), BY_SENDER, "two did");
    assert_eq!(with(&[ME], &both), [(ME, "token-flow")]);
    for (who, why) in [(POOL, "a pool"), (SOLD, "a token"), (Address::ZERO, "nobody")] {
        let transfers = [moved(SOLD, who, second, 100), moved(BOUGHT, second, who, 200)];
        assert_eq!(with(&[who], &transfers), BY_SENDER, "{why}");
    }
    // Coin may have been paid out as native coin.
    let to_coin = amount(coin(), 200);
    let case = Case { signers: vec![ME], ..Case::sent_by(OTHER, &[moved(SOLD, ME, ROUTER, 100)]) };
    assert_eq!(charged(&case, &leg(sold, to_coin)), [(ME, "token-flow")]);
    // An unlisted entry point tells of an operation: believed of whom gave cash.
    let operations = vec![UserOperation { account: ME, place: 9, is_listed: false }];
    let in_operation = |sold: Address| {
        let transfers = [moved(sold, ME, ROUTER, 100), moved(BOUGHT, ROUTER, ME, 200)];
        let case = Case { operations: operations.clone(), ..Case::sent_by(OTHER, &transfers) };
        charged(&case, &leg(amount(sold, 100), bought))
    };
    assert_eq!(in_operation(coin()), [(ME, "token-flow")]);
    assert_eq!(in_operation(SOLD), BY_SENDER);
    // The owner of an order that a listed router filled stands in the call.
    let filler = Some(Filler { router: "1inch", fills: 1 });
    let named = |input: &str| {
        let case = Case::sent_by(OTHER, &exchange(ME, 100, 200));
        let input = if input.is_empty() { case.input.clone() } else { input.to_owned() };
        charged(&Case { filler, input, ..case }, &leg(sold, bought))
    };
    assert_eq!(named(""), [(ME, "token-flow")]);
    assert_eq!(named("0x12345678"), BY_SENDER);
}

/// A router filled a standing order through pools: its owner got another amount than the pools gave.
#[test]
fn only_maker() {
    let (_, leg) = tokens();
    let transfers = [moved(SOLD, ME, ROUTER, 100), moved(BOUGHT, ROUTER, ME, 7)];
    let with = |fills: Option<usize>, transfers: &[Transfer]| {
        let filler = fills.map(|fills| Filler { router: "1inch", fills });
        charged(&Case { filler, ..Case::sent_by(OTHER, transfers) }, &leg)
    };
    assert_eq!(with(Some(1), &transfers), [(ME, "token-flow")]);
    assert_eq!(with(None, &transfers), BY_SENDER, "no router filled an order");
    let second = Address::repeat_byte(6);
    let twice = [&transfers[..], &[moved(SOLD, second, ROUTER, 100), moved(BOUGHT, ROUTER, second, 7)]].concat();
    assert_eq!(with(Some(1), &twice), BY_SENDER, "two may be the owner");
}

/// What a bridge brings is the trade of whom it was brought to, if that was cash and the account stands in the call.
#[test]
fn arrival_over_a_bridge() {
    let cash = coin();
    let to_cash = leg(amount(SOLD, 10), amount(cash, 20));
    let arrival = [
        moved(SOLD, Address::ZERO, ROUTER, 10),
        moved(SOLD, ROUTER, POOL, 10),
        moved(cash, POOL, ROUTER, 20),
        moved(cash, ROUTER, ME, 20),
    ];
    let trader = |transfers: &[Transfer]| charged(&Case::sent_by(OTHER, transfers), &to_cash);
    let with = |more: &[Transfer]| trader(&[&arrival[..], more].concat());
    assert_eq!(with(&[]), [(ME, "recipient")]);
    // The bridge pays whoever delivers.
    assert_eq!(with(&[moved(SOLD, Address::ZERO, OTHER, 1)]), [(ME, "recipient")]);
    assert_eq!(with(&[moved(ROUTER, OTHER, ROUTER, 5)]), BY_SENDER, "the sender gave something for it");
    assert_eq!(with(&[moved(cash, POOL, Address::repeat_byte(9), 20)]), BY_SENDER, "two got as much");
    assert_eq!(trader(&arrival[1..]), BY_SENDER, "nothing was minted");
    let brought = Case::sent_by(OTHER, &arrival);
    assert_eq!(
        charged(&Case { unwrapped: 20, ..brought.clone() }, &to_cash),
        BY_SENDER,
        "native coin went to somebody"
    );
    assert_eq!(charged(&Case { input: "0x".to_owned(), ..brought }, &to_cash), BY_SENDER, "only transfers name it");
    let token = arrival.map(|one| if one.token == cash { Transfer { token: BOUGHT, ..one } } else { one });
    let token_leg = leg(amount(SOLD, 10), amount(BOUGHT, 20));
    assert_eq!(charged(&Case::sent_by(OTHER, &token), &token_leg), BY_SENDER, "any token may be forged");
}

#[test]
fn else_the_sender() {
    let (route, leg) = tokens();
    let case = Case::sent_by(OTHER, &[]);
    assert_eq!(charged(&case, &leg), BY_SENDER);
    assert_eq!(case.by_route_rule("else-the-sender", &route, &[leg]), Some(OTHER));
}

/// The account that was called gave and got, and the sender did nothing; a router gives what it got.
#[test]
fn account_that_was_called() {
    let (_, leg) = tokens();
    let transfers = [moved(SOLD, ROUTER, POOL, 10), moved(BOUGHT, POOL, ROUTER, 20)];
    assert_eq!(charged(&Case::sent_by(OTHER, &transfers), &leg), [(ROUTER, "token-flow")]);
    let through = [&transfers[..], &[moved(SOLD, ME, ROUTER, 10)]].concat();
    assert_eq!(charged(&Case::sent_by(OTHER, &through), &leg), BY_SENDER);
    let kept_half = [&transfers[..], &[moved(BOUGHT, ROUTER, ME, 10)]].concat();
    assert_eq!(charged(&Case::sent_by(OTHER, &kept_half), &leg), BY_SENDER);
}
