//! A row of an attribution table: who is charged, if the rule holds, and the evidence word for it.

use crate::model::{Amount, Route};
use alloy_primitives::Address;

/// How it is known who traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A settlement's event names the owner.
    EventOwner,
    /// The account of an ERC-4337 operation.
    UserOperation,
    /// Whoever received what was bought.
    Recipient,
    /// The one account whose transfers show both sides.
    TokenFlow,
    /// The transaction's sender.
    TxSender,
    /// The sender, whose account moved two tokens with one contract and nothing else.
    TwoSided,
}

impl Evidence {
    /// As the contract writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::EventOwner => "event-owner",
            Self::UserOperation => "user-operation",
            Self::Recipient => "recipient",
            Self::TokenFlow => "token-flow",
            Self::TxSender => "tx-sender",
            Self::TwoSided => "two-sided",
        }
    }
}

/// How the sides of a route are known, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    /// By what moved.
    Exact,
    /// By what moved of tokens; nothing shows that native coin went another way, nor that it did not.
    Assumed,
    /// A router's word says what it paid of native coin.
    Reported,
    /// What most likely happened to native coin: only a trace would show it.
    Estimated,
}

/// One rule about a subject (a route, an order, a transaction); its outcome is who is charged.
pub(crate) struct Rule<Subject, Outcome = Address> {
    /// The name, as the README's table and the rule's test have it.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold the README and themselves to it"))]
    pub(crate) name: &'static str,
    /// The evidence of what it decides.
    pub(crate) evidence: Evidence,
    /// The outcome; none when the rule does not hold.
    pub(crate) decide: fn(&Subject) -> Option<Outcome>,
}

/// The outcome of the first rule that holds, with its evidence.
pub(crate) fn first_that_holds<Subject, Outcome>(
    rules: &[Rule<Subject, Outcome>],
    subject: &Subject,
) -> Option<(Outcome, Evidence)> {
    rules.iter().find_map(|rule| Some(((rule.decide)(subject)?, rule.evidence)))
}

/// A route and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributedRoute {
    /// What was given for what, through which legs.
    pub(crate) route: Route,
    /// Who is charged.
    pub(crate) trader: Address,
    /// How that is known.
    pub(crate) evidence: Evidence,
    /// Who settled it, where an event says so.
    pub(crate) router: Option<&'static str>,
    /// How its sides are known.
    pub(crate) confidence: Confidence,
}

/// What one account gave for what through a router, whatever pools it crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Who gave and got.
    pub(crate) trader: Address,
    /// Given.
    pub(crate) sold: Amount,
    /// Got.
    pub(crate) bought: Amount,
    /// Whose router settled it.
    pub(crate) router: &'static str,
}

impl Exchange {
    /// The route of it, still without legs.
    pub(crate) fn attributed(self, evidence: Evidence) -> AttributedRoute {
        let Self { trader, sold, bought, router } = self;
        let route = Route { kind: netting::RouteKind::Swap, sold, bought, legs: vec![] };
        AttributedRoute { route, trader, evidence, router: Some(router), confidence: Confidence::Exact }
    }
}
