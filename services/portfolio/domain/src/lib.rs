//! Which wallets are tracked, what they should hold, and what a snapshot of one changes. Pure: no IO, no clock.
//!
//! Read in this order: [`tracking`] (whose wallets), [`standing`] (who is ahead), [`mod@fold`] (what a batch of trades does
//! to them), [`snapshot`] (what a provider says they hold), [`fallback`] (which provider), [`mod@drift`] (what differs from
//! the trades), [`ports`] (the world in our words), [`app`] (the story).
//!
//! **Invariant:** a wallet's net is a function of its live trades, however they arrived; a balance is only ever replaced
//! by a snapshot of the same provider that was read to its end.

pub mod wallet;
pub mod tracking;
pub mod standing;
pub mod fold;
pub mod snapshot;
pub mod ports;
pub mod fallback;
pub mod drift;
pub mod app;

pub use drift::{Drift, drift};
pub use fallback::Told;
pub use fold::{Facts, Known, NetChange, Touch, fold};
pub use ports::{
    Clock, Committed, Holdings, Job, Ledger, Net, Provider, ProviderError, Queue, Refresh, Replaced, Step, Taken,
};
pub use snapshot::{Balance, BalanceChange, Snapshot, diff};
pub use standing::{Cents, Standings};
pub use tracking::Tracking;
pub use wallet::Wallet;
