//! Permits of connections and streams, counted in all and per client; each is given back when it is dropped.

use crate::clients::ClientId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

/// The permit of one connection. A WebSocket holds a clone for as long as it is open.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionPermit {
    _permits: Arc<(OwnedSemaphorePermit, Option<ClientPermit>)>,
}

impl ConnectionPermit {
    pub(super) fn new(of_all: OwnedSemaphorePermit, of_client: Option<ClientPermit>) -> Self {
        Self { _permits: Arc::new((of_all, of_client)) }
    }
}

/// How many of something each client has.
#[derive(Debug, Default)]
pub(crate) struct ClientCounts(Mutex<HashMap<ClientId, usize>>);

/// One of what a client may have.
#[derive(Debug)]
pub(crate) struct ClientPermit {
    counts: Arc<ClientCounts>,
    client: ClientId,
}

impl ClientCounts {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// One more for a client, where it has fewer than `most`.
    pub(crate) fn take(self: &Arc<Self>, client: ClientId, most: usize) -> Option<ClientPermit> {
        let mut counts = self.lock();
        let held = counts.get(&client).copied().unwrap_or(0);
        if held >= most {
            return None;
        }
        counts.insert(client.clone(), held + 1);
        Some(ClientPermit { counts: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        match counts.get_mut(&self.client) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_is_dropped_is_free_again() {
        let counts = ClientCounts::new();
        let client = |address: &str| ClientId::from_address(address.parse().unwrap());
        let first = counts.take(client("192.0.2.1"), 2);
        let _second = counts.take(client("192.0.2.1"), 2);
        assert!(first.is_some() && counts.take(client("::ffff:192.0.2.1"), 2).is_none());
        assert!(counts.take(client("192.0.2.2"), 2).is_some());
        drop(first);
        assert!(counts.take(client("192.0.2.1"), 2).is_some());
        assert_eq!(counts.lock().len(), 1, "clients without permits are forgotten");
    }
}
