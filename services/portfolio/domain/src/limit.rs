//! How often a provider may be asked: a token bucket, as arithmetic on the time its next token is there.

/// Lets through so many requests a second, and a burst of them after a rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Between two tokens, microseconds.
    interval: u64,
    /// Tokens that a rest can save up, as time.
    burst: u64,
    /// When the next token is there, were none saved up.
    next: u64,
}

const SECOND: u64 = 1_000_000;

impl Bucket {
    /// A bucket that gains `per_1000s` tokens in 1,000 seconds and holds `burst` of them; it begins full.
    pub fn new(per_1000s: u64, burst: u64) -> Self {
        let interval = 1000 * SECOND / per_1000s.max(1);
        Self { interval, burst: interval.saturating_mul(burst.saturating_sub(1)), next: 0 }
    }

    /// Takes a token; how long to wait for it. Times are microseconds of one clock that never goes backwards.
    pub fn take(&mut self, now: u64) -> u64 {
        let at = self.next.max(now.saturating_sub(self.burst));
        self.next = at.saturating_add(self.interval);
        at.saturating_sub(now)
    }

    /// No token before `until`: the provider said so.
    pub fn pause(&mut self, until: u64) {
        // The burst is spent too: whoever is told to wait has asked too often.
        self.next = self.next.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(2_000, 3);
        let start = 10 * SECOND;
        let waits: Vec<u64> = (0..5).map(|_| bucket.take(start)).collect();
        assert_eq!(waits, [0, 0, 0, SECOND / 2, SECOND]);
        assert_eq!(bucket.take(start + 10 * SECOND), 0, "rested");
    }

    #[test]
    fn over_a_long_time_the_rate_holds() {
        let mut bucket = Bucket::new(500, 1);
        let (mut now, mut asked) = (0, 0);
        while now < 1000 * SECOND {
            now += bucket.take(now);
            asked += 1;
        }
        assert_eq!(asked, 501);
    }

    #[test]
    fn a_pause_is_kept() {
        let mut bucket = Bucket::new(1_000_000, 10);
        bucket.pause(5 * SECOND);
        assert_eq!(bucket.take(SECOND), 4 * SECOND);
    }
}
