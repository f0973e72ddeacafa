//! Tests of the rules of orders.

use super::{BOUGHT, Case, ME, OTHER, POOL, ROUTER, SOLD, amount, coin, leg, moved};
use crate::attribution::transaction::only;
use crate::model::Transfer;
use crate::reports::Filler;
use crate::settlement::{COW_ETH_FLOWS, OrderTerms, SettledOrder};
use alloy_primitives::{Address, U256};

fn fill(owner: Address, place: u32) -> SettledOrder {
    SettledOrder { owner, terms: None, place, router: "uniswap-x", is_listed: true }
}

/// CoW sells native coin through a contract of its own: whoever is paid exactly what was bought is the trader.
#[test]
fn coin_order_payee() {
    let order = |owner| {
        let terms = Some(OrderTerms { sold: amount(coin(), 10), bought: amount(BOUGHT, 20) });
        SettledOrder { owner, terms, place: 1, router: "cow-protocol", is_listed: true }
    };
    let charged = |owner, paid| {
        let case = Case::sent_by(OTHER, &[moved(BOUGHT, ROUTER, ME, paid)]);
        only(Case { orders: vec![order(owner)], ..case }.attributed(&[]).into_iter()).map(|(who, why, ..)| (who, why))
    };
    assert_eq!(charged(COW_ETH_FLOWS[0], 20), Some((ME, "recipient")));
    assert_eq!(charged(COW_ETH_FLOWS[0], 19), Some((COW_ETH_FLOWS[0], "event-owner")), "paid something else");
    assert_eq!(charged(OTHER, 20), Some((OTHER, "event-owner")), "an order of an account's own");
}

/// UniswapX names the swapper of each fill: one that had two orders traded once, and where native coin was paid to one of
/// several, no log shows how much.
#[test]
fn order_owner() {
    let charged = |orders: &[SettledOrder], transfers: &[Transfer]| {
        let case = Case { orders: orders.to_vec(), ..Case::sent_by(OTHER, transfers) };
        case.attributed(&[])
    };
    let traders = |orders: &[SettledOrder], transfers: &[Transfer]| {
        charged(orders, transfers).into_iter().map(|(trader, ..)| trader).collect::<Vec<_>>()
    };
    let other = Address::repeat_byte(6);
    let whole = [moved(SOLD, ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)];
    let twice = charged(&[fill(ME, 1), fill(ME, 2)], &whole);
    assert_eq!(twice, [(ME, "event-owner", amount(SOLD, 10), amount(BOUGHT, 20))]);
    let both = [&whole[..], &[moved(SOLD, other, ROUTER, 7), moved(BOUGHT, ROUTER, other, 13)]].concat();
    assert_eq!(traders(&[fill(ME, 1), fill(other, 2)], &both), [ME, other]);
    // Another contract says the same: believed where the owner gave cash, which no forger can let it do.
    let unlisted = SettledOrder { is_listed: false, ..fill(ME, 1) };
    assert!(traders(&[unlisted], &whole).is_empty());
    assert_eq!(traders(&[unlisted], &[moved(coin(), ME, ROUTER, 10), moved(BOUGHT, ROUTER, ME, 20)]), [ME]);
    let crowd: Vec<SettledOrder> =
        (0..20_000).map(|at: u32| fill(Address::left_padding_from(&at.to_be_bytes()), at)).collect();
    assert!(traders(&[&[fill(ME, 1)][..], &crowd].concat(), &whole).is_empty(), "a crowd that nobody looks through");
    let terms = Some(OrderTerms { sold: amount(SOLD, 10), bought: amount(BOUGHT, 20) });
    let settled = SettledOrder { owner: ME, terms, place: 1, router: "cow-protocol", is_listed: true };
    assert_eq!(traders(&[&[settled][..], &crowd].concat(), &whole), [ME], "nor does it hide what was settled");
    // Paid in native coin: what was unwrapped for the one order, of what pools gave its filler.
    let filled = [moved(SOLD, ME, POOL, 10), moved(coin(), POOL, ROUTER, 1_000)];
    let in_coin = |unwrapped: u64| {
        let unwrappings = vec![(ROUTER, U256::from(unwrapped))];
        let case = Case { orders: vec![fill(ME, 1)], unwrappings, ..Case::sent_by(OTHER, &filled) };
        case.attributed(&[leg(amount(SOLD, 10), amount(coin(), 1_000))])[0].3.1.to::<u64>()
    };
    assert_eq!([950, 800].map(in_coin), [950, 1_000]);
    let paid_in_coin = [&whole[..], &[moved(SOLD, other, ROUTER, 7)]].concat();
    assert_eq!(traders(&[fill(ME, 1), fill(other, 2)], &paid_in_coin), [ME]);
}

/// A resolver fills orders of several makers in one transaction: each is a trade of its own, or none is attributed.
#[test]
fn as_many_makers_as_fills() {
    let (other, token) = (Address::repeat_byte(6), Address::repeat_byte(7));
    let transfers = [
        moved(SOLD, ME, ROUTER, 10),
        moved(BOUGHT, ROUTER, ME, 20),
        moved(token, other, ROUTER, 5),
        moved(SOLD, ROUTER, other, 9),
    ];
    let charged = |fills: usize| {
        let filler = Some(Filler { router: "1inch", fills });
        Case { filler, ..Case::sent_by(OTHER, &transfers) }.attributed(&[])
    };
    let unnamed = Case { filler: Some(Filler { router: "1inch", fills: 2 }), ..Case::sent_by(OTHER, &transfers) };
    assert_eq!(Case { input: "0x".to_owned(), ..unnamed }.attributed(&[]), [], "no order in the call names them");
    let mine = (ME, "token-flow", amount(SOLD, 10), amount(BOUGHT, 20));
    assert_eq!(charged(2), [mine, (other, "token-flow", amount(token, 5), amount(SOLD, 9))]);
    assert_eq!(charged(3), [], "one owner is not to be seen");
    assert_eq!(charged(1), [], "one of the two did something else");
}
