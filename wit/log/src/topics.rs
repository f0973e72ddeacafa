//! The topics that exist, with their partitions and policies. The owner creates them and refuses one that differs.

use std::sync::Arc;
use tape::Partition;

/// How long records stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// For ever.
    Keep,
    /// So many days.
    Days(u32),
    /// The newest of each key.
    Compact,
}

/// One topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Without an environment's prefix.
    pub name: &'static str,
    /// Fixed for ever.
    pub partitions: u32,
    /// How long records stay.
    pub policy: Policy,
    /// Largest record, in bytes.
    pub max_bytes: u32,
}

const MIB: u32 = 1024 * 1024;

const fn topic(name: &'static str, partitions: u32, policy: Policy, max_bytes: u32) -> Topic {
    Topic { name, partitions, policy, max_bytes }
}

/// Trades as they come and go, keyed `chain/trader`.
pub const TRADES: Topic = topic("trades.executed.v1", 64, Policy::Keep, MIB);
/// Backfilled trades, same schema and key.
pub const HISTORY: Topic = topic("trades.history.v1", 64, Policy::Keep, MIB);
/// State of one user's metrics, keyed `chain/trader`.
pub const METRICS_UPDATED: Topic = topic("metrics.updated.v1", 64, Policy::Days(7), MIB);
/// State of one wallet, keyed `chain/address`.
pub const PORTFOLIO_UPDATED: Topic = topic("portfolio.updated.v1", 64, Policy::Days(7), MIB);
/// The ingestor's own memory, keyed `chain/…`, partitioned by chain.
pub const JOURNAL: Topic = topic("ingest.journal.v1", 64, Policy::Compact, MIB);
/// How far each chain is, keyed by chain.
pub const PROGRESS: Topic = topic("chains.progress.v1", 1, Policy::Compact, MIB);
/// Failing scans with all that is needed to repeat them.
pub const FAILURES: Topic = topic("ingest.failures.v1", 1, Policy::Days(30), 16 * MIB);
/// Live trades that metrics could not read.
pub const METRICS_DLQ: Topic = dead_letters("trades.executed.v1.metrics.dlq");
/// Backfilled trades that metrics could not read.
pub const METRICS_HISTORY_DLQ: Topic = dead_letters("trades.history.v1.metrics.dlq");
/// Dead letters replayed to metrics; partitions are those of the trades.
pub const METRICS_REPLAY: Topic = topic("metrics.replay.v1", 64, Policy::Keep, MIB);
/// Live trades that portfolio could not read.
pub const PORTFOLIO_DLQ: Topic = dead_letters("trades.executed.v1.portfolio.dlq");
/// Backfilled trades that portfolio could not read.
pub const PORTFOLIO_HISTORY_DLQ: Topic = dead_letters("trades.history.v1.portfolio.dlq");
/// Dead letters replayed to portfolio; partitions are those of the trades.
pub const PORTFOLIO_REPLAY: Topic = topic("portfolio.replay.v1", 64, Policy::Keep, MIB);

const fn dead_letters(name: &'static str) -> Topic {
    topic(name, 1, Policy::Days(30), 16 * MIB)
}

/// Every topic of dead letters.
pub const DEAD_LETTERS: &[Topic] = &[METRICS_DLQ, METRICS_HISTORY_DLQ, PORTFOLIO_DLQ, PORTFOLIO_HISTORY_DLQ];

/// The topics through which one service reads trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTopics {
    /// The service's name, and that of its group.
    pub name: &'static str,
    /// Where live and replayed trades go that cannot be read.
    pub dlq: Topic,
    /// Where backfilled trades go that cannot be read.
    pub history_dlq: Topic,
    /// Dead letters that are to be read again.
    pub replay: Topic,
}

impl ServiceTopics {
    /// The topics whose partitions are read by whoever reads the live partition with the same index.
    pub fn companions(&self) -> [Topic; 2] {
        [HISTORY, self.replay]
    }

    /// Where a record of a topic goes that cannot be read.
    pub fn dead_letters_of(&self, topic: &str) -> Topic {
        if topic == HISTORY.name { self.history_dlq } else { self.dlq }
    }
}

/// How metrics reads trades.
pub const READ_BY_METRICS: ServiceTopics =
    ServiceTopics { name: "metrics", dlq: METRICS_DLQ, history_dlq: METRICS_HISTORY_DLQ, replay: METRICS_REPLAY };
/// How portfolio reads trades.
pub const READ_BY_PORTFOLIO: ServiceTopics = ServiceTopics {
    name: "portfolio",
    dlq: PORTFOLIO_DLQ,
    history_dlq: PORTFOLIO_HISTORY_DLQ,
    replay: PORTFOLIO_REPLAY,
};

/// What the ingestor owns.
pub const OF_INGESTOR: &[Topic] = &[TRADES, HISTORY, JOURNAL, PROGRESS, FAILURES];
/// What metrics owns.
pub const OF_METRICS: &[Topic] = &[METRICS_UPDATED, METRICS_DLQ, METRICS_HISTORY_DLQ, METRICS_REPLAY];
/// What portfolio owns.
pub const OF_PORTFOLIO: &[Topic] = &[PORTFOLIO_UPDATED, PORTFOLIO_DLQ, PORTFOLIO_HISTORY_DLQ, PORTFOLIO_REPLAY];

/// Every topic.
pub const ALL_TOPICS: &[Topic] = &[
    TRADES,
    HISTORY,
    METRICS_UPDATED,
    PORTFOLIO_UPDATED,
    JOURNAL,
    PROGRESS,
    FAILURES,
    METRICS_DLQ,
    METRICS_HISTORY_DLQ,
    METRICS_REPLAY,
    PORTFOLIO_DLQ,
    PORTFOLIO_HISTORY_DLQ,
    PORTFOLIO_REPLAY,
];

/// Whether only the newest record of each key counts in the topic of that name.
pub fn is_compacted(name: &str) -> bool {
    ALL_TOPICS.iter().any(|topic| topic.name == name && topic.policy == Policy::Compact)
}

/// The largest record of the topic of that name, in bytes.
pub(crate) fn max_bytes(name: &str) -> Option<u32> {
    ALL_TOPICS.iter().find(|topic| topic.name == name).map(|topic| topic.max_bytes)
}

impl Topic {
    /// One partition of it.
    pub fn partition(&self, index: u32) -> Partition {
        Partition { topic: Arc::from(self.name), index }
    }

    /// All its partitions.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        let topic = *self;
        (0..topic.partitions).map(move |index| topic.partition(index))
    }

    /// The partition that holds a key.
    pub fn partition_of(&self, key: &[u8]) -> Partition {
        self.partition(crate::partitioner::partition_of_key(key, self.partitions))
    }
}
