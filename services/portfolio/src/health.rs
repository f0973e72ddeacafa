//! The service's health: what it waits for, and its counters.

use environment::health::{Health, Notices};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape_log::consumer_figures::ConsumerFigures;
use tape_log::guard::TapeGuard;

/// What the service waits for, and its counters.
#[derive(Debug, Default)]
pub(crate) struct ServiceHealth {
    state: Mutex<HealthState>,
    guard: Arc<TapeGuard>,
    notices: Notices,
    /// What is measured of the reading and of the outbox.
    pub(crate) figures: Arc<ConsumerFigures>,
}

#[derive(Debug, Default)]
struct HealthState {
    waits_for: BTreeSet<&'static str>,
    counters: BTreeMap<&'static str, u64>,
}

impl ServiceHealth {
    /// Health with this guard and these notices.
    pub(crate) fn new(guard: Arc<TapeGuard>, notices: Notices) -> Self {
        Self { guard, notices, ..Self::default() }
    }

    /// What is wrong but keeps nothing from working.
    pub(crate) fn notices(&self) -> Notices {
        self.notices.clone()
    }

    /// The service waits for `what`: `log`, `database` or `provider`. Returns whether it did not wait for it before.
    pub(crate) fn waits_for(&self, what: &'static str) -> bool {
        self.state().waits_for.insert(what)
    }

    /// The service does not wait for `what` any more.
    pub(crate) fn has(&self, what: &'static str) {
        self.state().waits_for.remove(what);
    }

    /// Adds to a counter.
    pub(crate) fn count(&self, counter: &'static str, more: u64) {
        *self.state().counters.entry(counter).or_default() += more;
    }

    /// Sets a counter that is kept elsewhere.
    pub(crate) fn set(&self, counter: &'static str, count: u64) {
        self.state().counters.insert(counter, count);
    }

    /// A counter as it is now.
    pub(crate) fn counter(&self, counter: &'static str) -> u64 {
        self.state().counters.get(counter).copied().unwrap_or(0)
    }

    /// What compares the log with the database: while they do not belong together, the service is not ready.
    pub(crate) fn guard(&self) -> Arc<TapeGuard> {
        Arc::clone(&self.guard)
    }

    /// What `/health` and `/ready` answer.
    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        let tape = self.guard.problem().map(|why| format!("tape: {why}"));
        Health {
            waiting_for: state.waits_for.iter().map(|&what| what.to_owned()).chain(tape).collect(),
            notices: self.notices.sentences(),
            counters: state.counters.iter().map(|(&what, &count)| (what.to_owned(), count)).collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        // A panic cannot leave the state half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
