//! The log under the tape: fenced atomic appends and ordered reads, on Kafka, SQLite or memory.
//!
//! [`feed`], [`dead_letter`] and [`completeness`] read payloads; everything else handles bytes, whose meaning is in
//! `wire`. One suite, `tests/suite.rs`, holds the three adapters to the same semantics. Read [`record`] (the nouns),
//! [`topics`] (which topics exist), then [`Log`].

pub mod record;
pub mod topics;
pub mod settings;
pub mod access;
mod topics_command;
mod partitioner;
pub mod partition_range;
pub mod feed;
pub mod consumer_figures;
pub mod dead_letter;
mod dead_letter_command;
mod outbox;
pub mod inbox;
pub mod identity;
pub mod guard;
pub mod completeness;
mod local;
pub mod memory;
pub mod sqlite;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "without_kafka.rs"]
pub mod kafka;

pub use dead_letter_command::DeadLetterCommand;
pub use outbox::{Drained, drain_outbox};
pub use partition_range::PartitionRange;
pub use record::{Appended, Arrival, Record, Stored};
pub use topics::Topic;
pub use topics_command::{TopicsCommand, TopicsFormat};

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tape::{Partition, Start, Unavailable};

/// Which log to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Kafka cluster.
    Kafka(Box<settings::KafkaSettings>),
    /// A file of this machine, for one process.
    Sqlite(PathBuf),
    /// This process alone.
    Memory,
}

/// What frames a record on its way to a broker: more than that of one record in a batch of its own.
const MAX_FRAME_BYTES: usize = 4 * 1024;

/// An open log. Clones share it.
#[derive(Clone)]
pub enum Log {
    /// A Kafka cluster.
    Kafka(kafka::Kafka),
    /// A file of this machine.
    Sqlite(sqlite::Sqlite),
    /// This process alone.
    Memory(memory::Memory),
}

impl Log {
    /// Opens a log; on Kafka nothing is asked of the brokers yet.
    pub async fn open(target: &Target) -> Result<Self, Unavailable> {
        Ok(match target {
            Target::Kafka(settings) => Self::Kafka(kafka::Kafka::open(settings)?),
            Target::Sqlite(path) => Self::Sqlite(sqlite::Sqlite::open(path).await?),
            Target::Memory => Self::Memory(memory::Memory::default()),
        })
    }

    /// Opens a log to look at it: an embedded one that nobody has written yet is empty, and is not made for it.
    pub async fn open_to_read(target: &Target) -> Result<Self, Unavailable> {
        match target {
            Target::Sqlite(path) if !path.exists() => Self::open(&Target::Memory).await,
            target => Self::open(target).await,
        }
    }

    /// Creates the topics that are missing and refuses those that differ from what they should be.
    pub async fn own(&self, topics: &[Topic]) -> Result<(), Unavailable> {
        match self {
            Self::Kafka(log) => log.own(topics).await,
            Self::Sqlite(_) | Self::Memory(_) => Ok(()),
        }
    }

    /// The largest record that a topic takes here, in bytes, with room for what frames it.
    pub fn max_bytes(&self, topic: &Topic) -> usize {
        let bytes = match self {
            Self::Kafka(log) => log.max_bytes(topic),
            Self::Sqlite(_) | Self::Memory(_) => topic.max_bytes,
        };
        (bytes as usize).saturating_sub(MAX_FRAME_BYTES)
    }

    /// Becomes the only writer of that name: every earlier one is fenced when this returns.
    pub async fn writer(&self, name: &str) -> Result<Writer, Unavailable> {
        self.claim_writer(name, None).await
    }

    /// The same for a member of a group: its appends are refused as soon as another generation of the group exists.
    pub async fn writer_as(
        &self,
        name: &str,
        membership: &Membership,
        partition: &Partition,
    ) -> Result<Writer, Unavailable> {
        self.claim_writer(name, Some((membership, partition))).await
    }

    async fn claim_writer(&self, name: &str, place: Option<(&Membership, &Partition)>) -> Result<Writer, Unavailable> {
        Ok(match self {
            Self::Kafka(log) => {
                let place = place.and_then(|(membership, partition)| Some((membership.0.clone()?, partition.clone())));
                Writer::Kafka(Box::new(log.writer(name, place).await?))
            }
            Self::Sqlite(log) => Writer::Sqlite(log.writer(name).await?),
            Self::Memory(log) => Writer::Memory(log.writer(name)),
        })
    }

    /// Appends records in order, at least once, unfenced: outboxes and dead letters.
    pub async fn publish(&self, records: Vec<Record>) -> Result<(), Unavailable> {
        match self {
            Self::Kafka(log) => log.publish(records).await,
            Self::Sqlite(log) => log.publish(records).await,
            Self::Memory(log) => log.publish(records),
        }
    }

    /// Appends records, also to a log file on which another process runs: that process appends them soon, or when it
    /// starts. They may be appended twice.
    pub async fn deliver(&self, records: Vec<Record>) -> Result<(), Unavailable> {
        match self {
            Self::Sqlite(log) => inbox::leave(log.file(), &records).await,
            Self::Kafka(_) | Self::Memory(_) => self.publish(records).await,
        }
    }

    /// What was delivered and is not appended yet, since no process runs on this log, oldest first.
    pub async fn undelivered(&self) -> Result<Vec<Record>, Unavailable> {
        match self {
            Self::Sqlite(log) => inbox::waiting(log.file()).await,
            Self::Kafka(_) | Self::Memory(_) => Ok(vec![]),
        }
    }

    /// Everything committed in one partition up to now, having waited for appends in flight.
    pub async fn read_all(&self, partition: &Partition) -> Result<Vec<Stored>, Unavailable> {
        let all: Arc<Mutex<Vec<Stored>>> = Arc::default();
        let kept = Arc::clone(&all);
        self.visit(partition, move |stored| kept.lock().unwrap_or_else(PoisonError::into_inner).push(stored)).await?;
        Ok(std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The same, one record after another, without holding them all in memory.
    pub async fn visit(
        &self,
        partition: &Partition,
        mut each: impl FnMut(Stored) + Send + 'static,
    ) -> Result<(), Unavailable> {
        match self {
            Self::Kafka(log) => log.visit(partition, each).await,
            Self::Sqlite(log) => log.visit(partition, each).await,
            Self::Memory(log) => {
                log.read_all(partition).into_iter().for_each(&mut each);
                Ok(())
            }
        }
    }

    /// The position after the last record of each partition.
    pub async fn ends(&self, topic: &Topic) -> Result<Vec<(Partition, u64)>, Unavailable> {
        match self {
            Self::Kafka(log) => log.ends(topic).await,
            Self::Sqlite(log) => Ok(log.ends(topic)),
            Self::Memory(log) => Ok(log.ends(topic)),
        }
    }

    /// The position of the first record appended at or after a time, per partition; its end where there is none.
    pub async fn positions_at(&self, topic: &Topic, timestamp_ms: u64) -> Result<Vec<(Partition, u64)>, Unavailable> {
        match self {
            Self::Kafka(log) => log.positions_at(topic, timestamp_ms).await,
            Self::Sqlite(log) => log.positions_at(topic, timestamp_ms).await,
            Self::Memory(log) => Ok(log.positions_at(topic, timestamp_ms)),
        }
    }

    /// Reads partitions without a group, from the given positions; nothing is gained or lost. A partition that is
    /// sought later is read too, one that is [let go](Reader::let_go) no more.
    #[expect(clippy::unused_async, reason = "an adapter may have to ask its server here")]
    pub async fn assigned(&self, partitions: Vec<(Partition, Start)>) -> Result<Reader, Unavailable> {
        Ok(match self {
            Self::Kafka(log) => Reader::Kafka(log.assigned(partitions)?),
            Self::Sqlite(log) => Reader::Sqlite(log.assigned(partitions)),
            Self::Memory(log) => Reader::Memory(log.assigned(partitions)),
        })
    }

    /// Reads a topic together with the other members of a group; partitions are gained and lost.
    #[expect(clippy::unused_async, reason = "an adapter may have to ask its server here")]
    pub async fn joined(&self, group: &str, topic: &Topic) -> Result<Reader, Unavailable> {
        Ok(match self {
            Self::Kafka(log) => Reader::Kafka(log.joined(group, topic)?),
            Self::Sqlite(log) => Reader::Sqlite(log.joined(group, topic)),
            Self::Memory(log) => Reader::Memory(log.joined(group, topic)),
        })
    }

    /// Joins a group whose members write under their membership. Only records whose keys `wants_key` accepts are
    /// delivered; a partition that is lost must be [let go](Reader::let_go) once nothing is written under it any more.
    #[expect(clippy::unused_async, reason = "an adapter may have to ask its server here")]
    pub async fn member(
        &self,
        group: &str,
        topic: &Topic,
        wants_key: fn(&[u8]) -> bool,
    ) -> Result<Reader, Unavailable> {
        Ok(match self {
            Self::Kafka(log) => Reader::Kafka(log.member(group, topic, wants_key)?),
            Self::Sqlite(log) => Reader::Sqlite(log.joined(group, topic)),
            Self::Memory(log) => Reader::Memory(log.joined(group, topic)),
        })
    }
}

/// The membership of a reader in its group.
#[derive(Clone)]
pub struct Membership(Option<kafka::Membership>);

impl Membership {
    /// No group: fencing alone decides who writes.
    pub fn alone() -> Self {
        Self(None)
    }
}

/// The only writer of a name, until another claims it.
pub enum Writer {
    /// A transactional producer.
    Kafka(Box<kafka::Writer>),
    /// An epoch in a table.
    Sqlite(sqlite::Writer),
    /// An epoch in memory.
    Memory(memory::Writer),
}

/// Where an append's records will stand: the position after the last one, per partition.
pub type Ends = Vec<(Partition, u64)>;

impl Writer {
    /// Appends all records or none. `seal` receives where each partition will end after them and adds the last records
    /// of the same step. After anything but `Done` this writer must not be used again.
    pub async fn append(&mut self, records: Vec<Record>, seal: impl FnOnce(&Ends) -> Vec<Record> + Send) -> Appended {
        match self {
            Self::Kafka(writer) => writer.append(records, seal).await,
            Self::Sqlite(writer) => writer.append(records, seal).await,
            Self::Memory(writer) => writer.append(records, seal),
        }
    }
}

/// A reader of partitions, in order within each.
pub enum Reader {
    /// A Kafka consumer on a thread of its own.
    Kafka(kafka::Reader),
    /// A poll of a table, woken by appends of this process.
    Sqlite(sqlite::Reader),
    /// A poll of memory, woken by appends.
    Memory(memory::Reader),
}

impl Reader {
    /// The next arrival; waits for it.
    pub async fn next(&mut self) -> Result<Arrival, Unavailable> {
        match self {
            Self::Kafka(reader) => reader.next().await,
            Self::Sqlite(reader) => reader.next().await,
            Self::Memory(reader) => reader.next().await,
        }
    }

    /// Starts, or starts again, to read a partition at `start`: one that was gained, or any where there is no group.
    #[expect(clippy::unused_async, reason = "an adapter may have to ask its server here")]
    pub async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        match self {
            Self::Kafka(reader) => reader.seek(partition, start),
            Self::Sqlite(reader) => {
                reader.seek(partition, start);
                Ok(())
            }
            Self::Memory(reader) => {
                reader.seek(partition, start);
                Ok(())
            }
        }
    }

    /// For a member of a group: tells the brokers how far each of its partitions was read, where there are brokers. Only
    /// those who watch the group look at it.
    pub fn publish_positions(&mut self, positions: Vec<(Partition, u64)>) {
        if let Self::Kafka(reader) = self {
            reader.publish_positions(positions);
        }
    }

    /// This reader's membership in its group.
    pub fn membership(&self) -> Membership {
        Membership(match self {
            Self::Kafka(reader) => Some(reader.membership()),
            Self::Sqlite(_) | Self::Memory(_) => None,
        })
    }

    /// For a member of a group: nothing is written under a lost partition any more, so another member may have it. For
    /// a reader without a group: the partition is read no more.
    pub fn let_go(&mut self, partition: &Partition) {
        match self {
            Self::Kafka(reader) => reader.let_go(partition),
            Self::Sqlite(reader) => reader.let_go(partition),
            Self::Memory(reader) => reader.let_go(partition),
        }
    }
}
