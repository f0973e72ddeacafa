//! The clients and what each may still ask: one bucket per address, forgotten once full again.

use environment::{Rate, TokenBucket};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Addresses remembered before the idle ones are forgotten.
const MOST: usize = 100_000;

/// What every client may still ask.
pub(crate) struct Clients {
    rate: Option<Rate>,
    buckets: Mutex<HashMap<IpAddr, TokenBucket>>,
}

impl Clients {
    /// Everyone may ask at this rate; without one, at any.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Counts a request; if it comes too soon, the error is the milliseconds until the next may come.
    pub(crate) fn admit(&self, client: IpAddr, now_ms: u64) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = Duration::from_millis(now_ms);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            if buckets.len() >= MOST {
                buckets.clear();
            }
        }
        buckets.entry(household(client)).or_default().try_take(rate, now).map_err(whole_ms)
    }
}

/// Milliseconds, rounded up: who waits so long is not refused again.
fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The address that is counted: an IPv6 client has a whole /64.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or_else(
            || {
                let [a, b, c, d, ..] = six.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            },
            IpAddr::V4,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_shares_one_bucket() {
        let clients = Clients::new(Some(Rate::per_second(1, 1)));
        let ask = |address: &str| clients.admit(address.parse().unwrap(), 0);
        assert_eq!(ask("2001:db8::1"), Ok(()));
        assert_eq!(ask("2001:db8::2"), Err(1_000));
        assert_eq!(ask("2001:db8:0:1::1"), Ok(()));
        assert_eq!(ask("192.0.2.1"), Ok(()));
        assert_eq!(ask("::ffff:192.0.2.1"), Err(1_000));
    }
}
