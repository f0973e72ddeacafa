//! The catalog: which chains there are, each with its chain file and the plugin in use, or the sentence why it is parked.
//! It follows `PLUGINS_DIR` and `CHAINS_DIR` while the process runs.
//!
//! Read in this order: [`Listing`] (what is offered), [`Subscription`] (how one chain's reader takes over what is new, at
//! a moment of its own choice), `choice` (which version is used), [`Keeper`] (who looks at the folders).

mod choice;
mod keeper;
mod past;
mod verdicts;

pub use keeper::Keeper;

use crate::chainfile::ChainFile;
use crate::in_force::{About, Waiting};
use crate::plugin::Admitted;
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::Detector;
use tokio::sync::{mpsc, watch};

/// Every chain by its id.
pub type Listing = Arc<BTreeMap<String, Entry>>;

/// One chain.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Rises whenever anything below changes, and never falls while the process runs.
    pub generation: u64,
    /// How it is followed.
    pub file: Arc<ChainFile>,
    /// With what.
    pub standing: Standing,
    /// The code in force: the one in use, or else the last one that was, as far as that is known.
    pub detector: Arc<Detector>,
    /// Versions that are not; shared by all generations.
    pub waiting: Waiting,
}

impl From<&Entry> for About {
    fn from(entry: &Entry) -> Self {
        Self {
            detector: (*entry.detector).clone(),
            display: entry.file.display.clone(),
            providers: entry.file.providers.clone(),
            waiting: entry.waiting.clone(),
        }
    }
}

/// What a chain is read with.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is the large one")]
pub enum Standing {
    /// This plugin.
    InUse(Admitted),
    /// Nothing; the sentence says what is missing.
    Parked(String),
}

/// An order to the catalog.
#[derive(Debug)]
enum Order {
    /// A version has failed a chain: it is not used there any more.
    Withdraw { chain: String, digest: String, why: String },
}

/// The way to what the catalog knows. Clones share it.
#[derive(Clone)]
pub struct Catalog {
    listing: watch::Receiver<Listing>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Catalog {
    /// Every chain, now and whenever that changes.
    pub fn listing(&self) -> watch::Receiver<Listing> {
        self.listing.clone()
    }

    /// One chain's entry, to be followed.
    pub fn subscribe(&self, chain: &str) -> Subscription {
        let origin = Origin::Catalog { listing: self.listing.clone(), orders: self.orders.clone() };
        Subscription { chain: chain.to_owned(), origin, seen: None }
    }
}

/// One chain's entry, followed by whoever reads the chain.
#[derive(Clone)]
pub struct Subscription {
    chain: String,
    origin: Origin,
    seen: Option<u64>,
}

#[derive(Clone)]
enum Origin {
    Catalog { listing: watch::Receiver<Listing>, orders: mpsc::UnboundedSender<Order> },
    Fixed(Box<Entry>),
}

impl Subscription {
    /// An entry that never changes: for commands that read a chain once.
    pub fn fixed(file: Arc<ChainFile>, plugin: Admitted) -> Self {
        let chain = file.id.clone();
        let detector = Arc::clone(&plugin.detector);
        let entry =
            Entry { generation: 1, file, standing: Standing::InUse(plugin), detector, waiting: Waiting::default() };
        Self { chain, origin: Origin::Fixed(Box::new(entry)), seen: None }
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
        (self.seen.replace(entry.generation) != Some(entry.generation)).then_some(entry)
    }

    /// Waits until the chain's entry is another than that of a generation, or gone.
    pub async fn changed(&self, generation: u64) {
        let Origin::Catalog { listing, .. } = &self.origin else { return std::future::pending().await };
        let other = |listing: &Listing| listing.get(&self.chain).is_none_or(|entry| entry.generation != generation);
        if listing.clone().wait_for(other).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Says that a version has failed this chain; answers whether anyone listens.
    pub fn withdraw(&self, digest: &str, why: &str) -> bool {
        let Origin::Catalog { orders, .. } = &self.origin else { return false };
        let (chain, digest, why) = (self.chain.clone(), digest.to_owned(), why.to_owned());
        orders.send(Order::Withdraw { chain, digest, why }).is_ok()
    }
}
