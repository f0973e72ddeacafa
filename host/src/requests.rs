//! What is asked of the chains that this instance holds: noted from the journal, struck off by the steps that fulfil it.

pub use ingest_domain::Ask;
use ingest_domain::Request;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape_log::{Record, Stored, topics};
use tokio::sync::watch;
use wire::v1::journal;

/// The requests of all held chains. Clones share them.
#[derive(Clone)]
pub struct Requests {
    chains: Arc<Mutex<HashMap<String, Noted>>>,
    news: watch::Sender<u64>,
}

/// Per request the newest word on it, by position: what is asked, or none once it is struck off.
type Noted = BTreeMap<String, (u64, Option<Ask>)>;

impl Default for Requests {
    fn default() -> Self {
        Self { chains: Arc::default(), news: watch::Sender::new(0) }
    }
}

impl Requests {
    /// Notes a journal record, if it is a request or the end of one; an older record changes nothing.
    pub fn note(&self, record: &Stored) -> Result<(), wire::Invalid> {
        let Ok(key) = std::str::from_utf8(&record.key) else { return Ok(()) };
        let Some((chain, id)) = journal::parse_request_key(key) else { return Ok(()) };
        let ask = record.value.as_deref().map(journal::decode_request).transpose()?.map(|asked| match asked {
            journal::Request::Backfill { from, to } => Ask::Backfill { from, to },
            journal::Request::Rewind { to } => Ask::Rewind { to },
        });
        let mut chains = self.lock();
        let noted = chains.entry(chain.to_owned()).or_default();
        if noted.get(id).is_none_or(|(position, _)| *position < record.position) {
            noted.insert(id.to_owned(), (record.position, ask));
        }
        drop(chains);
        self.news.send_modify(|version| *version += 1);
        Ok(())
    }

    /// What is asked of a chain, oldest first.
    pub fn of(&self, chain: &str) -> Vec<Request> {
        let chains = self.lock();
        let noted = chains.get(chain).into_iter().flatten();
        noted.filter_map(|(id, (_, ask))| Some(Request { id: id.clone(), ask: (*ask)? })).collect()
    }

    /// The keys to strike off for these fulfilled requests.
    pub fn keys(&self, chain: &str, answered: &[String]) -> Vec<String> {
        let asked = self.of(chain);
        let done = asked.into_iter().filter(|request| answered.contains(&request.id));
        done.map(|request| journal::request_key(chain, &request.id, &written(request.ask))).collect()
    }

    /// They are struck off.
    pub fn answered(&self, chain: &str, answered: &[String]) {
        let mut chains = self.lock();
        for id in answered {
            chains.entry(chain.to_owned()).or_default().insert(id.clone(), (u64::MAX, None));
        }
    }

    /// Another instance holds the chain.
    pub fn forget(&self, chain: &str) {
        self.lock().remove(chain);
    }

    /// Woken whenever something is asked.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Noted>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record that files a request in a chain's journal.
pub fn filed(chain: &str, id: &str, ask: Ask) -> Record {
    let request = written(ask);
    Record {
        partition: topics::JOURNAL.partition_of(chain.as_bytes()),
        key: journal::request_key(chain, id, &request).into_bytes(),
        headers: vec![],
        value: Some(journal::encode_request(&request)),
    }
}

fn written(ask: Ask) -> journal::Request {
    match ask {
        Ask::Backfill { from, to } => journal::Request::Backfill { from, to },
        Ask::Rewind { to } => journal::Request::Rewind { to },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(position: u64, id: &str, ask: Option<Ask>) -> Stored {
        let record = filed("c", id, ask.unwrap_or(Ask::Rewind { to: 1 }));
        let value = record.value.filter(|_| ask.is_some());
        Stored { position, key: record.key, headers: vec![], value, timestamp_ms: 0 }
    }

    #[test]
    fn the_newest_word_on_a_request_counts_in_whatever_order_it_is_read() {
        let requests = Requests::default();
        let (one, two) = (Ask::Rewind { to: 1 }, Ask::Rewind { to: 2 });
        requests.note(&stored(5, "a", None)).unwrap();
        requests.note(&stored(3, "a", Some(one))).unwrap();
        requests.note(&stored(6, "b", Some(two))).unwrap();
        assert_eq!(requests.of("c"), [Request { id: "b".into(), ask: two }], "a was struck off later");
        assert_eq!(requests.keys("c", &["b".into()]), ["c/rewind/b"]);
        requests.answered("c", &["b".into()]);
        requests.note(&stored(6, "b", Some(two))).unwrap();
        assert_eq!(requests.of("c"), [], "what is fulfilled is not read back");
    }
}
