//! What a chain is read with now, shared by who reads it and who writes about it: the code in force, names for people.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tape::Detector;
use wire::v1::progress::Candidate;

/// Versions that are not in force, as of now. Clones share it: it changes without anything else being in force.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<RwLock<Arc<Vec<Candidate>>>>);

impl Waiting {
    /// Those there are now.
    pub fn get(&self) -> Arc<Vec<Candidate>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these.
    pub fn set(&self, candidates: Vec<Candidate>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(candidates);
    }
}

/// What progress says of a chain beside the domain's facts.
#[derive(Clone, Debug)]
pub struct About {
    /// The code in force.
    pub detector: Detector,
    /// Names and links for people.
    pub display: BTreeMap<String, String>,
    /// What providers of balances call it.
    pub providers: BTreeMap<String, String>,
    /// Versions that are not in force.
    pub waiting: Waiting,
}

/// The newest [`About`]. Clones share it.
#[derive(Clone, Debug)]
pub struct InForce(Arc<RwLock<Arc<About>>>);

impl InForce {
    /// This, until something else is in force.
    pub fn new(about: About) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(about))))
    }

    /// What is in force now.
    pub fn get(&self) -> Arc<About> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, this is.
    pub fn set(&self, about: About) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(about);
    }
}
