//! What each process does with the log, and so which rights it needs on a cluster that gives rights.

use crate::partition_range::PartitionRange;
use crate::topics::{
    HISTORY, METRICS_DLQ, METRICS_HISTORY_DLQ, METRICS_UPDATED, OF_INGESTOR, OF_METRICS, OF_PORTFOLIO, PORTFOLIO_DLQ,
    PORTFOLIO_HISTORY_DLQ, PORTFOLIO_UPDATED, PROGRESS, TRADES, Topic,
};

/// The group in whose name a consumer reads that takes part in none.
pub(crate) const LONE_GROUP: &str = "alone";
/// The group of ingestors, which share the partitions of the journal.
pub const JOURNAL_GROUP: &str = "ingest";
/// What begins the name of each chain's writer.
pub const CHAIN_WRITERS: &str = "ingest.";

/// What one process does with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The process.
    pub process: &'static str,
    /// Topics that it creates, writes and reads.
    pub owns: &'static [Topic],
    /// Topics of others that it reads.
    pub reads: &'static [Topic],
    /// Groups that it reads in.
    pub groups: &'static [&'static str],
    /// What begins the names of its fenced writers.
    pub writers: Option<&'static str>,
    /// The part of the partitions that it reads in the group of its own name, where that is not all.
    pub range: Option<PartitionRange>,
}

impl Access {
    /// The names of the groups that it reads in.
    pub fn group_names(&self) -> Vec<String> {
        let name = |group: &&str| match self.range {
            Some(range) if *group == self.process => range.group_of(group),
            _ => (*group).to_owned(),
        };
        self.groups.iter().map(name).collect()
    }
}

/// What chain-ingestor does.
pub const INGESTOR_ACCESS: Access = Access {
    process: "chain-ingestor",
    owns: OF_INGESTOR,
    reads: &[],
    groups: &[JOURNAL_GROUP, LONE_GROUP],
    writers: Some(CHAIN_WRITERS),
    range: None,
};

/// What metrics does.
pub const METRICS_ACCESS: Access = Access {
    process: "metrics",
    owns: OF_METRICS,
    reads: &[TRADES, HISTORY, PROGRESS],
    groups: &["metrics", LONE_GROUP],
    writers: None,
    range: None,
};

/// What portfolio does.
pub const PORTFOLIO_ACCESS: Access = Access {
    process: "portfolio",
    owns: OF_PORTFOLIO,
    reads: &[TRADES, HISTORY, PROGRESS],
    groups: &["portfolio", LONE_GROUP],
    writers: None,
    range: None,
};

/// What the api does: it only reads.
pub const API_ACCESS: Access = Access {
    process: "api",
    owns: &[],
    reads: &[
        TRADES,
        PROGRESS,
        METRICS_UPDATED,
        PORTFOLIO_UPDATED,
        METRICS_DLQ,
        METRICS_HISTORY_DLQ,
        PORTFOLIO_DLQ,
        PORTFOLIO_HISTORY_DLQ,
    ],
    groups: &[LONE_GROUP],
    writers: None,
    range: None,
};
