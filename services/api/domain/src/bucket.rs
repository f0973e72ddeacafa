//! How much one client may ask: a token bucket in thousandths, with the time given.

/// So many a second, so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that arrive each second.
    pub per_second: u32,
    /// Tokens that fit.
    pub burst: u32,
}

/// One client's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    thousandths: u64,
    at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now_ms: u64) -> Self {
        Self { thousandths: u64::from(rate.burst) * 1_000, at_ms: now_ms }
    }

    /// Takes a token; else the milliseconds until there is one.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), u64> {
        let per_ms = u64::from(rate.per_second);
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let most = u64::from(rate.burst) * 1_000;
        self.thousandths = passed.saturating_mul(per_ms).saturating_add(self.thousandths).min(most);
        if self.thousandths >= 1_000 {
            self.thousandths -= 1_000;
            return Ok(());
        }
        Err((1_000 - self.thousandths).div_ceil(per_ms.max(1)))
    }

    /// Whether it is as good as new, so that it may be forgotten.
    pub fn is_full(&self, rate: Rate, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(u64::from(rate.per_second));
        self.thousandths.saturating_add(gained) >= u64::from(rate.burst) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate { per_second: 2, burst: 3 };
        let mut bucket = Bucket::full(rate, 1_000);
        assert!((0..3).all(|_| bucket.take(rate, 1_000).is_ok()));
        assert_eq!(bucket.take(rate, 1_000), Err(500));
        assert_eq!(bucket.take(rate, 1_400), Err(100));
        assert_eq!(bucket.take(rate, 1_500), Ok(()));
        assert!(!bucket.is_full(rate, 2_000) && bucket.is_full(rate, 3_000));
        assert_eq!(bucket.take(rate, 900), Err(500), "a clock that goes back gives nothing");
    }
}
