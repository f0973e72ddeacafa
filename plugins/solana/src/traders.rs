//! Attribution: from the party that stood before the pools to the trader who is charged.
//!
//! A signer who gave to a pool is the trader. Routers give from accounts of their own, on behalf of a signer; keepers fill
//! the orders of people who sign nothing. In both cases the holdings that changed decide.

use crate::accounts::Accounts;
use crate::cash::Cash;
use crate::model::{Leg, Route, SOL};
use crate::view::TransactionView;
use netting::{RouteKind, TraderView};

/// Who is charged for a trade, and by which evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trader {
    /// The address that is charged.
    pub(crate) address: String,
    /// `signer`, `event-owner`, `owner`, `recipient`.
    pub(crate) evidence: &'static str,
}

/// The legs of a transaction by trader, in the order of their first legs.
pub(crate) fn group_by_trader(view: &TransactionView<'_, '_, '_>, legs: Vec<Leg>) -> Vec<(Trader, Vec<Leg>)> {
    let mut groups: Vec<(Trader, Vec<Leg>)> = vec![];
    let traders: Vec<Trader> = legs.iter().map(|leg| trader_of_leg(view, leg, &legs)).collect();
    for (trader, leg) in traders.into_iter().zip(legs) {
        match groups.iter_mut().find(|(known, _)| known.address == trader.address) {
            Some((_, legs)) => legs.push(leg),
            None => groups.push((trader, vec![leg])),
        }
    }
    groups
}

/// The trader behind the party that gave to the pool.
fn trader_of_leg(view: &TransactionView<'_, '_, '_>, leg: &Leg, legs: &[Leg]) -> Trader {
    let accounts = view.accounts;
    let user = |evidence| Trader { address: leg.user.clone(), evidence };
    if accounts.signs(&leg.user) {
        return user("signer");
    }
    let is_pool = legs.iter().any(|other| other.counterparts.contains(&leg.user));
    let exchanged =
        accounts.balance_change(&leg.user, &leg.sold.0) < 0 && accounts.balance_change(&leg.user, &leg.bought.0) > 0;
    if exchanged && !is_pool {
        return user(if leg.venue == "pump-fun" { "event-owner" } else { "owner" });
    }
    // A router: it acted for a signer. First come signers who gave it something or got something of it, then those whose
    // holdings changed; of equals the first, who pays.
    let deals_with_router = |signer: &str| {
        view.transfers.iter().any(|transfer| {
            let (from, to) = (transfer.from, transfer.to);
            (view.is_of_party(from, signer) && view.is_of_party(to, &leg.user))
                || (view.is_of_party(from, &leg.user) && view.is_of_party(to, signer))
        })
    };
    let has_changed = |signer: &str| {
        legs.iter().any(|leg| leg.sold.0 != SOL && accounts.balance_change(signer, &leg.sold.0) < 0)
            || legs.iter().any(|leg| leg.bought.0 != SOL && accounts.balance_change(signer, &leg.bought.0) > 0)
    };
    let rank = |signer: &&str| (deals_with_router(signer), has_changed(signer));
    let best = accounts.signers().collect::<Vec<_>>().into_iter().rev().max_by_key(rank);
    Trader { address: best.unwrap_or(accounts.payer()).to_owned(), evidence: "signer" }
}

/// The trader of one route. A signer who neither lost what was sold nor got what was bought acted for somebody else: for the
/// one party that got it, if there is exactly one.
pub(crate) fn trader_or_recipient(
    view: &TransactionView<'_, '_, '_>,
    trader: Trader,
    route: &Route<'_>,
    legs: &[Leg],
) -> Trader {
    let accounts = view.accounts;
    let (sold, bought) = (route.sold.0, route.bought.0);
    let acted_for_itself =
        |party: &str| accounts.balance_change(party, sold) < 0 || accounts.balance_change(party, bought) > 0;
    let is_cycle = route.kind == RouteKind::Cycle;
    if is_cycle || bought == SOL || trader.evidence != "signer" || acted_for_itself(&trader.address) {
        return trader;
    }
    let is_partner = |party: &str| legs.iter().any(|leg| leg.counterparts.iter().any(|known| known == party));
    let half = u128::try_from(route.bought.1 / ruint::aliases::U256::from(2)).map(i128::try_from);
    let Ok(Ok(half)) = half else { return trader };
    let mut recipients: Vec<&str> = accounts
        .token_accounts()
        .filter(|(_, account)| account.mint == bought)
        .map(|(_, account)| account.owner.as_ref())
        .filter(|owner| !owner.is_empty() && !is_partner(owner) && accounts.balance_change(owner, bought) > half)
        .collect();
    recipients.sort_unstable();
    recipients.dedup();
    match recipients[..] {
        [one] => Trader { address: one.to_owned(), evidence: "recipient" },
        _ => trader,
    }
}

/// The holdings of one trader, by which netting decides what stayed with them.
pub(crate) struct TraderHoldings<'x, 't, 'a> {
    /// The accounts of the transaction.
    pub(crate) accounts: &'x Accounts<'t, 'a>,
    /// The trader's address.
    pub(crate) trader: &'x str,
    /// What the trader paid for the transaction itself, in lamports.
    pub(crate) fee: u64,
    /// Which assets are cash.
    pub(crate) cash: &'x Cash,
}

impl<'l> TraderView<&'l str> for TraderHoldings<'_, '_, '_> {
    fn stayed_with_trader(&self, asset: &'l str, is_gain: bool) -> bool {
        let paid = if asset == SOL { i128::from(self.fee) } else { 0 };
        let change = self.accounts.balance_change(self.trader, asset) + paid;
        if is_gain { change > 0 } else { change < 0 }
    }

    fn cash_rank(&self, asset: &'l str) -> u8 {
        if asset == SOL { 2 } else { u8::from(self.cash.is_stable(asset)) }
    }
}
