//! Waits until the provider may be asked again; shared by all that ask it.

use portfolio_domain::limit::Bucket;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A token bucket on the clock of this process.
#[derive(Debug)]
pub struct Limit {
    bucket: Mutex<Bucket>,
    started: Instant,
}

impl Limit {
    /// Lets through so many requests in 1,000 seconds, and one second's worth of them after a rest.
    pub fn new(per_1000s: u64) -> Self {
        Self { bucket: Mutex::new(Bucket::new(per_1000s, per_1000s / 1000)), started: Instant::now() }
    }

    /// Returns when the next request may be sent.
    pub async fn pass(&self) {
        let wait = self.bucket().take(self.now());
        if wait > 0 {
            tokio::time::sleep(Duration::from_micros(wait)).await;
        }
    }

    /// Lets nothing through for so long: the provider asked for it.
    pub fn pause(&self, pause: Duration) {
        let until = self.now().saturating_add(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX));
        self.bucket().pause(until);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        // The bucket is whole after each of its methods.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
