//! How the process is: what it waits for and what it has counted, told to whoever asks for its health.

use environment::health::Health;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the service waits for and has counted.
#[derive(Debug, Default)]
pub struct Vitals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waits_for: BTreeSet<&'static str>,
    counters: BTreeMap<&'static str, u64>,
}

impl Vitals {
    /// `what` is missing: `log`, `database`, `provider`. Whether that is news.
    pub fn waits_for(&self, what: &'static str) -> bool {
        self.state().waits_for.insert(what)
    }

    /// `what` is there, again or still.
    pub fn has(&self, what: &'static str) {
        self.state().waits_for.remove(what);
    }

    /// Counts `more` of something.
    pub fn count(&self, what: &'static str, more: u64) {
        *self.state().counters.entry(what).or_default() += more;
    }

    /// Something that is counted elsewhere stands at `count`.
    pub fn set(&self, what: &'static str, count: u64) {
        self.state().counters.insert(what, count);
    }

    /// What has been counted of something.
    pub fn counted(&self, what: &str) -> u64 {
        self.state().counters.get(what).copied().unwrap_or(0)
    }

    /// What is told to whoever asks.
    pub fn health(&self) -> Health {
        let state = self.state();
        Health {
            waiting_for: state.waits_for.iter().map(|&what| what.to_owned()).collect(),
            counters: state.counters.iter().map(|(&what, &count)| (what.to_owned(), count)).collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave these half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
