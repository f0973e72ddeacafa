//! The catalog: which chains there are, each with its chain file and the plugin in use, or the sentence why it is parked.

use crate::chainfile::ChainFile;
use crate::plugin::Admitted;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every chain by its id.
pub type Listing = Arc<BTreeMap<String, Entry>>;

/// One chain.
#[derive(Clone)]
pub struct Entry {
    /// How it is followed.
    pub file: Arc<ChainFile>,
    /// With what.
    pub standing: Standing,
}

/// What a chain is read with.
#[derive(Clone)]
pub enum Standing {
    /// This plugin.
    InUse(Admitted),
    /// Nothing; the sentence says what is missing.
    Parked(String),
}
