//! The request limit of each client: one token bucket per address, dropped once it is full again.

use crate::clients::ClientId;
use environment::{Rate, TokenBucket};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets kept before the full ones are dropped.
const MAX_BUCKETS: usize = 100_000;

/// The request limits of all clients.
pub(crate) struct RateLimits {
    rate: Option<Rate>,
    buckets: Mutex<HashMap<ClientId, TokenBucket>>,
}

impl RateLimits {
    /// Limits every client to this rate; without one, nobody.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Counts a request. The error is how many milliseconds the client must wait.
    pub(crate) fn admit(&self, client: ClientId, now_ms: u64) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = Duration::from_millis(now_ms);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            make_room(&mut buckets, rate, now);
        }
        buckets.entry(client).or_default().try_take(rate, now).map_err(whole_ms)
    }
}

/// Drops the buckets that are full again; where that is not enough, all but those of clients that must wait.
fn make_room(buckets: &mut HashMap<ClientId, TokenBucket>, rate: Rate, now: Duration) {
    buckets.retain(|_, bucket| !bucket.is_full(rate, now));
    if buckets.len() > MAX_BUCKETS / 2 {
        buckets.retain(|_, bucket| { *bucket }.try_take(rate, now).is_err());
    }
    if buckets.len() > MAX_BUCKETS / 2 {
        buckets.clear();
    }
}

/// Milliseconds, rounded up: who waits so long is not refused again.
pub(crate) fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn addresses_of_one_network_share_a_bucket() {
        let limits = RateLimits::new(Some(Rate::per_second(1, 1)));
        let request = |address: &str| limits.admit(ClientId::from_address(address.parse().unwrap()), 0);
        assert_eq!(request("2001:db8::1"), Ok(()));
        assert_eq!(request("2001:db8::2"), Err(1_000));
        assert_eq!(request("2001:db8:0:1::1"), Ok(()));
        assert_eq!(request("192.0.2.1"), Ok(()));
        assert_eq!(request("::ffff:192.0.2.1"), Err(1_000));
    }

    #[test]
    fn a_flood_of_addresses_frees_nobody_who_must_wait() {
        let limits = RateLimits::new(Some(Rate::per_second(1, 2)));
        let request = |address: u32| limits.admit(ClientId::from_address(IpAddr::from(address.to_be_bytes())), 10_000);
        assert_eq!([request(1), request(1), request(1)], [Ok(()), Ok(()), Err(1_000)]);
        for address in 2..=150_000 {
            assert_eq!(request(address), Ok(()));
        }
        assert_eq!(request(1), Err(1_000));
    }
}
