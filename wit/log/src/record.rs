//! Records, before and after they are appended, and what a reader receives.

use crate::topics;
use std::borrow::Cow;
use tape::Partition;

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it is appended to.
    pub partition: Partition,
    /// Records of one key are ordered; on compacted topics the newest replaces the older ones.
    pub key: Vec<u8>,
    /// CloudEvents and tracing headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The payload; none on a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// Bytes of key, headers and value.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + headers + self.value.as_ref().map_or(0, Vec::len)
    }

    /// Says which record it is that was refused.
    pub(crate) fn too_large(&self, reason: &str) -> String {
        let (key, topic) = (String::from_utf8_lossy(&self.key), &self.partition.topic);
        format!("a record of {} bytes with key `{key}` is too large for {topic}: {reason}", self.bytes())
    }
}

/// Why one of these records is larger than its topic takes, if one is: what the embedded logs refuse as brokers do.
pub(crate) fn refusal(records: &[Record]) -> Option<String> {
    records.iter().find_map(|record| {
        let max_bytes = topics::max_bytes(&record.partition.topic)?;
        (record.bytes() > max_bytes as usize).then(|| record.too_large(&format!("it takes {max_bytes} bytes")))
    })
}

/// A record as it stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its position in its partition.
    pub position: u64,
    /// Records of one key are ordered; on compacted topics the newest replaces the older ones.
    pub key: Vec<u8>,
    /// CloudEvents and tracing headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The payload; none on a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it was appended, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

impl Stored {
    /// The trace that it belongs to, as W3C's `traceparent`, where it names one.
    pub fn traceparent(&self) -> Option<&str> {
        wire::headers::traceparent(&self.headers)
    }

    /// The id of the event that it is about, where it names one.
    pub fn event_id(&self) -> Option<&str> {
        wire::headers::event_id(&self.headers)
    }
}

/// How an append ended.
#[derive(Debug)]
pub enum Appended {
    /// All records are in.
    Done,
    /// Another writer of the same name has taken over; none is in.
    Lost,
    /// None is in, and none ever will be: a record is larger than its topic takes.
    Refused(tape::Unavailable),
    /// All or none are in; a new writer must read to know.
    Unknown(tape::Unavailable),
}

/// What a reader receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The partition was assigned to this reader; no record of it arrives before a `seek`.
    Gained(Partition),
    /// Its next records, in order.
    Records {
        /// Of which partition.
        partition: Partition,
        /// In order of position; positions may have holes.
        records: Vec<Stored>,
        /// The lowest position that the next record can have.
        next: u64,
    },
    /// The partition was taken from this reader.
    Lost(Partition),
}

/// The chain of a key `chain/…`.
pub fn chain_of(key: &[u8]) -> Cow<'_, str> {
    let end = key.iter().position(|byte| *byte == b'/').unwrap_or(key.len());
    String::from_utf8_lossy(&key[..end])
}
