//! An audit of completeness: compares the records a reader read of a chain with the counts in the chain's own progress.
//!
//! A count says how many records of a chain stand in a partition below a position. Between two counts the reader must
//! have read exactly the difference; what lies before the first count is not audited. Its figures must be zero.

use crate::record::chain_of;
use crate::topics;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tape::Partition;
use wire::v1::progress::{ChainProgressed, PartitionProgress};

/// Most positions kept of one chain in one partition while no count comes; beyond, the audit begins anew with the next
/// count.
const MAX_UNCOUNTED: usize = 100_000;

/// What the audit found of one chain; all of it must be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditFindings {
    /// Records that the chain counts and that did not arrive.
    pub lost: u64,
    /// Records that arrived and that the chain does not count.
    pub doubled: u64,
    /// Heights between the first and the last covered one that nothing covers.
    pub gap: u64,
}

/// The audit of one reader.
#[derive(Debug, Default)]
pub struct CompletenessAudit {
    partitions: HashMap<Partition, ReadRange>,
    chains: HashMap<Arc<str>, AuditFindings>,
}

/// The positions of a partition that were read without a break.
#[derive(Debug)]
struct ReadRange {
    from: u64,
    next: u64,
    chains: HashMap<Arc<str>, ChainInPartition>,
}

/// One chain in one partition.
#[derive(Debug, Default)]
struct ChainInPartition {
    /// Positions of its records that no count has covered yet.
    seen: VecDeque<u64>,
    /// The newest count that was compared.
    since: Option<Count>,
    /// Counts beyond what was read so far.
    ahead: VecDeque<Count>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    /// The position below which was counted.
    next: u64,
    /// Records of the chain below it.
    records: u64,
}

impl CompletenessAudit {
    /// A partition is read from here on; what was read of it before counts no more.
    pub fn begin(&mut self, partition: &Partition, from: u64) {
        self.partitions.insert(partition.clone(), ReadRange { from, next: from, chains: HashMap::new() });
    }

    /// A partition is read no more.
    pub fn forget(&mut self, partition: &Partition) {
        self.partitions.remove(partition);
    }

    /// Records of a partition were read, up to `next`: their keys and positions.
    pub fn take_records<'a>(
        &mut self,
        partition: &Partition,
        records: impl Iterator<Item = (&'a [u8], u64)>,
        next: u64,
    ) {
        let Some(range) = self.partitions.get_mut(partition) else { return };
        range.next = next;
        for (key, position) in records {
            let chain = chain_of(key);
            let uncompared = match range.chains.get_mut(&*chain) {
                Some(uncompared) => uncompared,
                None => range.chains.entry(Arc::from(&*chain)).or_default(),
            };
            uncompared.seen.push_back(position);
            if uncompared.seen.len() > MAX_UNCOUNTED {
                uncompared.seen.clear();
                uncompared.since = None;
            }
        }
        for (chain, uncompared) in &mut range.chains {
            compare(uncompared, next, self.chains.entry(Arc::clone(chain)).or_default());
        }
    }

    /// Takes in a chain's progress, which carries its counts.
    pub fn take_progress(&mut self, progress: &ChainProgressed) {
        let chain: Arc<str> = progress.chain.as_str().into();
        let gap = progress.covered.windows(2).map(|two| two[1].from.saturating_sub(two[0].to.saturating_add(1))).sum();
        self.chains.entry(Arc::clone(&chain)).or_default().gap = gap;
        for (topic, partitions) in [(topics::TRADES, &progress.partitions), (topics::HISTORY, &progress.history)] {
            for written in partitions {
                self.take_count(&topic.partition(written.partition), &chain, written);
            }
        }
    }

    fn take_count(&mut self, partition: &Partition, chain: &Arc<str>, written: &PartitionProgress) {
        let Some(range) = self.partitions.get_mut(partition) else { return };
        let count = Count { next: written.next, records: written.count };
        let uncompared = range.chains.entry(Arc::clone(chain)).or_default();
        let newest = uncompared.ahead.back().or(uncompared.since.as_ref());
        if count.next < range.from || newest.is_some_and(|newest| count.next <= newest.next) {
            return;
        }
        uncompared.ahead.push_back(count);
        compare(uncompared, range.next, self.chains.entry(Arc::clone(chain)).or_default());
    }

    /// What was found of one chain.
    pub fn of_chain(&self, chain: &str) -> AuditFindings {
        self.chains.get(chain).copied().unwrap_or_default()
    }

    /// What was found of all chains together.
    pub fn total(&self) -> AuditFindings {
        let add = |sum: AuditFindings, one: &AuditFindings| AuditFindings {
            lost: sum.lost + one.lost,
            doubled: sum.doubled + one.doubled,
            gap: sum.gap + one.gap,
        };
        self.chains.values().fold(AuditFindings::default(), add)
    }
}

/// Compares every count up to which the partition was read.
fn compare(uncompared: &mut ChainInPartition, reached: u64, found: &mut AuditFindings) {
    while let Some(count) = uncompared.ahead.front().copied().filter(|count| count.next <= reached) {
        uncompared.ahead.pop_front();
        let below = uncompared.seen.partition_point(|position| *position < count.next);
        let seen = uncompared.seen.drain(..below).count() as u64;
        if let Some(since) = uncompared.since {
            let counted = count.records.saturating_sub(since.records);
            found.lost += counted.saturating_sub(seen);
            found.doubled += seen.saturating_sub(counted);
        }
        uncompared.since = Some(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        topics::TRADES.partition(3)
    }

    fn see(audit: &mut CompletenessAudit, positions: &[u64], next: u64) {
        audit.take_records(&partition(), positions.iter().map(|position| (b"mock/0xa".as_slice(), *position)), next);
    }

    fn mark(audit: &mut CompletenessAudit, next: u64, count: u64) {
        audit.take_count(&partition(), &"mock".into(), &PartitionProgress { partition: 3, next, count });
    }

    fn figures(audit: &CompletenessAudit) -> (u64, u64) {
        let AuditFindings { lost, doubled, .. } = audit.of_chain("mock");
        (lost, doubled)
    }

    #[test]
    fn what_is_counted_and_seen_is_right_whichever_comes_first() {
        let mut audit = CompletenessAudit::default();
        audit.begin(&partition(), 0);
        see(&mut audit, &[0, 1, 3], 4);
        mark(&mut audit, 4, 3);
        mark(&mut audit, 9, 5);
        see(&mut audit, &[5, 8], 9);
        see(&mut audit, &[9], 10);
        mark(&mut audit, 10, 6);
        assert_eq!(figures(&audit), (0, 0));
    }

    #[test]
    fn what_is_missing_is_lost_and_what_is_too_much_is_doubled() {
        let mut audit = CompletenessAudit::default();
        audit.begin(&partition(), 0);
        see(&mut audit, &[0], 1);
        mark(&mut audit, 1, 1);
        see(&mut audit, &[1], 4);
        mark(&mut audit, 4, 4);
        assert_eq!(figures(&audit), (2, 0));
        see(&mut audit, &[4, 5, 6], 7);
        mark(&mut audit, 7, 5);
        assert_eq!(figures(&audit), (2, 2));
    }

    #[test]
    fn nothing_is_compared_across_a_break() {
        let mut audit = CompletenessAudit::default();
        audit.begin(&partition(), 0);
        see(&mut audit, &[0], 1);
        mark(&mut audit, 1, 1);
        audit.begin(&partition(), 50);
        mark(&mut audit, 40, 30);
        see(&mut audit, &[50, 51], 52);
        mark(&mut audit, 51, 34);
        mark(&mut audit, 52, 35);
        assert_eq!(figures(&audit), (0, 0));
    }

    #[test]
    fn a_poisoned_record_counts_for_its_key_and_other_chains_do_not_matter() {
        let mut audit = CompletenessAudit::default();
        audit.begin(&partition(), 0);
        mark(&mut audit, 0, 0);
        audit.take_records(&partition(), [(b"other/x".as_slice(), 0), (b"mock/y", 1), (b"garbage", 2)].into_iter(), 3);
        mark(&mut audit, 2, 1);
        assert_eq!(figures(&audit), (0, 0));
        assert_eq!(audit.total(), AuditFindings::default());
    }
}
