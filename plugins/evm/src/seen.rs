//! What the trader saw: its own transfers, and native coin as far as that can be seen, in place of what pools moved.

use crate::deals::{Deal, Scene};
use crate::model::{Amount, Leg, Moved, Route, Transfer};
use crate::reports::{self, Filler, Report};
use crate::transfers;
use alloy_primitives::{Address, U256};
use netting::RouteKind;

/// Among more transfers than that nobody looks for who gave one token and got one other: it would cost their square.
const MOST_TRANSFERS: usize = 1_024;

impl Scene<'_> {
    /// The deals of one trader as one, where the trader gave one token and got one other, at least one of which went
    /// through a pool; none where the deals say just that already.
    pub(crate) fn whole(&self, deals: &[Deal]) -> Option<Deal> {
        let [first, others @ ..] = deals else { return None };
        let is_one =
            |deal: &Deal| deal.trader == first.trader && deal.router.is_none() && deal.route.kind == RouteKind::Swap;
        if !is_one(first) || !others.iter().all(is_one) {
            return None;
        }
        let (sold, bought) = self.only_flows(first.trader)?;
        let is_side =
            |asset: Address| deals.iter().any(|deal| deal.route.sold.0 == asset || deal.route.bought.0 == asset);
        let is_said = others.is_empty() && (first.route.sold.0, first.route.bought.0) == (sold.0, bought.0);
        if is_said || !(is_side(sold.0) || is_side(bought.0)) {
            return None;
        }
        let mut legs: Vec<usize> = deals.iter().flat_map(|deal| deal.route.legs.clone()).collect();
        legs.sort_unstable();
        Some(Deal { route: Route { kind: RouteKind::Swap, sold, bought, legs }, ..first.clone() })
    }

    /// The one token that an account gave and the one that it got; none where there were others. What the sender brought
    /// along counts where it gave nothing else, and unless the rest of it may have gone back.
    fn only_flows(&self, owner: Address) -> Option<(Amount, Amount)> {
        let (given, got) = self.net_of(owner);
        match (&given[..], &got[..]) {
            ([given], [got]) => Some((*given, *got)),
            ([], [got]) if owner == self.sender && !self.native.value.is_zero() => {
                let wrapped = self.rules.wrapped?;
                let is_whole = !self.native.was_asked_for(got.1) && got.0 != wrapped;
                is_whole.then_some(((wrapped, self.native.value), *got))
            }
            _ => None,
        }
    }

    /// The deal of a transaction that crossed no pool: what a router reports and transfers confirm, or what the sender gave
    /// and got where a standing order was filled.
    pub(crate) fn told(&self) -> Option<Deal> {
        let deal = |trader, evidence, router, (sold, bought): (Amount, Amount)| Deal {
            route: Route { kind: RouteKind::Swap, sold, bought, legs: vec![] },
            trader,
            evidence,
            router: Some(router),
        };
        let reported = self.reports.iter().rev().find_map(|report| Some((report.router, self.confirmed(report)?)));
        if let Some((router, sides)) = reported {
            return Some(deal(self.sender, "tx-sender", router, sides));
        }
        let router = self.filler?.router;
        if let Some(sides) = self.only_flows(self.sender).or_else(|| self.unwrapped_for_sender()) {
            return Some(deal(self.sender, "tx-sender", router, sides));
        }
        let maker = self.maker(&[])?;
        Some(deal(maker, "token-flow", router, self.only_flows(maker)?))
    }

    /// The one token that the sender gave, for all that was unwrapped.
    fn unwrapped_for_sender(&self) -> Option<(Amount, Amount)> {
        let (given, got) = self.net_of(self.sender);
        let (wrapped, raw) = (self.rules.wrapped?, self.native.unwrapped);
        match (&given[..], &got[..]) {
            ([given], []) if given.0 != wrapped && !raw.is_zero() => Some((*given, (wrapped, raw))),
            _ => None,
        }
    }

    /// The sides of a report, if the sender gave the one and the receiver got the other: by transfers, or native coin as
    /// far as it was brought along or unwrapped, or a router that is known says that it paid it.
    fn confirmed(&self, report: &Report) -> Option<(Amount, Amount)> {
        let (sold, bought) = self.sides_of(report);
        let gave = |(into, out): (U256, U256)| out.saturating_sub(into);
        let is_coin = |asset: Address| self.rules.wrapped == Some(asset);
        let (into, out) = self.flow(report.receiver, bought.0);
        let is_given =
            gave(self.flow(self.sender, sold.0)) >= sold.1 || (is_coin(sold.0) && self.native.value >= sold.1);
        let is_paid = self.native.unwrapped >= bought.1 || reports::is_filler(report.emitter);
        let is_got = gave((out, into)) >= bought.1 || (is_coin(bought.0) && is_paid);
        let is_trade = sold.0 != bought.0 && !sold.1.is_zero() && !bought.1.is_zero();
        (is_trade && is_given && is_got).then_some((sold, bought))
    }

    fn sides_of(&self, report: &Report) -> (Amount, Amount) {
        let asset = |(token, raw): Amount| (self.rules.asset(token), raw);
        (asset(report.sold), asset(report.bought))
    }

    /// Where a standing order was filled and the sender neither gave nor got anything: the one other account that gave one
    /// token and got one other, and is no pool, no contract called and nobody that the pools paid.
    pub(crate) fn maker(&self, legs: &[Leg]) -> Option<Address> {
        only(self.makers(legs).into_iter())
    }

    /// Where several such orders were filled, one deal for each, if there are just as many accounts like that.
    pub(crate) fn filled(&self, legs: &[Leg]) -> Vec<Deal> {
        let Some(Filler { router, fills: 2.. }) = self.filler else { return vec![] };
        let deal = |trader: Address| {
            let (sold, bought) = self.only_flows(trader)?;
            let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![] };
            Some(Deal { route, trader, evidence: "token-flow", router: Some(router) })
        };
        let makers = self.makers(legs);
        let is_all = self.filler.is_some_and(|filler| filler.fills == makers.len());
        if is_all { makers.into_iter().filter_map(deal).collect() } else { vec![] }
    }

    fn makers(&self, legs: &[Leg]) -> Vec<Address> {
        let (given, got) = self.net_of(self.sender);
        if self.filler.is_none() || !given.is_empty() || !got.is_empty() || self.transfers.len() > MOST_TRANSFERS {
            return vec![];
        }
        let is_busy = |who: &Address| {
            let in_leg = |leg: &Leg| leg.holder == *who || leg.recipient == Some(*who);
            who.is_zero() || Some(*who) == self.callee || legs.iter().any(in_leg)
        };
        let mut givers: Vec<Address> = self.transfers.iter().map(|transfer| transfer.from).collect();
        givers.sort_unstable();
        givers.dedup();
        givers.retain(|who| !is_busy(who) && self.only_flows(*who).is_some());
        givers
    }

    /// Puts the trader's own amounts in place of the pools', where one deal alone can have caused them.
    pub(crate) fn as_the_trader_saw(&self, deals: &mut [Deal]) {
        let mut uses: Vec<(Address, Address)> = deals
            .iter()
            .flat_map(|deal| [deal.route.sold.0, deal.route.bought.0].map(|of| (deal.trader, of)))
            .collect();
        uses.sort_unstable();
        let is_alone = |trader: Address, asset: Address| {
            let first = uses.partition_point(|of| *of < (trader, asset));
            uses[first..].iter().take(2).filter(|of| **of == (trader, asset)).count() == 1
        };
        let gave = |trader: Address, asset: Address| {
            let (into, out) = self.flow(trader, asset);
            out.saturating_sub(into)
        };
        // Sold by one who gave none of it: somebody else gave it, for a deal of their own as well.
        let mut given_by_others: Vec<Address> = deals
            .iter()
            .filter(|deal| gave(deal.trader, deal.route.sold.0).is_zero())
            .map(|deal| deal.route.sold.0)
            .collect();
        given_by_others.sort_unstable();
        let slack = |raw: U256| raw / U256::from(50);
        for Deal { trader, route, router, .. } in deals {
            if route.kind == RouteKind::Cycle || router.is_some() {
                continue;
            }
            let (asset, raw) = route.sold;
            if is_alone(*trader, asset) {
                let gave = gave(*trader, asset);
                let is_most = if given_by_others.binary_search(&asset).is_ok() {
                    gave <= raw.saturating_add(slack(raw))
                } else {
                    gave / U256::from(2) <= raw
                };
                if gave >= raw - slack(raw) && is_most {
                    route.sold.1 = gave;
                } else if gave.is_zero() && *trader == self.sender && self.rules.wrapped == Some(asset) {
                    route.sold.1 = self.native.spent(raw, route.bought.1);
                }
            }
            let (asset, raw) = route.bought;
            if is_alone(*trader, asset) {
                let (into, out) = self.flow(*trader, asset);
                let got = into.saturating_sub(out);
                if got >= raw / U256::from(2) && got <= raw.saturating_add(slack(raw)) && !got.is_zero() {
                    route.bought.1 = got;
                } else if got.is_zero() && self.rules.wrapped == Some(asset) {
                    route.bought.1 = self.paid_out(*trader, route).unwrap_or(raw);
                }
            }
        }
    }

    /// The native coin that a router says it paid out for all that was sold: the router called, else the only one that says
    /// so; no more than the pools gave, no less than half.
    fn paid_out(&self, trader: Address, route: &Route) -> Option<U256> {
        let is_of = |report: &&Report| {
            let (sold, bought) = self.sides_of(report);
            (sold.0, bought.0) == (route.sold.0, route.bought.0)
        };
        let is_called = |report: &&Report| Some(report.emitter) == self.callee && report.receiver == trader;
        let all = || self.reports.iter().filter(is_of);
        let whole = |report: &&Report| report.sold.1 == route.sold.1;
        let report = only(all().filter(is_called)).or_else(|| only(all().filter(whole)))?;
        let (paid, most) = (report.bought.1, route.bought.1);
        (paid <= most && paid >= most / U256::from(2)).then_some(paid)
    }

    /// Whom a router says it paid in native coin for what was sold, where that is an account that moved no token: not the
    /// one that gave, but the one that got (a bridge or relay gives in its name).
    pub(crate) fn payee(&self, route: &Route) -> Option<Address> {
        let is_of = |report: &&Report| {
            let (sold, bought) = self.sides_of(report);
            (sold, bought.0) == (route.sold, route.bought.0) && self.rules.wrapped == Some(bought.0)
        };
        let who = only(self.reports.iter().filter(is_of))?.receiver;
        let is_busy = self.transfers.iter().any(|transfer| transfer.from == who || transfer.to == who);
        let is_end = ![Some(self.sender), self.callee].contains(&Some(who)) && !who.is_zero();
        (is_end && !is_busy).then_some(who)
    }

    /// What came to and went from one account of one token.
    pub(crate) fn flow(&self, account: Address, token: Address) -> (U256, U256) {
        let (mut into, mut out) = (U256::ZERO, U256::ZERO);
        for transfer in self.transfers.iter().filter(|transfer| transfer.token == token) {
            if transfer.to == account {
                into = into.saturating_add(transfer.raw);
            }
            if transfer.from == account {
                out = out.saturating_add(transfer.raw);
            }
        }
        (into, out)
    }

    /// What an account gave and what it got, by token.
    pub(crate) fn net_of(&self, owner: Address) -> (Vec<Amount>, Vec<Amount>) {
        let mut flows: Vec<(Address, Moved)> = vec![];
        for Transfer { token, from, to, raw } in self.transfers {
            if *to == owner {
                flows.push((*token, Moved { into: *raw, out: U256::ZERO }));
            }
            if *from == owner {
                flows.push((*token, Moved { into: U256::ZERO, out: *raw }));
            }
        }
        transfers::add_up(&mut flows);
        let (mut given, mut got) = (vec![], vec![]);
        for (token, Moved { into, out }) in flows {
            if out > into {
                given.push((token, out - into));
            } else if into > out {
                got.push((token, into - out));
            }
        }
        (given, got)
    }
}

/// The first, if there is no second.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    match (all.next(), all.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
