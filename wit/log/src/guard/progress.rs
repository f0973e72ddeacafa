//! How far a service has read, as its database and the log said when the guard compared them last.

use super::compare::{FoundLog, KnownPartition};
use std::collections::HashMap;
use std::sync::Arc;
use tape::Partition;

/// One partition that a service reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Which.
    pub partition: Partition,
    /// The next position to read, as the database has committed it; none where nothing was read.
    pub next: Option<u64>,
    /// Positions between it and the end. What a transaction leaves behind counts as well: at rest it is a few, not 0.
    pub lag: u64,
}

/// All partitions that a service reads, whichever instance holds them.
pub type ReadProgress = Arc<[PartitionProgress]>;

pub(super) fn read_progress(known: &[KnownPartition], found: &FoundLog) -> ReadProgress {
    let next: HashMap<&Partition, u64> = known.iter().filter_map(|it| Some((&it.partition, it.next?))).collect();
    let mut all: Vec<PartitionProgress> = found
        .spans
        .iter()
        .map(|(partition, span)| {
            let next = next.get(partition).copied();
            let lag = span.end.saturating_sub(next.unwrap_or(span.first));
            PartitionProgress { partition: partition.clone(), next, lag }
        })
        .collect();
    all.sort_by(|a, b| a.partition.cmp(&b.partition));
    all.into()
}
