//! Tests of attribution: the tables against README and tests, the amounts, and (below) a small transaction for each rule.

mod order_rules;
mod route_rules;
mod without_pool;

use super::amounts::use_traders_amounts;
use super::attribute;
use super::order_rules::{FilledOrders, OrderView};
use super::route_rules::RouteView;
use super::rule::{AttributedRoute, Confidence, Evidence, Rule};
use super::transaction::TransactionView;
use crate::hex;
use crate::model::{Amount, Leg, PoolId, Route, Transfer};
use crate::native::NativeCoin;
use crate::reports::{Filler, Report};
use crate::rpc::SentTransaction;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::settlement::{SettledOrder, UserOperation};
use crate::wrappings::Wrapping;
use alloy_primitives::{Address, U256};
use chain_plugin_sdk::Context;
use netting::RouteKind;

pub(super) const ME: Address = Address::repeat_byte(1);
pub(super) const ROUTER: Address = Address::repeat_byte(2);
pub(super) const OTHER: Address = Address::repeat_byte(3);
pub(super) const SOLD: Address = Address::repeat_byte(4);
pub(super) const BOUGHT: Address = Address::repeat_byte(5);
pub(super) const POOL: Address = Address::repeat_byte(8);

pub(super) fn rules() -> Rules {
    let context = Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
    Settings::read(&context).unwrap().rules(1).unwrap()
}

/// The wrapped coin.
pub(super) fn coin() -> Address {
    rules().wrapped.unwrap()
}

pub(super) fn moved(token: Address, from: Address, to: Address, raw: u64) -> Transfer {
    Transfer { token, from, to, raw: U256::from(raw) }
}

pub(super) fn amount(token: Address, raw: u64) -> Amount {
    (token, U256::from(raw))
}

pub(super) fn swap(sold: Amount, bought: Amount) -> Route {
    Route { kind: RouteKind::Swap, sold, bought, legs: vec![] }
}

/// A leg through the one pool.
pub(super) fn leg(sold: Amount, bought: Amount) -> Leg {
    Leg {
        venue: "v2-like".to_owned(),
        pool: PoolId::Contract(POOL),
        holder: POOL,
        sold,
        bought,
        recipient: None,
        place: 1,
        is_proved: true,
    }
}

/// A call in which all who moved something stand.
pub(super) fn call_that_names(transfers: &[Transfer]) -> String {
    let accounts: Vec<u8> = transfers.iter().flat_map(|transfer| [transfer.from, transfer.to].concat()).collect();
    hex::encode([&[9; 4], &accounts[..]].concat())
}

/// A transaction that called the router.
#[derive(Clone, Default)]
pub(super) struct Case {
    pub(super) sender: Address,
    pub(super) transfers: Vec<Transfer>,
    pub(super) native_moves: Vec<Transfer>,
    pub(super) wrappings: Vec<Wrapping>,
    pub(super) orders: Vec<SettledOrder>,
    pub(super) operations: Vec<UserOperation>,
    pub(super) signers: Vec<Address>,
    pub(super) reports: Vec<Report>,
    pub(super) filler: Option<Filler>,
    pub(super) is_two_sided: bool,
    /// Native coin brought along.
    pub(super) value: u64,
    pub(super) unwrapped: u64,
    /// The call, as hex digits.
    pub(super) input: String,
}

impl Case {
    pub(super) fn sent_by(sender: Address, transfers: &[Transfer]) -> Self {
        let input = call_that_names(transfers);
        Self { sender, transfers: transfers.to_vec(), input, ..Self::default() }
    }

    pub(super) fn look<T>(&self, see: impl FnOnce(&TransactionView<'_>) -> T) -> T {
        let sent = SentTransaction { input: Some(self.input.as_bytes()), ..SentTransaction::default() };
        let mut native = NativeCoin::read(&sent, &[], None, None);
        (native.value, native.unwrapped) = (U256::from(self.value), U256::from(self.unwrapped));
        see(&TransactionView {
            sender: self.sender,
            callee: Some(ROUTER),
            transfers: &self.transfers,
            native_moves: &self.native_moves,
            wrappings: &self.wrappings,
            orders: &self.orders,
            operations: &self.operations,
            signers: &self.signers,
            reports: &self.reports,
            filler: self.filler,
            is_two_sided: self.is_two_sided,
            native,
            rules: &rules(),
        })
    }

    /// Who is charged for what, and why.
    pub(super) fn attributed(&self, legs: &[Leg]) -> Vec<(Address, &'static str, Amount, Amount)> {
        let short = |of: AttributedRoute| (of.trader, of.evidence.word(), of.route.sold, of.route.bought);
        self.look(|transaction| attribute(transaction, legs).into_iter().map(short).collect())
    }

    /// Who is charged for a route by one rule alone.
    pub(super) fn by_route_rule(&self, name: &str, route: &Route, legs: &[Leg]) -> Option<Address> {
        self.look(|transaction| {
            let rule = RouteView::RULES.into_iter().find(|rule| rule.name == name).unwrap();
            (rule.decide)(&RouteView::new(transaction, route, legs, None))
        })
    }
}

/// The rows of all tables, in order.
fn rows() -> Vec<(&'static str, &'static str)> {
    fn of_table<S, O>(table: &[Rule<S, O>]) -> Vec<(&'static str, &'static str)> {
        table.iter().map(|rule| (rule.name, rule.evidence.word())).collect()
    }
    let without_pool: [Rule<TransactionView<'_>, _>; 3] = TransactionView::RULES_WITHOUT_POOL;
    [of_table(&OrderView::RULES), of_table(&FilledOrders::RULES), of_table(&without_pool), of_table(&RouteView::RULES)]
        .concat()
}

#[test]
fn the_readme_lists_the_rules_in_order() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## Who is charged").expect("the README has a table of rules");
    let table = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<(&str, &str)> = table
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .collect();
    assert_eq!(listed, rows());
}

#[test]
fn every_rule_has_a_test_of_its_name() {
    let tests = [
        include_str!("tests/order_rules.rs"),
        include_str!("tests/route_rules.rs"),
        include_str!("tests/without_pool.rs"),
    ]
    .concat();
    for (name, _) in rows() {
        let test = format!("fn {}()", name.replace('-', "_"));
        assert!(tests.contains(&test), "no test is called {test}");
    }
}

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
        Case::sent_by(OTHER, &transfers).look(|transaction| use_traders_amounts(transaction, &mut routes));
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
    assert_eq!(known(Case { unwrapped: 100, ..case.clone() }), Confidence::Exact);
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
