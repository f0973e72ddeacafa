//! Tests of attribution: the tables against README and tests, the amounts, and (below) a small transaction for each rule.

mod amounts;
mod order_rules;
mod route_rules;
mod token_fees;
mod without_pool;

use super::attribute;
use super::order_rules::{FilledOrders, OrderView};
use super::route_rules::RouteView;
use super::rule::{AttributedRoute, Rule};
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
    pub(super) venue_of_unknown_keys: Option<&'static str>,
    /// Native coin brought along.
    pub(super) value: u64,
    pub(super) unwrapped: u64,
    /// Who unwrapped how much.
    pub(super) unwrappings: Vec<(Address, U256)>,
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
        native.unwrappings = self.unwrappings.clone();
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
            venue_of_unknown_keys: self.venue_of_unknown_keys,
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
    let without_pool: [Rule<TransactionView<'_>, _>; 4] = TransactionView::RULES_WITHOUT_POOL;
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
