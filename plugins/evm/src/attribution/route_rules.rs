//! The attribution table of routes: who is charged for a route through pools.

use crate::attribution::rule::{Evidence, Rule};
use crate::attribution::transaction::{TransactionView, only, without_fee};
use crate::model::{Leg, Moved, Route};
use crate::reports::{self, Report};
use alloy_primitives::Address;
use memchr::memmem;
use netting::RouteKind;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// A route, with what is needed to decide who is charged.
pub(crate) struct RouteView<'a> {
    /// The transaction.
    pub(crate) transaction: &'a TransactionView<'a>,
    /// What was given for what.
    pub(crate) route: &'a Route,
    /// All legs that were netted with the route's own.
    pub(crate) legs: &'a [Leg],
    /// The account of the operation that the legs belong to.
    pub(crate) operation_account: Option<Address>,
    /// What came to and went from each account of the asset sold; taken when a rule first needs it.
    flows_of_sold: OnceCell<BTreeMap<Address, Moved>>,
    /// The same of the asset bought.
    flows_of_bought: OnceCell<BTreeMap<Address, Moved>>,
}

impl<'a> RouteView<'a> {
    /// The rules, in order; the last one always holds.
    pub(crate) const RULES: [Rule<Self>; 12] = [
        Rule { name: "two-sided", evidence: Evidence::TwoSided, decide: Self::two_sided },
        Rule { name: "operation-account", evidence: Evidence::UserOperation, decide: Self::operation_account },
        Rule { name: "cycle-of-the-sender", evidence: Evidence::TxSender, decide: Self::cycle_of_the_sender },
        Rule { name: "sender-brought-coin", evidence: Evidence::TxSender, decide: Self::sender_brought_coin },
        Rule { name: "sender-gave", evidence: Evidence::TxSender, decide: Self::sender_gave },
        Rule { name: "sender-got", evidence: Evidence::TxSender, decide: Self::sender_got },
        Rule { name: "account-that-was-called", evidence: Evidence::TokenFlow, decide: Self::account_that_was_called },
        Rule { name: "reported-payee", evidence: Evidence::Recipient, decide: Self::reported_payee },
        Rule { name: "bound-account", evidence: Evidence::TokenFlow, decide: Self::bound_account },
        Rule { name: "only-maker", evidence: Evidence::TokenFlow, decide: Self::only_maker },
        Rule { name: "arrival-over-a-bridge", evidence: Evidence::Recipient, decide: Self::arrival_over_a_bridge },
        Rule { name: "else-the-sender", evidence: Evidence::TxSender, decide: Self::else_the_sender },
    ];

    /// A route of some legs of the transaction.
    pub(crate) fn new(
        transaction: &'a TransactionView<'a>,
        route: &'a Route,
        legs: &'a [Leg],
        operation_account: Option<Address>,
    ) -> Self {
        let (flows_of_sold, flows_of_bought) = (OnceCell::new(), OnceCell::new());
        Self { transaction, route, legs, operation_account, flows_of_sold, flows_of_bought }
    }

    /// It is an exchange of the sender with a contract that is no known venue.
    fn two_sided(&self) -> Option<Address> {
        self.transaction.is_two_sided.then_some(self.transaction.sender)
    }

    /// The legs stand before the end of a bundled operation: they are its account's.
    fn operation_account(&self) -> Option<Address> {
        self.operation_account
    }

    /// Who moves an asset in a circle is who sent the transaction.
    fn cycle_of_the_sender(&self) -> Option<Address> {
        (self.route.kind == RouteKind::Cycle).then_some(self.transaction.sender)
    }

    /// Coin was sold, and the sender brought some along.
    fn sender_brought_coin(&self) -> Option<Address> {
        let is_brought = self.transaction.is_coin(self.route.sold.0) && !self.transaction.native.value.is_zero();
        is_brought.then_some(self.transaction.sender)
    }

    /// The sender gave more of the asset sold than it got.
    fn sender_gave(&self) -> Option<Address> {
        let Moved { into, out } = self.transaction.flow(self.transaction.sender, self.route.sold.0);
        (out > into).then_some(self.transaction.sender)
    }

    /// The sender got more of the asset bought than it gave.
    fn sender_got(&self) -> Option<Address> {
        let Moved { into, out } = self.transaction.flow(self.transaction.sender, self.route.bought.0);
        (into > out).then_some(self.transaction.sender)
    }

    /// The account that was called gave what was sold and got what was bought, both of its own: a Safe, or one with code
    /// (EIP-7702) whose fee somebody else pays. A router has nothing of its own: what it gives it got in the same transaction.
    fn account_that_was_called(&self) -> Option<Address> {
        let account = self.transaction.callee?;
        let ((sold, given), (bought, got)) = (self.route.sold, self.route.bought);
        let is_on_the_way = self.legs.iter().any(|leg| leg.holder == account)
            || [sold, bought].contains(&account)
            || reports::is_filler(account);
        let (of_sold, of_bought) = (self.transaction.flow(account, sold), self.transaction.flow(account, bought));
        let has_both = of_sold.out.saturating_sub(of_sold.into) >= without_fee(given)
            && of_bought.into.saturating_sub(of_bought.out) >= without_fee(got);
        (!is_on_the_way && has_both).then_some(account)
    }

    /// A listed router reports that it paid native coin for what was sold, to an account that moved no token: not the one
    /// that gave, but the one that got, since a bridge or relay gives in its name.
    fn reported_payee(&self) -> Option<Address> {
        let transaction = self.transaction;
        let is_of_route = |report: &&Report| {
            let (sold, bought) = transaction.sides_of_report(report);
            reports::is_filler(report.emitter)
                && (sold, bought.0) == (self.route.sold, self.route.bought.0)
                && transaction.is_coin(bought.0)
        };
        let payee = only(transaction.reports.iter().filter(is_of_route))?.receiver;
        let has_moved = transaction.transfers.iter().any(|transfer| transfer.from == payee || transfer.to == payee);
        let is_other = ![Some(transaction.sender), transaction.callee].contains(&Some(payee)) && !payee.is_zero();
        (is_other && !has_moved).then_some(payee)
    }

    /// Exactly one account that is bound to the transaction gave what was sold and got what was bought, up to a fee. Of
    /// accounts that only transfers name nobody is charged: anybody's token says what its author likes.
    fn bound_account(&self) -> Option<Address> {
        let mut bound = self.transaction.bound_accounts(self.route.sold.0);
        bound.sort_unstable();
        bound.dedup();
        only(bound.into_iter().filter(|account| self.may_be_trader(*account) && self.has_both_sides(*account)))
    }

    /// Whether an account gave what was sold and got what was bought, up to a fee. Coin that was bought may have been paid
    /// out as native coin, which no log shows.
    fn has_both_sides(&self, account: Address) -> bool {
        let ((_, given), (bought, got)) = (self.route.sold, self.route.bought);
        let [of_sold, of_bought] = [self.flows_of_sold(), self.flows_of_bought()]
            .map(|flows| flows.get(&account).copied().unwrap_or_default());
        of_sold.out.saturating_sub(of_sold.into) >= without_fee(given)
            && (self.transaction.is_coin(bought) || of_bought.into.saturating_sub(of_bought.out) >= without_fee(got))
    }

    /// A router filled a standing order, and one account can be its owner.
    fn only_maker(&self) -> Option<Address> {
        only(self.transaction.makers(self.legs).into_iter())
    }

    /// A bridge mints what it brings and trades it on arrival for cash: its sender gave nothing, and exactly one account
    /// got all that was bought, and stands in the call. Cash cannot be forged, as other tokens can. Where the coin bought was unwrapped, no log shows to whom it went.
    fn arrival_over_a_bridge(&self) -> Option<Address> {
        let ((_, given), (bought, got)) = (self.route.sold, self.route.bought);
        let transaction = self.transaction;
        let sender_gave =
            !transaction.native.value.is_zero() || !transaction.net_of_account(transaction.sender).0.is_empty();
        let minted = self.flows_of_sold().get(&Address::ZERO).copied().unwrap_or_default();
        let is_minted = minted.out.saturating_sub(minted.into) >= without_fee(given);
        let is_unwrapped = transaction.is_coin(bought) && !transaction.native.unwrapped.is_zero();
        if sender_gave || !is_minted || is_unwrapped || !transaction.rules.is_quote(bought) {
            return None;
        }
        let call = transaction.native.call();
        let has_got = |account: &Address, moved: &Moved| {
            moved.into.saturating_sub(moved.out) >= without_fee(got)
                && self.may_be_trader(*account)
                && memmem::find(&call, account.as_slice()).is_some()
        };
        only(
            self.flows_of_bought()
                .iter()
                .filter(|(account, moved)| has_got(account, moved))
                .map(|(account, _)| *account),
        )
    }

    /// Nothing shows anybody else.
    #[expect(clippy::unnecessary_wraps, reason = "a row of the table, which holds always")]
    fn else_the_sender(&self) -> Option<Address> {
        Some(self.transaction.sender)
    }

    /// Whether an account may be the trader: it is no pool that was crossed, not the contract called, not one of the
    /// two tokens, not the zero address.
    fn may_be_trader(&self, account: Address) -> bool {
        let is_pool = self.legs.iter().any(|leg| leg.holder == account);
        let is_token = [self.route.sold.0, self.route.bought.0].contains(&account);
        !is_pool && !is_token && Some(account) != self.transaction.callee && !account.is_zero()
    }

    fn flows_of_sold(&self) -> &BTreeMap<Address, Moved> {
        self.flows_of_sold.get_or_init(|| self.transaction.flows_of_token(self.route.sold.0))
    }

    fn flows_of_bought(&self) -> &BTreeMap<Address, Moved> {
        self.flows_of_bought.get_or_init(|| self.transaction.flows_of_token(self.route.bought.0))
    }
}
