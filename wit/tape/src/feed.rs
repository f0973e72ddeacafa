//! The reader's side of the tape: partitions are assigned and taken away, and their events arrive in order, in batches.
//!
//! **Invariant:** after `Gained` nothing of that partition arrives before [`Feed::seek`] names its start; after `Lost`
//! nothing of it arrives at all, and what was folded of it since the last commit is void. Partitions with the same
//! index are gained and lost together, whatever their topics: one key has one reader.

use crate::change::Event;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

/// One ordered part of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Name of the topic, without an environment's prefix: `trades.executed.v1`.
    pub topic: Arc<str>,
    /// Its index in the topic, from 0.
    pub index: u32,
}

impl Partition {
    /// Whether the positions that a store holds for this index, as (topic, position), are those that its reader has
    /// come to: `own` in this partition, none before its first commit, and one in each companion that it has read.
    pub fn positions_match(
        &self,
        own: Option<u64>,
        companions: &[(Self, u64)],
        mut stored: Vec<(String, u64)>,
    ) -> bool {
        let own = own.map(|position| (self.topic.to_string(), position));
        let companions = companions.iter().map(|(partition, next)| (partition.topic.to_string(), *next));
        let mut expected: Vec<(String, u64)> = own.into_iter().chain(companions).collect();
        stored.sort();
        expected.sort();
        stored == expected
    }
}

/// Where reading a partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record kept.
    Beginning,
    /// At this position.
    At(u64),
}

/// A trade event as it stands in a topic, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRecord {
    /// Its position.
    pub position: u64,
    /// The decoded event.
    pub event: Event,
    /// The record's JSON, byte for byte.
    pub text: String,
}

/// Events of one partition, in order, each converted on arrival to what its reader keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<E = TradeRecord> {
    /// Which partition.
    pub partition: Partition,
    /// The events. Records that did not validate are left out: the adapter has dead-lettered them.
    pub events: Vec<E>,
    /// The position to read from next, once this batch is committed.
    pub next: u64,
    /// The trace that the newest of its records belongs to, as W3C's `traceparent`, where it names one.
    pub trace: Option<Arc<str>>,
}

/// What a reader receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<E = TradeRecord> {
    /// The partition was assigned to this reader; seek its start.
    Gained(Partition),
    /// Its next events.
    Batch(Batch<E>),
    /// The partition was taken away; drop what was not committed of it.
    Lost(Partition),
}

/// A reader of trade events.
pub trait Feed<E = TradeRecord>: Send {
    /// The next delivery; waits for one.
    fn next(&mut self) -> impl Future<Output = Result<Delivery<E>, Unavailable>> + Send;
    /// Starts, or starts again, to read a gained partition at `start`.
    fn seek(&mut self, partition: &Partition, start: Start) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Something outside failed, and trying again later may help. Its message reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Unavailable {
    /// What was tried, such as "commit a batch".
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// The failure to do something, with its cause.
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}
