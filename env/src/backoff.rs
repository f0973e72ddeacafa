//! How long to wait before the next attempt: exponential, with full jitter, so that many clients do not return at once.

use rand::Rng;
use std::time::Duration;

/// The bound doubles from `first` to `max`; each wait is drawn evenly between zero and the bound.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    bound: Duration,
}

impl Backoff {
    /// With the first bound and the largest one.
    pub fn new(first: Duration, max: Duration) -> Self {
        let bound = first.min(max);
        Self { first: bound, max, bound }
    }

    /// The next wait.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> Duration {
        let bound = self.bound;
        self.bound = bound.saturating_mul(2).min(self.max);
        bound.mul_f64(rand::rng().random_range(0.0..=1.0))
    }

    /// Begins again with the first bound, after a success.
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
