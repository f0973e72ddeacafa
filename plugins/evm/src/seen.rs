//! What the trader saw: its own transfers, and native coin as far as that can be seen, in place of what pools moved.

use crate::deals::{Deal, Scene};
use crate::legs::Leg;
use crate::net::{Amount, Kind, Route};
use crate::reports::{self, Filler, Report};
use crate::transfers::Transfer;
use alloy_primitives::{Address, U256};

/// Among more transfers than that nobody looks for who gave one token and got one other: it would cost their square.
const MOST_TRANSFERS: usize = 1_024;

impl Scene<'_> {
    /// The deals of one trader as one, where the trader gave one token and got one other, at least one of which went
    /// through a pool; none where the deals say just that already.
    pub(crate) fn whole(&self, deals: &[Deal]) -> Option<Deal> {
        let [first, others @ ..] = deals else { return None };
        let is_one =
            |deal: &Deal| deal.trader == first.trader && deal.router.is_none() && deal.route.kind == Kind::Swap;
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
        Some(Deal { route: Route { kind: Kind::Swap, sold, bought, legs }, ..first.clone() })
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
            route: Route { kind: Kind::Swap, sold, bought, legs: vec![] },
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
            let route = Route { kind: Kind::Swap, sold, bought, legs: vec![] };
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
            if route.kind == Kind::Cycle || router.is_some() {
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
        let mut flows: Vec<(Address, (U256, U256))> = vec![];
        for Transfer { token, from, to, raw } in self.transfers {
            if *to == owner {
                flows.push((*token, (*raw, U256::ZERO)));
            }
            if *from == owner {
                flows.push((*token, (U256::ZERO, *raw)));
            }
        }
        flows.sort_unstable_by_key(|(token, _)| *token);
        flows.dedup_by(|(next, later), (token, sum)| {
            let is_same = next == token;
            if is_same {
                *sum = (sum.0.saturating_add(later.0), sum.1.saturating_add(later.1));
            }
            is_same
        });
        let (mut given, mut got) = (vec![], vec![]);
        for (token, (into, out)) in flows {
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
mod tests {
    use super::*;
    use crate::native::Native;
    use crate::settings::{Rules, Settings};
    use crate::settlement::{Order, Terms};
    use crate::venues::PoolId;
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
        assert_eq!(told(ME, None, &[Report { bought: side(Rules::NATIVE, 20), ..report }], &whole), None);
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
        let traders: Vec<_> =
            deals(&[fill(ME, 1), fill(other, 2)], &paid_in_coin).iter().map(|deal| deal.trader).collect();
        assert_eq!(traders, [ME]);
    }

    /// Native coin leaves no log: a known router's word for it counts, nobody else's.
    #[test]
    fn native_coin_is_paid_out_as_a_known_router_says() {
        let side = |token: Address, raw: u64| (token, U256::from(raw));
        let (sold, bought) = (side(SOLD, 10), side(Rules::NATIVE, 20));
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
                kind: Kind::Swap,
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
        let trader = |transfers: &[Transfer]| {
            let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
            let (orders, operations, reports, filler) = (&[], &[], &[], None);
            let scene = Scene { sender, callee, transfers, orders, operations, reports, filler, native, rules };
            let deals = scene.deals(std::slice::from_ref(&leg));
            deals.into_iter().map(|deal| (deal.trader, deal.evidence)).collect::<Vec<_>>()
        };
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
    }

    #[test]
    fn what_a_relay_gave_is_the_trade_of_whom_the_router_paid() {
        let wrapped = rules().wrapped.unwrap();
        let side = |token: Address, raw: u64| (token, U256::from(raw));
        let (sold, bought) = (side(SOLD, 10), side(wrapped, 20));
        let report = Report { emitter: ROUTER, router: "woofi", sold, bought, receiver: ME, code: None };
        let route = Route { kind: Kind::Swap, sold, bought, legs: vec![] };
        let payee = |reports: &[Report], transfers: &[Transfer], route: &Route| {
            let (sender, callee, native, rules) = (OTHER, Some(ROUTER), Native::default(), &rules());
            let filler = None;
            let scene =
                Scene { sender, callee, transfers, orders: &[], operations: &[], reports, filler, native, rules };
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
}
