//! The attribution tables of orders: who owns an order that was settled by an event or filled by a router.

use crate::attribution::rule::{AttributedRoute, Confidence, Evidence, Exchange, Rule, first_that_holds};
use crate::attribution::transaction::{TransactionView, without_fee};
use crate::model::{Amount, Leg, Route, Transfer};
use crate::reports::Filler;
use crate::settlement::{COW_ETH_FLOWS, SettledOrder};
use alloy_primitives::{Address, U256};
use netting::RouteKind;
use std::collections::BTreeSet;

/// Of more owners than that in one transaction none is looked for by transfers: anybody may emit fills, and each costs a
/// pass over all transfers.
const MAX_FILL_OWNERS: usize = 256;

/// An order whose both sides are known.
pub(crate) struct OrderView<'a> {
    /// The transaction.
    pub(crate) transaction: &'a TransactionView<'a>,
    /// The order.
    pub(crate) order: &'a SettledOrder,
    /// What it bought, native coin as the wrapped coin.
    pub(crate) bought: Amount,
}

impl OrderView<'_> {
    /// The rules, in order; the last one always holds.
    pub(crate) const RULES: [Rule<Self>; 2] = [
        Rule { name: "coin-order-payee", evidence: Evidence::Recipient, decide: Self::coin_order_payee },
        Rule { name: "order-owner", evidence: Evidence::EventOwner, decide: Self::order_owner },
    ];

    /// Orders that sell native coin belong to a contract of CoW; whoever was paid exactly what was bought gave the coin.
    fn coin_order_payee(&self) -> Option<Address> {
        if !COW_ETH_FLOWS.contains(&self.order.owner) {
            return None;
        }
        let pays = |transfer: &&Transfer| (transfer.token, transfer.raw) == self.bought;
        self.transaction.transfers.iter().rev().find(pays).map(|transfer| transfer.to)
    }

    /// The owner that the event names.
    #[expect(clippy::unnecessary_wraps, reason = "a row of the table, which holds always")]
    fn order_owner(&self) -> Option<Address> {
        Some(self.order.owner)
    }
}

/// Standing orders that a router filled, whose events name no owner.
pub(crate) struct FilledOrders<'a> {
    /// The transaction.
    pub(crate) transaction: &'a TransactionView<'a>,
    /// The pools crossed.
    pub(crate) legs: &'a [Leg],
}

impl FilledOrders<'_> {
    /// The one rule.
    pub(crate) const RULES: [Rule<Self, Vec<Exchange>>; 1] = [Rule {
        name: "as-many-makers-as-fills",
        evidence: Evidence::TokenFlow,
        decide: Self::as_many_makers_as_fills,
    }];

    /// Several orders were filled, and just as many accounts gave one token and got one other: one exchange of each.
    fn as_many_makers_as_fills(&self) -> Option<Vec<Exchange>> {
        let Some(Filler { router, fills: fills @ 2.. }) = self.transaction.filler else { return None };
        let makers = self.transaction.makers(self.legs);
        let exchange = |trader: &Address| {
            let (sold, bought) = self.transaction.only_exchange(*trader)?;
            Some(Exchange { trader: *trader, sold, bought, router })
        };
        (makers.len() == fills).then(|| makers.iter().filter_map(exchange).collect())
    }
}

/// One route per order whose both sides are known, every leg in one of them; nothing where no order was settled.
pub(crate) fn routes_of_orders(transaction: &TransactionView<'_>, legs: &[Leg]) -> Vec<AttributedRoute> {
    let orders = orders_to_attribute(transaction.orders);
    let is_alone = orders.len() == 1;
    let attribute = |order: &&SettledOrder| route_of_order(transaction, order, legs, is_alone);
    let mut routes: Vec<AttributedRoute> = orders.iter().filter_map(attribute).collect();
    if routes.is_empty() {
        let filled = first_that_holds(&FilledOrders::RULES, &FilledOrders { transaction, legs });
        let attributed = |(exchanges, evidence): (Vec<Exchange>, Evidence)| {
            exchanges.into_iter().map(|exchange| exchange.attributed(evidence)).collect()
        };
        routes = filled.map(attributed).unwrap_or_default();
    }
    if routes.is_empty() {
        return routes;
    }
    for (at, leg) in legs.iter().enumerate() {
        let has_both = |of: &AttributedRoute| (of.route.sold.0, of.route.bought.0) == (leg.sold.0, leg.bought.0);
        let has_one = |of: &AttributedRoute| of.route.sold.0 == leg.sold.0 || of.route.bought.0 == leg.bought.0;
        let place = routes.iter().position(has_both).or_else(|| routes.iter().position(has_one)).unwrap_or(0);
        routes[place].route.legs.push(at);
    }
    routes
}

/// Orders with terms, and the first of each owner without: the same transfers show what all fills for one account did.
fn orders_to_attribute(orders: &[SettledOrder]) -> Vec<&SettledOrder> {
    let mut owners = BTreeSet::new();
    let is_new = |order: &&SettledOrder| order.terms.is_some() || owners.insert(order.owner);
    let mut kept: Vec<&SettledOrder> = orders.iter().filter(is_new).collect();
    if owners.len() > MAX_FILL_OWNERS {
        // Orders whose event has the terms need no search.
        kept.retain(|order| order.terms.is_some());
    }
    kept
}

fn route_of_order(
    transaction: &TransactionView<'_>,
    order: &SettledOrder,
    legs: &[Leg],
    is_alone: bool,
) -> Option<AttributedRoute> {
    let ((sold, bought), confidence) = match order.terms {
        Some(terms) => {
            let asset = |(token, raw): Amount| (transaction.rules.asset(token), raw);
            ((asset(terms.sold), asset(terms.bought)), Confidence::Exact)
        }
        None => sides_of_owner(transaction, order.owner, legs, is_alone)?,
    };
    // Cash leaves an account only as its owner wills; any other token may be the same forger's as the event.
    if !order.is_listed && !transaction.gave_cash(order.owner, sold) {
        return None;
    }
    if sold.0 == bought.0 || sold.1.is_zero() || bought.1.is_zero() {
        return None;
    }
    let (trader, evidence) = first_that_holds(&OrderView::RULES, &OrderView { transaction, order, bought })?;
    let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![] };
    Some(AttributedRoute { route, trader, evidence, router: Some(order.router), confidence })
}

/// The one token that an account gave and the one that it got. A side that left no log is native coin: it is what the
/// pools moved of it, if they can only have moved it for this account, or what one account unwrapped of that to pay it out; what
/// of it was somebody's fee only a trace would show.
fn sides_of_owner(
    transaction: &TransactionView<'_>,
    owner: Address,
    legs: &[Leg],
    is_alone: bool,
) -> Option<((Amount, Amount), Confidence)> {
    let exchange = transaction.net_of_account_with_coin(owner);
    let wrapped = transaction.rules.wrapped?;
    let coin = |side: fn(&Leg) -> Amount| {
        if !is_alone {
            return None;
        }
        let sum = legs.iter().map(side).filter(|(asset, _)| *asset == wrapped).map(|(_, raw)| raw);
        Some((wrapped, sum.reduce(U256::saturating_add)?))
    };
    let paid = |sold: Amount| {
        let bought = coin(|leg| leg.bought)?;
        let route = Route { kind: RouteKind::Swap, sold, bought, legs: (0..legs.len()).collect() };
        let unwrapped = transaction.unwrapper(owner, legs, &route).map(|(_, raw)| raw);
        let is_part = |raw: &U256| *raw <= bought.1 && *raw >= without_fee(bought.1);
        Some((wrapped, unwrapped.filter(is_part).unwrap_or(bought.1)))
    };
    match (&exchange.0[..], &exchange.1[..]) {
        ([given], [got]) => Some(((*given, *got), Confidence::Exact)),
        ([given], []) => Some(((*given, paid(*given)?), Confidence::Estimated)),
        ([], [got]) => Some(((coin(|leg| leg.sold)?, *got), Confidence::Estimated)),
        _ => None,
    }
}
