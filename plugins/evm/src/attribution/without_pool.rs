//! The attribution table of transactions that crossed no pool: a router's report, or what one account gave and got through a
//! listed router.

use crate::attribution::rule::{AttributedRoute, Evidence, Exchange, Rule, first_that_holds};
use crate::attribution::transaction::{TransactionView, only};
use crate::model::Amount;
use crate::reports::{self, Report};

/// The exchange of a transaction without a leg; none where nothing confirms one.
pub(crate) fn route_without_pool(transaction: &TransactionView<'_>) -> Option<AttributedRoute> {
    let (exchange, evidence) = first_that_holds(&TransactionView::RULES_WITHOUT_POOL, transaction)?;
    Some(exchange.attributed(evidence))
}

impl TransactionView<'_> {
    /// The rules, in order.
    pub(crate) const RULES_WITHOUT_POOL: [Rule<Self, Exchange>; 4] = [
        Rule { name: "confirmed-report", evidence: Evidence::TxSender, decide: Self::confirmed_report },
        Rule { name: "sender-through-a-router", evidence: Evidence::TxSender, decide: Self::sender_through_a_router },
        Rule { name: "maker-through-a-router", evidence: Evidence::TokenFlow, decide: Self::maker_through_a_router },
        Rule {
            name: "sender-through-unknown-keys",
            evidence: Evidence::TxSender,
            decide: Self::sender_through_unknown_keys,
        },
    ];

    /// The last report of a router whose both sides are confirmed.
    fn confirmed_report(&self) -> Option<Exchange> {
        self.reports.iter().rev().find_map(|report| {
            let (sold, bought) = self.confirmed_sides(report)?;
            Some(Exchange { trader: self.sender, sold, bought, router: report.router })
        })
    }

    /// A listed router was called or filled an order, and the sender gave one token and got one other, or native coin.
    fn sender_through_a_router(&self) -> Option<Exchange> {
        let router = self.filler?.router;
        let (sold, bought) = self.only_exchange(self.sender).or_else(|| self.sold_for_unwrapped_coin())?;
        Some(Exchange { trader: self.sender, sold, bought, router })
    }

    /// A listed router was called or filled an order, the sender did nothing, and one account gave one token and got one
    /// other.
    fn maker_through_a_router(&self) -> Option<Exchange> {
        let router = self.filler?.router;
        let trader = only(self.makers(&[]).into_iter())?;
        let (sold, bought) = self.only_exchange(trader)?;
        Some(Exchange { trader, sold, bought, router })
    }

    /// A listed manager told a swap in a pool whose key nobody knows, and the sender gave one token and got one other, or native
    /// coin.
    fn sender_through_unknown_keys(&self) -> Option<Exchange> {
        let router = self.venue_of_unknown_keys?;
        let (sold, bought) = self.only_exchange(self.sender).or_else(|| self.sold_for_unwrapped_coin())?;
        Some(Exchange { trader: self.sender, sold, bought, router })
    }

    /// The one token that the sender gave, for all that was unwrapped.
    fn sold_for_unwrapped_coin(&self) -> Option<(Amount, Amount)> {
        let (given, got) = self.net_of_account(self.sender);
        let (wrapped, raw) = (self.rules.wrapped?, self.native.unwrapped);
        match (&given[..], &got[..]) {
            ([given], []) if given.0 != wrapped && !raw.is_zero() => Some((*given, (wrapped, raw))),
            _ => None,
        }
    }

    /// The sides of a report, if the sender gave the one and the receiver got the other: by transfers, or native coin as
    /// far as it was brought along or unwrapped, or a listed router reports that it paid it.
    pub(crate) fn confirmed_sides(&self, report: &Report) -> Option<(Amount, Amount)> {
        let (sold, bought) = self.sides_of_report(report);
        let (of_sender, of_receiver) = (self.flow(self.sender, sold.0), self.flow(report.receiver, bought.0));
        let is_given = of_sender.out.saturating_sub(of_sender.into) >= sold.1
            || (self.is_coin(sold.0) && self.native.value >= sold.1);
        let is_paid = self.native.unwrapped >= bought.1 || reports::is_filler(report.emitter);
        let is_got =
            of_receiver.into.saturating_sub(of_receiver.out) >= bought.1 || (self.is_coin(bought.0) && is_paid);
        let is_trade = sold.0 != bought.0 && !sold.1.is_zero() && !bought.1.is_zero();
        (is_trade && is_given && is_got).then_some((sold, bought))
    }
}
