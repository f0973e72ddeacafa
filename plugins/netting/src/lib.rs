//! Netting: the legs of one transaction become routes, each from what was given to what was got.
//!
//! The rules, in order:
//! 1. Legs that share an asset, directly or through other legs, belong together; every group is netted by itself.
//! 2. An asset that was only given is sold, one that was only got is bought, with everything that moved of it.
//! 3. An asset that was both given and got was on the way. Its difference, with the fees paid beside it, is a side of
//!    the trade only if it is more than a fiftieth of the larger flow and stayed with the trader
//!    ([`TraderView::stayed_with_trader`]). Smaller differences are a router's dust; others are a token's tax or
//!    somebody's fee. They remain in the legs and are in no side.
//! 4. One asset sold and one bought make one route. More are split into pairs along the legs (module `split`): each side
//!    adds up exactly, every leg is listed once, whole, and with more pairs than legs the last routes list none. More than
//!    64 pairs, or sides that no legs connect, become one route per leg.
//! 5. With nothing sold, or nothing bought, the route is a cycle: its asset is the one whose difference is the largest
//!    share of its flow.
//!
//! The crate knows no chain: an asset is anything that can be copied and ordered (an address, a `&str`), a leg is
//! whatever implements [`Leg`], and what only the chain can tell comes through [`TraderView`].

mod flows;
mod groups;
mod routes;
mod split;
#[cfg(test)]
mod tests;

pub use routes::routes;
use ruint::aliases::U256;

/// An amount of an asset, in its smallest unit.
pub type Amount<A> = (A, U256);

/// Whether a route ends in the asset it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// One asset for another.
    Swap,
    /// From an asset back to itself.
    Cycle,
}

/// A trade before anything chain-specific is added to it: what was given for what, through which legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<A> {
    /// Swap or cycle.
    pub kind: RouteKind,
    /// What the trader gave.
    pub sold: Amount<A>,
    /// What the trader got.
    pub bought: Amount<A>,
    /// Indices of its legs in the list that was netted, ascending within a group; each leg is in exactly one route.
    pub legs: Vec<usize>,
}

/// One pool crossed, as far as netting needs it.
pub trait Leg {
    /// What names an asset.
    type Asset<'l>: Copy + Ord
    where
        Self: 'l;

    /// What was given to the pool.
    fn sold(&self) -> Amount<Self::Asset<'_>>;

    /// What was got from the pool.
    fn bought(&self) -> Amount<Self::Asset<'_>>;

    /// Fees that were paid to others and that neither side contains.
    fn fees_beside(&self) -> impl Iterator<Item = Amount<Self::Asset<'_>>> {
        std::iter::empty()
    }
}

/// What the legs alone do not show about the trader.
pub trait TraderView<A> {
    /// Whether a difference of an asset on the way stayed with the trader: they have more of it (`is_gain`) or less of
    /// it than before.
    fn stayed_with_trader(&self, asset: A, is_gain: bool) -> bool;

    /// How much an asset is like cash (higher is more); decides between equal differences of a cycle.
    fn cash_rank(&self, asset: A) -> u8;
}
