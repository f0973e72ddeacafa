//! What a chain is followed with: its chain file, the plugin version in force, and why other versions are not used.

use crate::chainfile::ChainFile;
use crate::plugin::Admitted;
use std::sync::{Arc, PoisonError, RwLock};
use tape::Detector;
use wire::v1::progress::Candidate;

/// One chain of the catalog.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Rises whenever the file, the plugin or the reason changes, and never falls while the process runs.
    pub generation: u64,
    /// How the chain is followed.
    pub file: Arc<ChainFile>,
    /// The plugin that runs, or the sentence why none does: the chain is parked.
    pub running: Result<Admitted, String>,
    /// The code in force: that of the running plugin, or else of the last one that ran, as far as that is known.
    pub detector: Arc<Detector>,
    /// Versions that are not in force; shared by all generations.
    pub others: OtherVersions,
}

impl Entry {
    /// A chain that one plugin follows, whatever else there is: for commands that read a chain once.
    pub fn fixed(file: Arc<ChainFile>, plugin: Admitted) -> Self {
        let detector = Arc::clone(&plugin.detector);
        Self { generation: 1, file, running: Ok(plugin), detector, others: OtherVersions::default() }
    }

    /// A chain that no plugin follows here.
    pub fn parked(file: Arc<ChainFile>, detector: Detector, why: &str) -> Self {
        let others = OtherVersions::default();
        Self { generation: 0, file, running: Err(why.to_owned()), detector: Arc::new(detector), others }
    }
}

/// Versions of a chain's plugin that are not in force, as progress lists them. They change without a new generation.
pub type OtherVersions = Shared<Vec<Candidate>>;

/// The entry that a chain is read with now. The reader replaces it between two blocks; the writer names it in each
/// step.
pub type InForce = Shared<Entry>;

/// A value that is replaced while others read it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shared<T>(Arc<RwLock<Arc<T>>>);

impl<T> Shared<T> {
    /// This value, until another is set.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}
