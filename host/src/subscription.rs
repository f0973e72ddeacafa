//! One chain's entry in the catalog, as its reader follows it: the reader takes over what is new when it chooses to.

use crate::chainfile::ChainFile;
use crate::in_force::Entry;
use crate::plugin::Admitted;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Every chain by its id.
pub type Listing = Arc<BTreeMap<String, Entry>>;

/// A version failed a chain: it must not run there any more.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    pub(crate) chain: String,
    pub(crate) digest: String,
    pub(crate) why: String,
}

/// One chain's entry, followed by whoever reads the chain.
#[derive(Clone)]
pub struct Subscription {
    chain: String,
    origin: Origin,
    /// The generation that was taken over last.
    taken: Option<u64>,
}

#[derive(Clone)]
enum Origin {
    Catalog { listing: watch::Receiver<Listing>, withdrawals: mpsc::UnboundedSender<Withdrawal> },
    Fixed(Box<Entry>),
}

impl Subscription {
    pub(crate) fn new(
        chain: &str,
        listing: watch::Receiver<Listing>,
        withdrawals: mpsc::UnboundedSender<Withdrawal>,
    ) -> Self {
        Self { chain: chain.to_owned(), origin: Origin::Catalog { listing, withdrawals }, taken: None }
    }

    /// An entry that never changes: for commands that read a chain once.
    pub fn fixed(file: Arc<ChainFile>, plugin: Admitted) -> Self {
        let chain = file.id.clone();
        Self { chain, origin: Origin::Fixed(Box::new(Entry::fixed(file, plugin))), taken: None }
    }

    /// Whether it never changes.
    pub fn is_fixed(&self) -> bool {
        matches!(self.origin, Origin::Fixed(_))
    }

    /// The entry as it is now; none when the chain is gone.
    pub fn current(&self) -> Option<Entry> {
        match &self.origin {
            Origin::Catalog { listing, .. } => listing.borrow().get(&self.chain).cloned(),
            Origin::Fixed(entry) => Some((**entry).clone()),
        }
    }

    /// The entry, if it is another than the last one taken.
    pub fn take_new(&mut self) -> Option<Entry> {
        let entry = self.current()?;
        (self.taken.replace(entry.generation) != Some(entry.generation)).then_some(entry)
    }

    /// Waits until the chain's entry is of another generation than this one, or gone.
    pub async fn changed(&self, generation: u64) {
        let Origin::Catalog { listing, .. } = &self.origin else { return std::future::pending().await };
        let other = |listing: &Listing| listing.get(&self.chain).is_none_or(|entry| entry.generation != generation);
        if listing.clone().wait_for(other).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Reports that a version failed this chain; returns whether the catalog will act on it.
    pub fn withdraw(&self, digest: &str, why: &str) -> bool {
        let Origin::Catalog { withdrawals, .. } = &self.origin else { return false };
        let (chain, digest, why) = (self.chain.clone(), digest.to_owned(), why.to_owned());
        withdrawals.send(Withdrawal { chain, digest, why }).is_ok()
    }
}
