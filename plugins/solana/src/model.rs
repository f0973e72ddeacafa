//! The words that the other modules share: what a leg, a fee and a venue are. It names no other module but the call tree.

use crate::call_tree::CallTree;
use ruint::aliases::U256;

/// The mint of wrapped SOL. Native SOL goes by the same name: both are one asset.
pub const SOL: &str = "So11111111111111111111111111111111111111112";

/// The legs of one trader, netted: what was given for what.
pub(crate) type Route<'l> = netting::Route<&'l str>;

/// An asset of a route, and how much of it.
pub(crate) type RouteAmount<'l> = netting::Amount<&'l str>;

/// One pool crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    /// The venue's name.
    pub(crate) venue: String,
    /// The pool.
    pub(crate) pool: String,
    /// What was given to the pool, and how much.
    pub(crate) sold: (String, U256),
    /// What was got from the pool, and how much.
    pub(crate) bought: (String, U256),
    /// The party that exchanged with the pool.
    pub(crate) user: String,
    /// Every party on the pool's side.
    pub(crate) counterparts: Vec<String>,
    /// What was paid within the call beside the price or out of it.
    pub(crate) fees: Vec<LegFee>,
    /// Index of the venue's call in the call tree.
    pub(crate) call: usize,
}

/// A fee that was paid within the call of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegFee {
    /// `protocol`, `creator`, `cashback`, `transfer`.
    pub(crate) kind: &'static str,
    /// The asset it was paid in.
    pub(crate) asset: String,
    /// The amount in the smallest unit.
    pub(crate) raw: u128,
    /// Who got it, where that is known.
    pub(crate) recipient: Option<String>,
    /// Whether one of the leg's sides contains it.
    pub(crate) included: bool,
}

impl netting::Leg for Leg {
    type Asset<'l> = &'l str;

    fn sold(&self) -> RouteAmount<'_> {
        (&self.sold.0, self.sold.1)
    }

    fn bought(&self) -> RouteAmount<'_> {
        (&self.bought.0, self.bought.1)
    }

    fn fees_beside(&self) -> impl Iterator<Item = RouteAmount<'_>> {
        let beside = self.fees.iter().filter(|fee| !fee.included);
        beside.map(|fee| (fee.asset.as_str(), U256::from(fee.raw)))
    }
}

/// A program that is a pool or runs pools.
#[derive(Clone, Copy)]
pub(crate) struct Venue {
    /// The name that its legs carry.
    pub(crate) name: &'static str,
    /// The program's address; empty for a program that nobody has described.
    pub(crate) program: &'static str,
    /// Which account is the pool.
    pub(crate) pool: PoolAccount,
    /// The owner of all vaults, where one authority owns them all.
    pub(crate) authority: Option<&'static str>,
    /// Index, among the accounts of a call, of the trader, where both sides sign.
    pub(crate) taker: Option<usize>,
    /// Indices, among the accounts of a call, where the vault of a token's creator may stand.
    pub(crate) creators: &'static [usize],
    /// Reads the event in which the program reports a trade; only for venues where transfers do not show everything.
    pub(crate) read_event: Option<fn(&CallTree<'_, '_>, usize) -> Option<ReportedTrade>>,
}

/// Which account is the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolAccount {
    /// The one that owns the vaults.
    VaultOwner,
    /// The one at this index among the accounts of the call.
    CallAccount(usize),
}

/// A trade as the program's own event reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportedTrade {
    /// Lamports traded, without fees; 0 where the quote token was not SOL.
    pub(crate) native: u64,
    /// Tokens traded.
    pub(crate) token: u64,
    /// Whether tokens were bought.
    pub(crate) is_buy: bool,
    /// Who traded.
    pub(crate) user: String,
    /// Kinds and amounts of what was paid beside the price.
    pub(crate) fees: Vec<(&'static str, ReportedFee)>,
}

/// A fee in a program's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportedFee {
    /// The amount in lamports.
    pub(crate) raw: u64,
    /// Who got it, where the event names an account.
    pub(crate) recipient: Option<String>,
}
