//! The requests for the chains that this instance holds: read from the journal, removed by the steps that fulfil them.

use ingest_domain::Request;
pub use ingest_domain::RequestKind;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape_log::{Record, Stored, topics};
use tokio::sync::watch;
use wire::v1::journal;

/// The requests of all held chains. Clones share them.
#[derive(Clone)]
pub struct Requests {
    chains: Arc<Mutex<HashMap<String, ChainRequests>>>,
    version: watch::Sender<u64>,
}

/// The newest record of each request, by its id: its position, and what is requested, or none once it is fulfilled.
type ChainRequests = BTreeMap<String, (u64, Option<RequestKind>)>;

impl Default for Requests {
    fn default() -> Self {
        Self { chains: Arc::default(), version: watch::Sender::new(0) }
    }
}

impl Requests {
    /// Takes in a journal record, if it is a request or the end of one; an older record changes nothing.
    pub fn take_in(&self, record: &Stored) -> Result<(), wire::Invalid> {
        let Ok(key) = std::str::from_utf8(&record.key) else { return Ok(()) };
        let Some((chain, id)) = journal::parse_request_key(key) else { return Ok(()) };
        let kind = record.value.as_deref().map(journal::decode_request).transpose()?.map(|request| match request {
            journal::Request::Backfill { from, to } => RequestKind::Backfill { from, to },
            journal::Request::Rewind { to } => RequestKind::Rewind { to },
            journal::Request::Skip { height } => RequestKind::Skip { height },
            journal::Request::Retry => RequestKind::Retry,
        });
        let mut chains = self.lock();
        let requests = chains.entry(chain.to_owned()).or_default();
        if requests.get(id).is_none_or(|(position, _)| *position < record.position) {
            requests.insert(id.to_owned(), (record.position, kind));
        }
        drop(chains);
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// The requests for a chain that are not fulfilled, oldest first.
    pub fn of_chain(&self, chain: &str) -> Vec<Request> {
        let chains = self.lock();
        let requests = chains.get(chain).into_iter().flatten();
        requests.filter_map(|(id, (_, kind))| Some(Request { id: id.clone(), kind: (*kind)? })).collect()
    }

    /// The journal keys of these requests, to be deleted once they are fulfilled.
    pub fn keys(&self, chain: &str, fulfilled: &[String]) -> Vec<String> {
        let requests = self.of_chain(chain);
        let done = requests.into_iter().filter(|request| fulfilled.contains(&request.id));
        done.map(|request| journal::request_key(chain, &request.id, &wire_request(request.kind))).collect()
    }

    /// Removes requests that are fulfilled.
    pub fn mark_fulfilled(&self, chain: &str, fulfilled: &[String]) {
        let mut chains = self.lock();
        for id in fulfilled {
            chains.entry(chain.to_owned()).or_default().insert(id.clone(), (u64::MAX, None));
        }
    }

    /// Removes all requests for a chain that this instance no longer holds.
    pub fn forget_chain(&self, chain: &str) {
        self.lock().remove(chain);
    }

    /// Changes whenever a request is taken in.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ChainRequests>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record that files a request in a chain's journal.
pub fn request_record(chain: &str, id: &str, kind: RequestKind) -> Record {
    let request = wire_request(kind);
    Record {
        partition: topics::JOURNAL.partition_of(chain.as_bytes()),
        key: journal::request_key(chain, id, &request).into_bytes(),
        headers: vec![],
        value: Some(journal::encode_request(&request)),
    }
}

fn wire_request(kind: RequestKind) -> journal::Request {
    match kind {
        RequestKind::Backfill { from, to } => journal::Request::Backfill { from, to },
        RequestKind::Rewind { to } => journal::Request::Rewind { to },
        RequestKind::Skip { height } => journal::Request::Skip { height },
        RequestKind::Retry => journal::Request::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(position: u64, id: &str, kind: Option<RequestKind>) -> Stored {
        let record = request_record("c", id, kind.unwrap_or(RequestKind::Rewind { to: 1 }));
        let value = record.value.filter(|_| kind.is_some());
        Stored { position, key: record.key, headers: vec![], value, timestamp_ms: 0 }
    }

    #[test]
    fn the_newest_record_of_a_request_counts_in_whatever_order_they_are_read() {
        let requests = Requests::default();
        let (one, two) = (RequestKind::Rewind { to: 1 }, RequestKind::Rewind { to: 2 });
        requests.take_in(&stored(5, "a", None)).unwrap();
        requests.take_in(&stored(3, "a", Some(one))).unwrap();
        requests.take_in(&stored(6, "b", Some(two))).unwrap();
        assert_eq!(requests.of_chain("c"), [Request { id: "b".into(), kind: two }], "a was fulfilled later");
        assert_eq!(requests.keys("c", &["b".into()]), ["c/rewind/b"]);
        requests.mark_fulfilled("c", &["b".into()]);
        requests.take_in(&stored(6, "b", Some(two))).unwrap();
        assert_eq!(requests.of_chain("c"), [], "what is fulfilled is not read back");
    }
}
