//! The byte budget of one call: everything that the host holds for a plugin while the call runs is taken from it.

use crate::upstream::UpstreamError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that one call may make the host hold at once. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    max: usize,
    held: AtomicUsize,
    exceeded: AtomicBool,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Account { max, held: AtomicUsize::new(0), exceeded: AtomicBool::new(false) }))
    }

    /// Its bytes in all.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Takes so many bytes, or none of them where they are too many.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.0.max);
        let taken = self.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if !taken {
            self.0.exceeded.store(true, Ordering::Relaxed);
        }
        taken
    }

    /// What a response is that does not fit.
    pub fn too_large(&self) -> UpstreamError {
        UpstreamError::TooLarge(self.max() as u64)
    }

    /// A reservation, empty at first, whose bytes are given back when it is dropped.
    pub fn reserve(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// Gives everything back but so many bytes: what the call held only for a while is gone.
    pub(super) fn settle(&self, kept: usize) {
        self.0.held.store(kept, Ordering::Relaxed);
    }

    /// Whether anything did not fit since this was asked last.
    pub(super) fn was_exceeded(&self) -> bool {
        self.0.exceeded.swap(false, Ordering::Relaxed)
    }
}

/// Bytes taken from a budget until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Takes more bytes, or none of them where they are too many.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let taken = self.budget.take(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// What a response is that does not fit.
    pub fn too_large(&self) -> UpstreamError {
        self.budget.too_large()
    }

    /// Leaves the bytes taken: what they are for is handed on.
    pub fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_and_what_is_kept_is_not() {
        let budget = Budget::new(10);
        let mut answer = budget.reserve();
        assert!(answer.grow(6) && !answer.grow(5) && answer.grow(4));
        assert!(budget.was_exceeded() && !budget.was_exceeded());
        drop(answer);
        let mut answer = budget.reserve();
        assert!(answer.grow(10));
        answer.keep();
        assert!(!budget.take(1));
        budget.settle(3);
        assert!(budget.take(7) && !budget.take(1) && !budget.take(usize::MAX));
    }
}
