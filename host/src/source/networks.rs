//! The network that each endpoint named, so that it need not be asked at every look at the head: only when an endpoint is new,
//! after whatever failed or contradicted itself there, and once a minute.

use crate::upstream::Endpoint;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an endpoint's network is remembered at most.
const MAX_AGE: Duration = Duration::from_mins(1);

/// The networks by the numbers of the endpoints, and when each was asked.
#[derive(Default)]
pub(super) struct NamedNetworks(HashMap<usize, (Arc<str>, Instant)>);

impl NamedNetworks {
    /// The network of an endpoint, where it need not be asked again.
    pub(super) fn known(&self, endpoint: Option<&Arc<Endpoint>>) -> Option<Arc<str>> {
        let (network, asked) = self.0.get(&endpoint?.number)?;
        (asked.elapsed() < MAX_AGE).then(|| Arc::clone(network))
    }

    /// An endpoint was asked, and named this one.
    pub(super) fn note(&mut self, endpoint: Option<&Arc<Endpoint>>, network: &Arc<str>) {
        if let Some(endpoint) = endpoint {
            self.0.insert(endpoint.number, (Arc::clone(network), Instant::now()));
        }
    }

    /// Something is odd about an endpoint: it is asked again.
    pub(super) fn forget(&mut self, endpoint: Option<&Arc<Endpoint>>) {
        if let Some(endpoint) = endpoint {
            self.0.remove(&endpoint.number);
        }
    }

    /// The endpoints or what reads them are others now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
