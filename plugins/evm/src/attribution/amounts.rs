//! The trader's own amounts: what its account gave and got, in place of what pools moved.

use crate::attribution::filled_orders::paid_to_maker;
use crate::attribution::portions::{is_of_published_router, without_portions};
use crate::attribution::rule::{AttributedRoute, Confidence};
use crate::attribution::transaction::{TransactionView, only, without_fee};
use crate::model::{Amount, Leg, Moved, Route};
use crate::native::Spent;
use crate::reports::Report;
use alloy_primitives::{Address, U256, U512};
use netting::RouteKind;

/// The trader's amount may differ from the pools' by one part in so many in the direction that no fee explains: pools
/// and wrappers round.
const ROUNDING_DIVISOR: u64 = 50;

/// The trader may have given up to so many times what reached the pools, or got down to this part of what left them: the
/// rest is the tax of a token or the fee of a router. Beyond, the flow has another reason.
const MAX_TAX_FACTOR: u64 = 2;

/// Of more routes the rest is not looked at for wrappers: each costs a pass over all transfers.
const MAX_WRAPPED_ROUTES: usize = 16;

/// The routes of one trader as one, where the trader gave one token and got one other, at least one of which went
/// through a pool: what was wrapped, unwrapped or lent on the way is no trade of its own. None where the routes
/// are just that already.
pub(crate) fn merge_into_one(transaction: &TransactionView<'_>, routes: &[AttributedRoute]) -> Option<AttributedRoute> {
    let [first, others @ ..] = routes else { return None };
    let may_merge =
        |of: &AttributedRoute| of.trader == first.trader && of.router.is_none() && of.route.kind == RouteKind::Swap;
    if !may_merge(first) || !others.iter().all(may_merge) {
        return None;
    }
    let (sold, bought) = transaction.only_exchange(first.trader)?;
    let is_side = |asset: Address| routes.iter().any(|of| [of.route.sold.0, of.route.bought.0].contains(&asset));
    let is_same = others.is_empty() && (first.route.sold.0, first.route.bought.0) == (sold.0, bought.0);
    if is_same || !(is_side(sold.0) || is_side(bought.0) || is_way_of_wrappers(transaction, routes, sold, bought)) {
        return None;
    }
    let mut legs: Vec<usize> = routes.iter().flat_map(|of| of.route.legs.clone()).collect();
    legs.sort_unstable();
    Some(AttributedRoute { route: Route { kind: RouteKind::Swap, sold, bought, legs }, ..first.clone() })
}

/// The routes of the sender as what the router that it called reports, where its transfers confirm both sides and it gave and got
/// nothing else: a venue that is in no list had what the pools do not show. None where pools show all of it.
pub(crate) fn as_reported(transaction: &TransactionView<'_>, routes: &[AttributedRoute]) -> Option<AttributedRoute> {
    let (first, sender) = (routes.first()?, transaction.sender);
    let may_merge =
        |of: &AttributedRoute| of.trader == sender && of.router.is_none() && of.route.kind == RouteKind::Swap;
    let is_called = |of: &&Report| Some(of.emitter) == transaction.callee && of.receiver == sender;
    let report = only(transaction.reports.iter().filter(is_called)).filter(|_| routes.iter().all(may_merge))?;
    let (sold, bought) = transaction.confirmed_sides(report)?;
    let (given, got) = transaction.net_of_account_with_coin(sender);
    let sides = match (&given[..], &got[..]) {
        ([given], [got]) if (given.0, got.0) == (sold.0, bought.0) => (*given, *got, Confidence::Exact),
        ([given], []) if given.0 == sold.0 && transaction.is_coin(bought.0) => (*given, bought, Confidence::Reported),
        _ => return None,
    };
    let crossed = |side: fn(&AttributedRoute) -> Amount, asset: Address| {
        let of_asset = routes.iter().map(side).filter(|(of, _)| *of == asset);
        of_asset.fold(U256::ZERO, |sum, (_, raw)| sum.saturating_add(raw))
    };
    let is_shown = crossed(|of| of.route.sold, sold.0) >= without_fee(sides.0.1)
        && crossed(|of| of.route.bought, bought.0) >= without_fee(sides.1.1);
    let mut legs: Vec<usize> = routes.iter().flat_map(|of| of.route.legs.clone()).collect();
    legs.sort_unstable();
    let route = Route { kind: RouteKind::Swap, sold: sides.0, bought: sides.1, legs };
    (!is_shown).then(|| AttributedRoute { route, confidence: sides.2, ..first.clone() })
}

/// Whether pools crossed nothing but shares of what the trader gave and got, which it never held, or gave and got shares of
/// what pools crossed (a lending market's), which it never held either. Each side may be either.
fn is_way_of_wrappers(
    transaction: &TransactionView<'_>,
    routes: &[AttributedRoute],
    sold: Amount,
    bought: Amount,
) -> bool {
    let is_all = |side: fn(&AttributedRoute) -> Amount, (token, raw): Amount, is_sold: bool| {
        let mut crossed: Vec<Address> = routes.iter().take(MAX_WRAPPED_ROUTES).map(|of| side(of).0).collect();
        crossed.sort_unstable();
        crossed.dedup();
        let add = |sum: U256, raw: U256| sum.saturating_add(raw);
        let became_shares =
            crossed.iter().map(|share| transaction.wrapped_by(*share, token, is_sold)).fold(U256::ZERO, add);
        let were_shares =
            crossed.iter().map(|within| transaction.wrapped_by(token, *within, !is_sold)).fold(U256::ZERO, add);
        let by_pools = routes.iter().map(|of| side(of).1).fold(U256::ZERO, add);
        let is_of = |whole: U256, part: U256| part >= without_fee(whole) && without_fee(part) <= whole;
        is_of(raw, became_shares) || (!were_shares.is_zero() && is_of(were_shares, by_pools))
    };
    is_all(|of| of.route.sold, sold, true) && is_all(|of| of.route.bought, bought, false)
}

/// Puts the trader's own amounts in place of the pools', where one route alone can have caused them.
pub(crate) fn use_traders_amounts(transaction: &TransactionView<'_>, legs: &[Leg], routes: &mut [AttributedRoute]) {
    let sides = Sides::from_routes(transaction, routes);
    for AttributedRoute { trader, route, router, confidence, .. } in routes {
        if route.kind == RouteKind::Cycle || router.is_some() {
            continue;
        }
        let reached_pools = route.sold.1;
        if sides.is_of_one_route(*trader, route.sold.0) {
            let sold = sides.sold(transaction, *trader, route);
            route.sold.1 = sold.raw;
            *confidence = sold.confidence.max(*confidence);
        }
        if sides.is_of_one_route(*trader, route.bought.0) {
            let (got, of_bought) = bought(transaction, legs, *trader, route, reached_pools);
            route.bought.1 = got;
            *confidence = of_bought.max(*confidence);
        }
    }
}

/// The sender brought native coin and nothing else, and one route alone sells what the sender never held, for what it got: the
/// coin that the other routes did not use was changed into it by a venue that leaves no event. A rest as small as a fee, or one
/// that may have gone back, is none; where native coin leaves logs, they say what went back.
pub(crate) fn use_rest_of_value(transaction: &TransactionView<'_>, routes: &mut [AttributedRoute]) {
    let (sender, value) = (transaction.sender, transaction.native.value);
    let Some(wrapped) = transaction.rules.wrapped else { return };
    let is_of_sender = |of: &AttributedRoute| of.trader == sender && of.router.is_none();
    if value.is_zero() || !routes.iter().all(is_of_sender) || !transaction.net_of_account(sender).0.is_empty() {
        return;
    }
    let of_coin = routes.iter().filter(|of| of.route.sold.0 == wrapped).map(|of| of.route.sold.1);
    let Some(used) = of_coin.reduce(U256::saturating_add) else { return };
    let is_shown = !transaction.native_moves.is_empty();
    let Moved { into, out } = transaction.native_flow(sender);
    let spent = if is_shown { out.saturating_sub(into) } else { value };
    let rest = spent.saturating_sub(used);
    let may_be_back = !is_shown && transaction.native.asks_for_rest();
    if spent.saturating_sub(rest) >= without_fee(spent) || may_be_back {
        return;
    }
    let mut others = routes.iter_mut().filter(|of| of.route.sold.0 != wrapped);
    if let (Some(other), None) = (others.next(), others.next())
        && !transaction.flow(sender, other.route.bought.0).into.is_zero()
    {
        other.route.sold = (wrapped, rest);
        other.confidence = if is_shown { Confidence::Exact } else { Confidence::Estimated };
    }
}

/// The sides of all routes of a transaction.
struct Sides {
    /// Traders with the assets of their routes, sorted.
    uses: Vec<(Address, Address)>,
    /// Assets sold by a trader who gave none of it, sorted: somebody else gave it, for a route of their own as well.
    given_by_others: Vec<Address>,
}

impl Sides {
    fn from_routes(transaction: &TransactionView<'_>, routes: &[AttributedRoute]) -> Self {
        let assets = |of: &AttributedRoute| [of.route.sold.0, of.route.bought.0].map(|asset| (of.trader, asset));
        let mut uses: Vec<(Address, Address)> = routes.iter().flat_map(assets).collect();
        uses.sort_unstable();
        let gave_nothing = |of: &&AttributedRoute| given(transaction, of.trader, of.route.sold.0).is_zero();
        let mut given_by_others: Vec<Address> = routes.iter().filter(gave_nothing).map(|of| of.route.sold.0).collect();
        given_by_others.sort_unstable();
        Self { uses, given_by_others }
    }

    /// Whether one route only has this asset on a side of this trader.
    fn is_of_one_route(&self, trader: Address, asset: Address) -> bool {
        let first = self.uses.partition_point(|of| *of < (trader, asset));
        self.uses[first..].iter().take(2).filter(|of| **of == (trader, asset)).count() == 1
    }

    /// What the trader gave of the asset sold.
    fn sold(&self, transaction: &TransactionView<'_>, trader: Address, route: &Route) -> Spent {
        let (asset, raw) = route.sold;
        let gave = given(transaction, trader, asset);
        let is_not_too_much = if self.given_by_others.binary_search(&asset).is_ok() {
            gave <= raw.saturating_add(rounding(raw))
        } else {
            gave / U256::from(MAX_TAX_FACTOR) <= raw
        };
        let has_more = !gave.is_zero() && has_more_than_pools_show(transaction, trader, route);
        if (gave >= raw - rounding(raw) && is_not_too_much) || has_more {
            Spent::certain(gave)
        } else if let Some(spent) = native_side(transaction, trader, asset, gave, raw, true) {
            Spent::certain(spent)
        } else if gave.is_zero() && trader == transaction.sender && transaction.is_coin(asset) {
            transaction.native.spent(raw, route.bought.1)
        } else {
            Spent::certain(raw)
        }
    }
}

/// What the trader got of the asset bought; `reached_pools` of what the trader sold. More than the pools gave it got only
/// where it gave more than reached them, and in the same measure: a venue that is in no list had the rest of both.
fn bought(
    transaction: &TransactionView<'_>,
    legs: &[Leg],
    trader: Address,
    route: &Route,
    reached_pools: U256,
) -> (U256, Confidence) {
    let (asset, raw) = route.bought;
    let Moved { into, out } = transaction.flow(trader, asset);
    let got = into.saturating_sub(out);
    let in_measure = raw.saturating_mul(route.sold.1.max(reached_pools)) / reached_pools.max(U256::ONE);
    let is_likely = got >= raw / U256::from(MAX_TAX_FACTOR) && got <= in_measure.saturating_add(rounding(in_measure));
    if !got.is_zero() && (is_likely || has_more_than_pools_show(transaction, trader, route)) {
        return (got, Confidence::Exact);
    }
    if let Some(paid) = native_side(transaction, trader, asset, got, raw, false) {
        return (paid, Confidence::Exact);
    }
    if !got.is_zero() || !transaction.is_coin(asset) {
        return (raw, Confidence::Exact);
    }
    if let Some(paid) = paid_out(transaction, trader, route) {
        return (paid, Confidence::Reported);
    }
    if let Some(paid) = paid_to_maker(transaction, legs, trader, route) {
        return paid;
    }
    let unwrapped = unwrapped_for(transaction, legs, trader, route);
    let portions = if trader == transaction.sender { transaction.portions(legs) } else { vec![] };
    if !portions.is_empty() {
        let (paid, _) = without_portions(unwrapped.unwrap_or(raw), &portions);
        return (paid, Confidence::Reported);
    }
    let is_published = is_of_published_router(&transaction.native.call());
    let shown = if is_published { Confidence::Exact } else { Confidence::Assumed };
    if let Some(unwrapped) = unwrapped {
        return (unwrapped, shown);
    }
    // Another sum than the pools gave was unwrapped, and nothing shows whose the rest is.
    let native = &transaction.native;
    let is_other = ![U256::ZERO, raw].contains(&native.unwrapped)
        && native.unwrapped_by_callee != raw
        && !native.unwrappings.iter().any(|(_, unwrapped)| *unwrapped == raw);
    (raw, if is_other { Confidence::Estimated } else { shown })
}

/// The native coin that left the trader's account or came to it, where that leaves logs, and no wrapped coin did.
fn native_side(
    transaction: &TransactionView<'_>,
    trader: Address,
    asset: Address,
    wrapped: U256,
    raw: U256,
    is_sold: bool,
) -> Option<U256> {
    if !transaction.is_coin(asset) || !wrapped.is_zero() {
        return None;
    }
    let Moved { into, out } = transaction.native_flow(trader);
    let moved = if is_sold { out.checked_sub(into)? } else { into.checked_sub(out)? };
    let (least, most) = if is_sold {
        (raw - rounding(raw), raw.saturating_mul(U256::from(MAX_TAX_FACTOR)))
    } else {
        (raw / U256::from(MAX_TAX_FACTOR), raw.saturating_add(rounding(raw)))
    };
    (!moved.is_zero() && moved >= least && moved <= most).then_some(moved)
}

/// The native coin that a router reports to have paid out for all that was sold: the router called, else the only one
/// that reports so. No more than the pools gave, no less than half.
pub(crate) fn paid_out(transaction: &TransactionView<'_>, trader: Address, route: &Route) -> Option<U256> {
    let is_of_route = |report: &&Report| {
        let (sold, bought) = transaction.sides_of_report(report);
        (sold.0, bought.0) == (route.sold.0, route.bought.0)
    };
    let is_called = |report: &&Report| Some(report.emitter) == transaction.callee && report.receiver == trader;
    let is_of_all = |report: &&Report| report.sold.1 == route.sold.1;
    let all = || transaction.reports.iter().filter(is_of_route);
    let report = only(all().filter(is_called)).or_else(|| only(all().filter(is_of_all)))?;
    let (paid, from_pools) = (report.bought.1, route.bought.1);
    (paid <= from_pools && paid >= from_pools / U256::from(MAX_TAX_FACTOR)).then_some(paid)
}

/// The native coin that one account (the router called, or who carries out for it) unwrapped of what the pools gave, where a
/// fee was kept or paid on before.
fn unwrapped_for(transaction: &TransactionView<'_>, legs: &[Leg], trader: Address, route: &Route) -> Option<U256> {
    let (_, unwrapped) = transaction.unwrapper(trader, legs, route)?;
    let from_pools = route.bought.1;
    (unwrapped < from_pools && unwrapped >= without_fee(from_pools)).then_some(unwrapped)
}

/// Whether the trader gave one token and got one other, those of the route, while a manager told swaps in pools whose keys
/// nobody knows: they had the rest, at a price that is not more than twofold another.
fn has_more_than_pools_show(transaction: &TransactionView<'_>, trader: Address, route: &Route) -> bool {
    if transaction.venue_of_unknown_keys.is_none() {
        return false;
    }
    let Some((sold, bought)) = transaction.only_exchange(trader) else { return false };
    let cross = |one: U256, two: U256| U512::from(one) * U512::from(two);
    let (own, of_pools) = (cross(sold.1, route.bought.1), cross(bought.1, route.sold.1));
    let factor = U512::from(MAX_TAX_FACTOR);
    (sold.0, bought.0) == (route.sold.0, route.bought.0) && own <= of_pools * factor && of_pools <= own * factor
}

/// What an account gave of a token, less what it got.
fn given(transaction: &TransactionView<'_>, account: Address, token: Address) -> U256 {
    let Moved { into, out } = transaction.flow(account, token);
    out.saturating_sub(into)
}

fn rounding(raw: U256) -> U256 {
    raw / U256::from(ROUNDING_DIVISOR)
}
