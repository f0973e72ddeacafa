//! The clients and what each may still ask: one bucket per address, forgotten once full again.

use api_domain::{Bucket, Rate};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Addresses remembered before the idle ones are forgotten.
const MOST: usize = 100_000;

/// What every client may still ask.
pub(crate) struct Clients {
    rate: Option<Rate>,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Clients {
    /// Everyone may ask at this rate; without one, at any.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Counts a request; else the milliseconds until the next is welcome.
    pub(crate) fn admit(&self, client: IpAddr, now_ms: u64) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now_ms));
            if buckets.len() >= MOST {
                buckets.clear();
            }
        }
        buckets.entry(household(client)).or_insert_with(|| Bucket::full(rate, now_ms)).take(rate, now_ms)
    }
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
        let clients = Clients::new(Some(Rate { per_second: 1, burst: 1 }));
        let ask = |address: &str| clients.admit(address.parse().unwrap(), 0);
        assert_eq!(ask("2001:db8::1"), Ok(()));
        assert_eq!(ask("2001:db8::2"), Err(1_000));
        assert_eq!(ask("2001:db8:0:1::1"), Ok(()));
        assert_eq!(ask("192.0.2.1"), Ok(()));
        assert_eq!(ask("::ffff:192.0.2.1"), Err(1_000));
    }
}
