//! Rate limits: the one token bucket of the workspace, and a limiter that waits for its tokens.
//!
//! Decisions
//! * 2026-11-29 – one bucket of our own instead of three, and instead of the crate `governor`. Context: the limit of a chain's
//!   endpoint counts weights and must let a request through that weighs more than a second's worth; a provider of balances
//!   answers "not before" and all its callers must then wait; the api refuses instead of waiting and keeps 100,000 buckets of
//!   a known size. `governor` knows no pause, refuses weights above the burst for ever, and its keyed store has no bound.
//!   Choice: the arithmetic `governor` uses too (GCRA: a bucket is the time at which its next token is there), 30 lines, pure,
//!   with the time handed in. Price: it is ours to test.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How fast tokens arrive, and how many a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time between two tokens.
    interval: Duration,
    /// Tokens that a bucket holds when nothing was taken for long.
    burst: u32,
}

impl Rate {
    /// So many tokens a second, and at most `burst` at once; both are at least 1.
    pub const fn per_second(tokens: u32, burst: u32) -> Self {
        Self::per(Duration::from_secs(1), tokens, burst)
    }

    /// So many tokens in each `period`, and at most `burst` at once; both are at least 1.
    pub const fn per(period: Duration, tokens: u32, burst: u32) -> Self {
        let tokens = if tokens == 0 { 1 } else { tokens };
        let interval = period.as_nanos() / tokens as u128;
        #[expect(clippy::cast_possible_truncation, reason = "no period of a rate is 584 years long")]
        let interval = Duration::from_nanos(interval as u64);
        Self { interval, burst: if burst == 0 { 1 } else { burst } }
    }

    /// The time in which a rest fills a bucket up to its last token.
    fn saved(&self) -> Duration {
        self.interval.saturating_mul(self.burst - 1)
    }
}

/// The tokens of one client. All times are those of one clock, since any fixed moment; if it goes back, no token is gained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBucket {
    /// When the next token is there, if none were saved up.
    next: Duration,
}

impl TokenBucket {
    /// Takes tokens that may be there later only, and says how long to wait for the first of them.
    pub fn reserve(&mut self, rate: Rate, now: Duration, tokens: u32) -> Duration {
        let at = self.next.max(now.saturating_sub(rate.saved()));
        self.next = at.saturating_add(rate.interval.saturating_mul(tokens));
        at.saturating_sub(now)
    }

    /// Takes one token if there is one; if not, the error is the time until there is.
    pub fn try_take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        let before = *self;
        let wait = self.reserve(rate, now, 1);
        if wait.is_zero() {
            return Ok(());
        }
        *self = before;
        Err(wait)
    }

    /// There is no token before `until`, whatever was saved up.
    pub fn pause_until(&mut self, until: Duration) {
        self.next = self.next.max(until);
    }

    /// Whether it holds as many tokens as a new one, so that it may be forgotten.
    pub fn is_full(&self, rate: Rate, now: Duration) -> bool {
        self.next <= now.saturating_sub(rate.saved())
    }
}

/// A token bucket on the clock of this process, shared by all that send to one place.
#[derive(Debug)]
pub struct RateLimiter {
    rate: Rate,
    bucket: Mutex<TokenBucket>,
    started: Instant,
}

impl RateLimiter {
    /// Lets requests through at this rate.
    pub fn new(rate: Rate) -> Self {
        Self { rate, bucket: Mutex::default(), started: Instant::now() }
    }

    /// Waits until a request of this weight may be sent.
    pub async fn wait_for(&self, weight: u32) {
        let wait = self.bucket().reserve(self.rate, self.started.elapsed(), weight);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Lets nothing through for so long: the other side asked for it.
    pub fn pause(&self, pause: Duration) {
        let until = self.started.elapsed().saturating_add(pause);
        self.bucket().pause_until(until);
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        // A bucket is one number: no panic leaves it half-written.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let rate = Rate::per_second(2, 3);
        let mut bucket = TokenBucket::default();
        let waits: Vec<Duration> = (0..5).map(|_| bucket.reserve(rate, START, 1)).collect();
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, Duration::ZERO, SECOND / 2, SECOND]);
        assert_eq!(bucket.reserve(rate, START * 2, 1), Duration::ZERO, "saved up again");
    }

    #[test]
    fn a_refused_request_takes_no_token() {
        let rate = Rate::per_second(2, 3);
        let mut bucket = TokenBucket::default();
        assert!((0..3).all(|_| bucket.try_take(rate, START).is_ok()));
        let ms = Duration::from_millis;
        assert_eq!(bucket.try_take(rate, START), Err(ms(500)));
        assert_eq!(bucket.try_take(rate, START + ms(400)), Err(ms(100)));
        assert_eq!(bucket.try_take(rate, START + ms(500)), Ok(()));
        assert!(!bucket.is_full(rate, START + SECOND) && bucket.is_full(rate, START + SECOND * 2));
        assert_eq!(bucket.try_take(rate, ms(9_900)), Err(ms(1_100)), "a clock that goes back gives nothing");
    }

    #[test]
    fn over_a_long_time_the_rate_holds() {
        let rate = Rate::per(SECOND * 1_000, 500, 1);
        let (mut bucket, mut now, mut taken) = (TokenBucket::default(), Duration::ZERO, 0);
        while now < SECOND * 1_000 {
            now += bucket.reserve(rate, now, 1);
            taken += 1;
        }
        assert_eq!(taken, 501);
    }

    #[test]
    fn a_heavy_request_passes_and_those_behind_it_wait_for_its_weight() {
        let rate = Rate::per_second(10, 1);
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.reserve(rate, START, 25), Duration::ZERO);
        assert_eq!(bucket.reserve(rate, START, 1), Duration::from_millis(2_500));
    }

    #[test]
    fn nothing_passes_during_a_pause() {
        let mut bucket = TokenBucket::default();
        bucket.pause_until(START + SECOND * 4);
        assert_eq!(bucket.reserve(Rate::per_second(1_000, 10), START, 1), SECOND * 4);
    }
}
