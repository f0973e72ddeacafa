//! The port to what metrics and portfolio publish: read-only, each call one instant of the database.

use crate::query::{AssetPage, TradeQuery, Who};
use crate::views::{Folded, PositionRow, TotalsRow, TradeRow, UserState, WalletState};
use std::future::Future;
use tape::Unavailable;

/// The published views.
pub trait Reads: Send + Sync {
    /// Up to where metrics has folded the trades log. Doubles as the question whether the database is there.
    fn folded(&self) -> impl Future<Output = Result<Folded, Unavailable>> + Send;
    /// One page of trades, newest first.
    fn trades(&self, query: &TradeQuery) -> impl Future<Output = Result<Vec<TradeRow>, Unavailable>> + Send;
    /// One page of trades and up to where they are folded, of one instant.
    fn tape(&self, query: &TradeQuery) -> impl Future<Output = Result<(Folded, Vec<TradeRow>), Unavailable>> + Send;
    /// One user's totals per chain.
    fn totals(&self, who: &Who) -> impl Future<Output = Result<Vec<TotalsRow>, Unavailable>> + Send;
    /// One page of a user's positions.
    fn positions(
        &self,
        who: &Who,
        page: &AssetPage,
    ) -> impl Future<Output = Result<Vec<PositionRow>, Unavailable>> + Send;
    /// A user's totals and first positions and up to where they are folded, of one instant.
    fn user(&self, who: &Who, limit: u32) -> impl Future<Output = Result<UserState, Unavailable>> + Send;
    /// A user's wallets and one page of their balances, of one instant.
    fn wallet(&self, who: &Who, page: &AssetPage) -> impl Future<Output = Result<WalletState, Unavailable>> + Send;
}
