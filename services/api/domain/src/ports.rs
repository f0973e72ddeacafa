//! The port to what metrics and portfolio publish: read-only, each call one instant of the database.

use crate::query::{AssetPage, Book, Measure, StepPage, TradeQuery, Who, Window};
use crate::views::{
    DriftRow, Explained, FeeRow, Folded, Leader, Point, PositionRow, TotalsRow, TradeRow, UserState, WalletState,
};
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
    /// One user's totals per chain, over these hours or over all time.
    fn totals(
        &self,
        who: &Who,
        hours: Option<(u64, u64)>,
    ) -> impl Future<Output = Result<Vec<TotalsRow>, Unavailable>> + Send;
    /// What happened to one user in stretches of so many hours, oldest first; nothing where nothing happened.
    fn curve(
        &self,
        who: &Who,
        hours: Option<(u64, u64)>,
        step: u64,
    ) -> impl Future<Output = Result<Vec<Point>, Unavailable>> + Send;
    /// The newest days of one user's fees, below a day where one is given.
    fn fees(
        &self,
        who: &Who,
        below: Option<u64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<FeeRow>, Unavailable>> + Send;
    /// The newest days of what a platform earned, below a day where one is given.
    fn earned(
        &self,
        platform: &str,
        below: Option<u64>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<FeeRow>, Unavailable>> + Send;
    /// One page of a leaderboard, below a rank.
    fn leaders(
        &self,
        window: Window,
        by: Measure,
        after: u32,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Leader>, Unavailable>> + Send;
    /// A position and one page of the trades it is made of, of one instant; none where there is no such position.
    fn explain(
        &self,
        book: &Book,
        page: &StepPage,
    ) -> impl Future<Output = Result<Option<Explained>, Unavailable>> + Send;
    /// One page of where balances and trades of a user differ.
    fn drift(&self, who: &Who, page: &AssetPage) -> impl Future<Output = Result<Vec<DriftRow>, Unavailable>> + Send;
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
