//! What a log is: the identity of each topic, and where its partitions begin and end. A topic that was deleted and made
//! again, or a cluster that was replaced, has another identity under the same name.

use crate::{Log, Topic};
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// The identity of each topic that exists, by its name: cluster and topic id on Kafka, the file's or the process's own
/// otherwise.
pub type Identities = BTreeMap<Arc<str>, Arc<str>>;

/// The first position that a partition still holds, and the one after its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSpan {
    /// Nothing before it can be read any more.
    pub first: u64,
    /// The position that the next record gets.
    pub end: u64,
}

impl Log {
    /// The identities of those of the topics that exist.
    pub async fn identities(&self, topics: &[Topic]) -> Result<Identities, Unavailable> {
        let own = match self {
            Self::Kafka(log) => return log.identities(topics).await,
            Self::Sqlite(log) => log.identity(),
            Self::Memory(log) => log.identity(),
        };
        Ok(topics.iter().map(|topic| (Arc::from(topic.name), Arc::clone(&own))).collect())
    }

    /// Where each partition of a topic begins and ends.
    pub async fn spans(&self, topic: &Topic) -> Result<Vec<(Partition, PartitionSpan)>, Unavailable> {
        match self {
            Self::Kafka(log) => log.spans(topic).await,
            Self::Sqlite(log) => log.spans(topic).await,
            Self::Memory(log) => Ok(log.spans(topic)),
        }
    }
}
