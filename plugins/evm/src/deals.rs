//! Deals: the routes of a transaction, each with the one who traded and how that is known.
//!
//! The rules, in order:
//! 1. Orders that name their owner (CoW, UniswapX) are one deal each, and so are several orders of a venue that does not
//!    (1inch), where just as many accounts gave one token and got one other; the pools crossed are the solver's business.
//! 2. In a bundle of user operations the legs of each belong to its account and are netted by themselves.
//! 3. Else all legs are netted together, and the trader is the transaction's sender, unless it neither gave nor got
//!    while a router paid native coin to an account that moved no token, or exactly one other account gave what was sold
//!    and got what was bought, or exactly one got what was bought for what was minted (what a bridge brings).
//! 4. Where all that one trader gave is one token and all that it got is another, and pools were crossed between them,
//!    that is one deal: what was wrapped, unwrapped or lent on the way is no trade of its own.
//! 5. Without a pool, a router's report or a filled order makes a deal where transfers show both of its sides.
//! 6. Where the trader's own transfers tell another amount than the pools, because a router took a fee, a token its tax,
//!    or a wrapper rounded, the trader's counts: what left the account, what arrived.

use crate::model::{Amount, Leg, Route, Transfer};
use crate::native::Native;
use crate::reports::{Filler, Report};
use crate::rules::Rules;
use crate::settlement::{COW_ETH_FLOWS, Operation, Order};
use alloy_primitives::{Address, U256};
use netting::{RouteKind, TraderView};
use std::collections::{BTreeMap, BTreeSet};

/// A route and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// What was given for what, through which legs.
    pub route: Route,
    /// Who traded.
    pub trader: Address,
    /// How that is known.
    pub evidence: &'static str,
    /// Who settled it, where an event says so.
    pub router: Option<&'static str>,
}

/// What is known of the transaction beside its legs.
pub struct Scene<'a> {
    /// Who sent it.
    pub sender: Address,
    /// Whom it called.
    pub callee: Option<Address>,
    /// All token transfers in it.
    pub transfers: &'a [Transfer],
    /// Orders settled in it.
    pub orders: &'a [Order],
    /// Operations bundled in it.
    pub operations: &'a [Operation],
    /// What routers say that they did.
    pub reports: &'a [Report],
    /// Who traded for somebody, also without a venue.
    pub filler: Option<Filler>,
    /// What is known of native coin.
    pub native: Native<'a>,
    /// The chain's cash.
    pub rules: &'a Rules,
}

/// Whoever emits more fills than that in one transaction means to keep us busy: anybody may emit them.
const MOST_OWNERS: usize = 256;

impl Scene<'_> {
    /// The deals of the transaction, in the order of their first legs.
    pub fn deals(&self, legs: &[Leg]) -> Vec<Deal> {
        let mut deals = self.by_rule(legs);
        if let Some(whole) = self.whole(&deals) {
            return vec![whole];
        }
        self.as_the_trader_saw(&mut deals);
        deals
    }

    fn by_rule(&self, legs: &[Leg]) -> Vec<Deal> {
        let ordered = self.ordered(legs);
        if !ordered.is_empty() {
            return ordered;
        }
        if legs.is_empty() {
            return self.told().into_iter().collect();
        }
        if self.operations.is_empty() {
            let all: Vec<usize> = (0..legs.len()).collect();
            return self.netted(legs, &all, None);
        }
        let mut deals = vec![];
        let mut first = 0;
        for operation in self.operations {
            let of_it = |at: &usize| (first..operation.place).contains(&legs[*at].place);
            let part: Vec<usize> = (0..legs.len()).filter(of_it).collect();
            deals.extend(self.netted(legs, &part, Some(operation.account)));
            first = operation.place;
        }
        let rest: Vec<usize> = (0..legs.len()).filter(|at| legs[*at].place >= first).collect();
        deals.extend(self.netted(legs, &rest, None));
        deals
    }

    /// Nets some of the legs; without an owner, what moved tells whose each route is.
    fn netted(&self, legs: &[Leg], which: &[usize], owner: Option<Address>) -> Vec<Deal> {
        let part: Vec<Leg> = which.iter().map(|at| legs[*at].clone()).collect();
        let holder = owner.unwrap_or(self.sender);
        let judge = Witness { scene: self, legs: &part, owner: holder };
        let deal = |mut route: Route| {
            let (trader, evidence) = match owner {
                Some(account) => (account, "user-operation"),
                None => self.trader(&route, &part),
            };
            for at in &mut route.legs {
                *at = which[*at];
            }
            Deal { route, trader, evidence, router: None }
        };
        netting::routes(&part, &judge).into_iter().map(deal).collect()
    }

    fn trader(&self, route: &Route, legs: &[Leg]) -> (Address, &'static str) {
        const SENDER: &str = "tx-sender";
        let ((sold, given), (bought, got)) = (route.sold, route.bought);
        let wraps = |asset: Address| self.rules.wrapped == Some(asset);
        let gave = |who: Address| matches!(self.flow(who, sold), (into, out) if out > into);
        let has_native = wraps(sold) && !self.native.value.is_zero();
        let took = |who: Address| matches!(self.flow(who, bought), (into, out) if into > out);
        if route.kind == RouteKind::Cycle || has_native || gave(self.sender) || took(self.sender) {
            return (self.sender, SENDER);
        }
        if let Some(payee) = self.payee(route) {
            return (payee, "recipient");
        }
        let (of_sold, of_bought) = (self.moved(sold), self.moved(bought));
        // Nine tenths: a fee may have been taken before the pools or after them.
        let most = |whole: U256| whole - whole / U256::from(10);
        let is_else = |who: &Address| {
            let is_pool = legs.iter().any(|leg| leg.holder == *who);
            !is_pool && Some(*who) != self.callee && *who != sold && *who != bought && !who.is_zero()
        };
        let is_other = |(who, (into, out)): &(&Address, &(U256, U256))| {
            let paid = out.saturating_sub(*into) >= most(given);
            let was_paid =
                wraps(bought) || of_bought.get(*who).is_some_and(|(into, out)| into.saturating_sub(*out) >= most(got));
            paid && was_paid && is_else(who)
        };
        let mut others = of_sold.iter().filter(is_other);
        if let (Some((who, _)), None) = (others.next(), others.next()) {
            return (*who, "token-flow");
        }
        if let Some(who) = self.maker(legs) {
            return (who, "token-flow");
        }
        // A bridge mints what it brings and trades it on arrival: its sender gave nothing, and one account got all.
        let gave_nothing = self.native.value.is_zero() && self.net_of(self.sender).0.is_empty();
        let minted = of_sold.get(&Address::ZERO).map_or(U256::ZERO, |(into, out)| out.saturating_sub(*into));
        // What is unwrapped goes on as native coin, and no log says to whom.
        let goes_on = wraps(bought) && !self.native.unwrapped.is_zero();
        let is_arrival = gave_nothing && minted >= most(given) && !goes_on;
        let was_paid =
            |(who, (into, out)): &(&Address, &(U256, U256))| into.saturating_sub(*out) >= most(got) && is_else(who);
        let mut receivers = of_bought.iter().filter(was_paid);
        match (receivers.next(), receivers.next()) {
            (Some((who, _)), None) if is_arrival => (*who, "recipient"),
            _ => (self.sender, SENDER),
        }
    }

    /// What came to and went from each account of one token.
    fn moved(&self, token: Address) -> BTreeMap<Address, (U256, U256)> {
        let mut moved: BTreeMap<Address, (U256, U256)> = BTreeMap::new();
        for Transfer { from, to, raw, .. } in self.transfers.iter().filter(|transfer| transfer.token == token) {
            let into = &mut moved.entry(*to).or_default().0;
            *into = into.saturating_add(*raw);
            let out = &mut moved.entry(*from).or_default().1;
            *out = out.saturating_add(*raw);
        }
        moved
    }

    /// One deal per order whose both sides are known; every leg in one of them.
    fn ordered(&self, legs: &[Leg]) -> Vec<Deal> {
        // Two fills for one account are told by one and the same flow.
        let mut told = BTreeSet::new();
        let is_new = |order: &&Order| order.terms.is_some() || told.insert(order.owner);
        let mut orders: Vec<&Order> = self.orders.iter().filter(is_new).collect();
        if told.len() > MOST_OWNERS {
            // What a settlement itself says of its terms stands all the same.
            orders.retain(|order| order.terms.is_some());
        }
        let is_alone = orders.len() == 1;
        let mut deals: Vec<Deal> = orders.iter().filter_map(|order| self.order(order, legs, is_alone)).collect();
        if deals.is_empty() {
            deals = self.filled(legs);
        }
        if deals.is_empty() {
            return deals;
        }
        for (at, leg) in legs.iter().enumerate() {
            let whole = |deal: &Deal| (deal.route.sold.0, deal.route.bought.0) == (leg.sold.0, leg.bought.0);
            let half = |deal: &Deal| deal.route.sold.0 == leg.sold.0 || deal.route.bought.0 == leg.bought.0;
            let of = deals.iter().position(whole).or_else(|| deals.iter().position(half)).unwrap_or(0);
            deals[of].route.legs.push(at);
        }
        deals
    }

    fn order(&self, order: &Order, legs: &[Leg], is_alone: bool) -> Option<Deal> {
        let (sold, bought) = match order.terms {
            Some(terms) => {
                let asset = |(token, raw): Amount| (self.rules.asset(token), raw);
                (asset(terms.sold), asset(terms.bought))
            }
            None => self.flows_of(order.owner, legs, is_alone)?,
        };
        if sold.0 == bought.0 || sold.1.is_zero() || bought.1.is_zero() {
            return None;
        }
        let pays = |transfer: &&Transfer| transfer.token == bought.0 && transfer.raw == bought.1;
        let paid = self.transfers.iter().rev().find(pays).map(|transfer| transfer.to);
        let (trader, evidence) = match paid {
            Some(account) if COW_ETH_FLOWS.contains(&order.owner) => (account, "recipient"),
            _ => (order.owner, "event-owner"),
        };
        let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![] };
        Some(Deal { route, trader, evidence, router: Some(order.router) })
    }

    /// The one token that an account gave and the one that it got; where one of them left no log, what the pools did, if
    /// that can only have been for this account.
    fn flows_of(&self, owner: Address, legs: &[Leg], is_alone: bool) -> Option<(Amount, Amount)> {
        let (given, got) = self.net_of(owner);
        let wrapped = self.rules.wrapped?;
        let native = |of: fn(&Leg) -> Amount| {
            if !is_alone {
                return None;
            }
            let sum = legs.iter().map(of).filter(|(asset, _)| *asset == wrapped).map(|(_, raw)| raw);
            Some((wrapped, sum.reduce(U256::saturating_add)?))
        };
        match (&given[..], &got[..]) {
            ([given], [got]) => Some((*given, *got)),
            ([given], []) => Some((*given, native(|leg| leg.bought)?)),
            ([], [got]) => Some((native(|leg| leg.sold)?, *got)),
            _ => None,
        }
    }
}

/// Decides by the transfers of the transaction what stayed with the trader.
struct Witness<'a, 'b> {
    scene: &'a Scene<'b>,
    legs: &'a [Leg],
    owner: Address,
}

impl TraderView<Address> for Witness<'_, '_> {
    /// The owner, the contract that was called and whoever the pools were told to pay count as the trader; pools do not,
    /// nor does the token itself. The wrapped coin always counts: it leaves as native coin, which no log shows.
    fn stayed_with_trader(&self, asset: Address, is_gain: bool) -> bool {
        if self.scene.rules.wrapped == Some(asset) {
            return true;
        }
        let mut holders: Vec<Address> = [Some(self.owner), self.scene.callee]
            .into_iter()
            .flatten()
            .chain(self.legs.iter().filter_map(|leg| leg.recipient))
            .filter(|holder| *holder != asset)
            .collect();
        holders.sort_unstable();
        holders.dedup();
        let mut pools: Vec<Address> = self.legs.iter().map(|leg| leg.holder).collect();
        pools.sort_unstable();
        let holds = |address: &Address| holders.binary_search(address).is_ok() && pools.binary_search(address).is_err();
        let (mut into, mut out) = (U256::ZERO, U256::ZERO);
        for transfer in self.scene.transfers.iter().filter(|transfer| transfer.token == asset) {
            match (holds(&transfer.from), holds(&transfer.to)) {
                (false, true) => into = into.saturating_add(transfer.raw),
                (true, false) => out = out.saturating_add(transfer.raw),
                _ => {}
            }
        }
        if is_gain { into > out } else { out > into }
    }

    fn cash_rank(&self, asset: Address) -> u8 {
        let rules = self.scene.rules;
        match (rules.wrapped == Some(asset), rules.is_stable(asset)) {
            (true, _) => 2,
            (_, true) => 1,
            _ => 0,
        }
    }
}
