//! How long to wait before trying again: exponential, with full jitter, so that many do not come back at once.

use rand::Rng;
use std::time::Duration;

/// Grows from `first` to `most`, doubling; each wait is drawn evenly from nothing to the current bound.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    bound: Duration,
}

impl Backoff {
    /// The first bound and the last.
    pub fn new(first: Duration, most: Duration) -> Self {
        let bound = first.min(most);
        Self { first: bound, most, bound }
    }

    /// The next wait.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> Duration {
        let bound = self.bound;
        self.bound = bound.saturating_mul(2).min(self.most);
        bound.mul_f64(rand::rng().random_range(0.0..=1.0))
    }

    /// Something succeeded: begin again with the first bound.
    pub fn reset(&mut self) {
        self.bound = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_stay_below_a_bound_that_doubles() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(350));
        for _ in 0..100 {
            for bound in [100, 200, 350, 350] {
                assert!(backoff.next() <= ms(bound));
            }
            backoff.reset();
        }
    }
}
