//! How often one client may ask: a token bucket that counts thousandths of a token; the caller passes the time.

/// How many requests are allowed per second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRate {
    /// Tokens added each second.
    pub per_second: u32,
    /// Tokens the bucket holds at most.
    pub burst: u32,
}

/// One client's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    thousandths: u64,
    at_ms: u64,
}

impl TokenBucket {
    /// A full bucket.
    pub fn full(rate: RequestRate, now_ms: u64) -> Self {
        Self { thousandths: u64::from(rate.burst) * 1_000, at_ms: now_ms }
    }

    /// Takes a token; the error is how many milliseconds remain until there is one.
    pub fn take_token(&mut self, rate: RequestRate, now_ms: u64) -> Result<(), u64> {
        let per_ms = u64::from(rate.per_second);
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let capacity = u64::from(rate.burst) * 1_000;
        self.thousandths = passed.saturating_mul(per_ms).saturating_add(self.thousandths).min(capacity);
        if self.thousandths >= 1_000 {
            self.thousandths -= 1_000;
            return Ok(());
        }
        Err((1_000 - self.thousandths).div_ceil(per_ms.max(1)))
    }

    /// Whether the bucket is full, so that it may be dropped and created again when needed.
    pub fn is_full(&self, rate: RequestRate, now_ms: u64) -> bool {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(u64::from(rate.per_second));
        self.thousandths.saturating_add(gained) >= u64::from(rate.burst) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = RequestRate { per_second: 2, burst: 3 };
        let mut bucket = TokenBucket::full(rate, 1_000);
        assert!((0..3).all(|_| bucket.take_token(rate, 1_000).is_ok()));
        assert_eq!(bucket.take_token(rate, 1_000), Err(500));
        assert_eq!(bucket.take_token(rate, 1_400), Err(100));
        assert_eq!(bucket.take_token(rate, 1_500), Ok(()));
        assert!(!bucket.is_full(rate, 2_000) && bucket.is_full(rate, 3_000));
        assert_eq!(bucket.take_token(rate, 900), Err(500), "a clock that goes back adds no tokens");
    }
}
