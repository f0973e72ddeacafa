//! The catalog: every chain with its chain file and the plugin version in force, or the sentence why it is parked. It
//! follows `PLUGINS_DIR` and `CHAINS_DIR` while the process runs.
//!
//! Read in this order: `wanted` (the chain files), `plugins` (what is admitted), `choice` (which version runs),
//! `history` (what was tried), [`Keeper`] (brings them together whenever one changes). A chain's reader follows its
//! [`Entry`] by a [`Subscription`].

mod choice;
mod history;
mod keeper;
mod not_in_force;
mod plugins;
mod wanted;

pub use crate::in_force::Entry;
pub use crate::subscription::{Listing, Subscription};
pub use keeper::Keeper;

use crate::subscription::Withdrawal;
use tokio::sync::{mpsc, watch};

/// Access to the catalog's listing. Clones share it.
#[derive(Clone)]
pub struct Catalog {
    listing: watch::Receiver<Listing>,
    withdrawals: mpsc::UnboundedSender<Withdrawal>,
}

impl Catalog {
    /// Every chain, now and whenever that changes.
    pub fn listing(&self) -> watch::Receiver<Listing> {
        self.listing.clone()
    }

    /// One chain's entry, to be followed.
    pub fn subscribe(&self, chain: &str) -> Subscription {
        Subscription::new(chain, self.listing.clone(), self.withdrawals.clone())
    }
}
