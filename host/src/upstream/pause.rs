//! The pause that an endpoint asks for: while it lasts no request is sent there, whichever call was told.

use rand::Rng;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One endpoint's pause.
#[derive(Default)]
pub(super) struct Pause {
    until: Mutex<Option<Instant>>,
    /// How often it was asked for.
    times: AtomicU64,
}

impl Pause {
    /// Too many requests: nothing is sent for so long.
    pub(super) fn begin(&self, wait: Duration) {
        self.times.fetch_add(1, Ordering::Relaxed);
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + wait));
    }

    /// How often it was asked for.
    pub(super) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    /// Waits until it is over, and a part of it more that is drawn: those who wait do not all go on at once.
    pub(super) async fn pass(&self) {
        while let Some(left) = self.left() {
            let spread = rand::rng().random_range(1.0..1.5);
            tokio::time::sleep(left.mul_f64(spread)).await;
        }
    }

    fn left(&self) -> Option<Duration> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}
