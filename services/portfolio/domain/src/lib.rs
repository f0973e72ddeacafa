//! The rules of portfolio: tracked wallets, the nets of their trades, snapshots. Pure: no IO, no clock.
//!
//! Read in this order: [`tracking`] (which wallets), [`ranking`] (the first by volume), [`mod@fold`] (what a batch of
//! trades changes), [`decoration`], [`price`] and [`snapshot`] (what a provider says a wallet holds), [`balance_change`] (what is new in it), [`mod@drift`] (how that differs from the
//! trades), [`ports`] (providers and store), [`circuit`] (when which provider
//! is asked), [`fallback`] (several providers), [`lateness`] (of which
//! height a snapshot is), [`mod@follow`] (from the tape to the
//! queue), [`mod@refresh`] (from the queue to the balances).
//!
//! **Invariant:** a wallet's net is a function of its live trades, in whatever order they arrived. A balance is only
//! ever replaced by a snapshot of the same provider that was read to its last page; one that it cannot tell is kept.

pub mod wallet;
pub mod tracking;
pub mod ranking;
pub mod fold;
pub mod decoration;
pub mod price;
pub mod snapshot;
pub mod balance_change;
pub mod drift;
pub mod ports;
pub mod circuit;
pub mod fallback;
pub mod lateness;
pub mod follow;
pub mod refresh;

pub use balance_change::{BalanceChange, balance_changes};
pub use circuit::{Circuits, RefusedNetwork, Resting};
pub use decoration::{Decoration, KnownDecoration};
pub use drift::{Drift, drift_from_nets};
pub use fallback::ProvidedSnapshot;
pub use fold::{KnownBefore, NetChange, TouchedWallet, WalletFacts, fold};
pub use follow::{Followed, Follower};
pub use ports::{
    AssetNet, Clock, Committed, Failure, Holdings, Job, Ledger, Postponement, Provider, ProviderError, Queue, Refresh,
    Replaced, ShownSnapshot, Step, Taken,
};
pub use price::ToldPrice;
pub use ranking::{Cents, VolumeRanking};
pub use refresh::{RefreshRules, Refreshed, refresh_next};
pub use snapshot::{Balance, LeftOut, Snapshot};
pub use tracking::Tracking;
pub use wallet::Wallet;
