//! The reader's side of the tape: partitions of it are gained and lost, batches arrive in order.
//!
//! **Invariant:** after `Gained` nothing of that partition arrives until [`Feed::seek`] has said from where; after `Lost`
//! nothing of it arrives at all, and what was folded of it since the last commit is void. Assignments of one number are
//! gained and lost together, whatever their logs: one key has one reader.

use crate::change::Event;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

/// One ordered part of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Name of the topic, without an environment's prefix: `trades.executed.v1`.
    pub topic: Arc<str>,
    /// Its number in the topic, from 0.
    pub index: u32,
}

impl Partition {
    /// Whether these, log by log, are the positions of this partition's index that a reader rests on: its own, none before the
    /// first, and those of the companions that it has read.
    pub fn stands(&self, from: Option<u64>, beside: &[(Self, u64)], mut standing: Vec<(String, u64)>) -> bool {
        let own = from.map(|from| (self.topic.to_string(), from));
        let beside = beside.iter().map(|(partition, next)| (partition.topic.to_string(), *next));
        let mut expected: Vec<(String, u64)> = own.into_iter().chain(beside).collect();
        standing.sort();
        expected.sort();
        standing == expected
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

/// One event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRecord {
    /// Its position.
    pub position: u64,
    /// What it says.
    pub event: Event,
    /// How it says it, word for word.
    pub text: String,
}

/// Events of one partition, in order, each as what its reader makes of it on arrival.
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

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<E = TradeRecord> {
    /// The partition is this reader's now; say where to start.
    Gained(Partition),
    /// Its next events.
    Batch(Batch<E>),
    /// The partition is another's; forget it.
    Lost(Partition),
}

/// A reader of trade events.
pub trait Feed<E = TradeRecord>: Send {
    /// The next delivery; waits for one.
    fn next(&mut self) -> impl Future<Output = Result<Delivery<E>, Unavailable>> + Send;
    /// Starts, or starts again, to read a gained partition at `start`.
    fn seek(&mut self, partition: &Partition, start: Start) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The outside failed; trying again later may help. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Unavailable {
    /// What was tried.
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
