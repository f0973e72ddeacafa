//! What must be zero: compares the records a reader saw of a chain with those that the chain's own progress counts.
//!
//! A mark says that below a position so many records of a chain stand in a partition. Between two marks the reader must have
//! seen exactly the difference; what lies before its first mark it does not judge.

use crate::record::chain_of;
use crate::topics;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tape::Partition;
use wire::v1::progress::{ChainProgressed, PartitionProgress};

/// Positions kept of one chain in one partition while no mark comes; beyond, judging begins anew with the next mark.
const MOST: usize = 100_000;

/// Figures of one chain that must be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that the chain counts and that did not arrive.
    pub lost: u64,
    /// Records that arrived and that the chain does not count.
    pub doubled: u64,
    /// Heights between the first and the last covered one that nothing covers.
    pub gap: u64,
}

/// What one reader saw and was told.
#[derive(Debug, Default)]
pub struct Watch {
    partitions: HashMap<Partition, Span>,
    chains: HashMap<Arc<str>, Tally>,
}

/// How far a partition was read without a break.
#[derive(Debug)]
struct Span {
    from: u64,
    next: u64,
    lines: HashMap<Arc<str>, Line>,
}

/// One chain in one partition.
#[derive(Debug, Default)]
struct Line {
    /// Where its records stood that no mark has accounted for yet.
    seen: VecDeque<u64>,
    /// The mark up to which everything is accounted for.
    since: Option<Mark>,
    /// Marks beyond what was read so far.
    ahead: VecDeque<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    next: u64,
    count: u64,
}

impl Watch {
    /// A partition is read from here on; what was seen of it before counts no more.
    pub fn begin(&mut self, partition: &Partition, from: u64) {
        self.partitions.insert(partition.clone(), Span { from, next: from, lines: HashMap::new() });
    }

    /// A partition is read no more.
    pub fn forget(&mut self, partition: &Partition) {
        self.partitions.remove(partition);
    }

    /// Records of a partition were read, up to `next`: their keys and positions.
    pub fn saw<'a>(&mut self, partition: &Partition, records: impl Iterator<Item = (&'a [u8], u64)>, next: u64) {
        let Some(span) = self.partitions.get_mut(partition) else { return };
        span.next = next;
        for (key, position) in records {
            let chain = chain_of(key);
            let line = match span.lines.get_mut(&*chain) {
                Some(line) => line,
                None => span.lines.entry(Arc::from(&*chain)).or_default(),
            };
            line.seen.push_back(position);
            if line.seen.len() > MOST {
                line.seen.clear();
                line.since = None;
            }
        }
        for (chain, line) in &mut span.lines {
            settle(line, next, self.chains.entry(Arc::clone(chain)).or_default());
        }
    }

    /// A chain said how far it is.
    pub fn told(&mut self, progress: &ChainProgressed) {
        let chain: Arc<str> = progress.chain.as_str().into();
        let gap = progress.covered.windows(2).map(|two| two[1].from.saturating_sub(two[0].to.saturating_add(1))).sum();
        self.chains.entry(Arc::clone(&chain)).or_default().gap = gap;
        for (topic, partitions) in [(topics::TRADES, &progress.partitions), (topics::HISTORY, &progress.history)] {
            for written in partitions {
                self.mark(&topic.partition(written.partition), &chain, written);
            }
        }
    }

    fn mark(&mut self, partition: &Partition, chain: &Arc<str>, written: &PartitionProgress) {
        let Some(span) = self.partitions.get_mut(partition) else { return };
        let mark = Mark { next: written.next, count: written.count };
        let line = span.lines.entry(Arc::clone(chain)).or_default();
        let newest = line.ahead.back().or(line.since.as_ref());
        if mark.next < span.from || newest.is_some_and(|newest| mark.next <= newest.next) {
            return;
        }
        line.ahead.push_back(mark);
        settle(line, span.next, self.chains.entry(Arc::clone(chain)).or_default());
    }

    /// The figures of one chain.
    pub fn tally(&self, chain: &str) -> Tally {
        self.chains.get(chain).copied().unwrap_or_default()
    }

    /// The figures of all chains together.
    pub fn total(&self) -> Tally {
        let add = |sum: Tally, one: &Tally| Tally {
            lost: sum.lost + one.lost,
            doubled: sum.doubled + one.doubled,
            gap: sum.gap + one.gap,
        };
        self.chains.values().fold(Tally::default(), add)
    }
}

/// Accounts for the marks that were reached.
fn settle(line: &mut Line, reached: u64, tally: &mut Tally) {
    while let Some(mark) = line.ahead.front().copied().filter(|mark| mark.next <= reached) {
        line.ahead.pop_front();
        let below = line.seen.partition_point(|position| *position < mark.next);
        let seen = line.seen.drain(..below).count() as u64;
        if let Some(since) = line.since {
            let counted = mark.count.saturating_sub(since.count);
            tally.lost += counted.saturating_sub(seen);
            tally.doubled += seen.saturating_sub(counted);
        }
        line.since = Some(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        topics::TRADES.partition(3)
    }

    fn see(watch: &mut Watch, positions: &[u64], next: u64) {
        watch.saw(&partition(), positions.iter().map(|position| (b"mock/0xa".as_slice(), *position)), next);
    }

    fn mark(watch: &mut Watch, next: u64, count: u64) {
        watch.mark(&partition(), &"mock".into(), &PartitionProgress { partition: 3, next, count });
    }

    fn figures(watch: &Watch) -> (u64, u64) {
        let Tally { lost, doubled, .. } = watch.tally("mock");
        (lost, doubled)
    }

    #[test]
    fn what_is_counted_and_seen_is_right_whichever_comes_first() {
        let mut watch = Watch::default();
        watch.begin(&partition(), 0);
        see(&mut watch, &[0, 1, 3], 4);
        mark(&mut watch, 4, 3);
        mark(&mut watch, 9, 5);
        see(&mut watch, &[5, 8], 9);
        see(&mut watch, &[9], 10);
        mark(&mut watch, 10, 6);
        assert_eq!(figures(&watch), (0, 0));
    }

    #[test]
    fn what_is_missing_is_lost_and_what_is_too_much_is_doubled() {
        let mut watch = Watch::default();
        watch.begin(&partition(), 0);
        see(&mut watch, &[0], 1);
        mark(&mut watch, 1, 1);
        see(&mut watch, &[1], 4);
        mark(&mut watch, 4, 4);
        assert_eq!(figures(&watch), (2, 0));
        see(&mut watch, &[4, 5, 6], 7);
        mark(&mut watch, 7, 5);
        assert_eq!(figures(&watch), (2, 2));
    }

    #[test]
    fn nothing_is_judged_across_a_break() {
        let mut watch = Watch::default();
        watch.begin(&partition(), 0);
        see(&mut watch, &[0], 1);
        mark(&mut watch, 1, 1);
        watch.begin(&partition(), 50);
        mark(&mut watch, 40, 30);
        see(&mut watch, &[50, 51], 52);
        mark(&mut watch, 51, 34);
        mark(&mut watch, 52, 35);
        assert_eq!(figures(&watch), (0, 0));
    }

    #[test]
    fn a_poisoned_record_counts_for_its_key_and_other_chains_do_not_matter() {
        let mut watch = Watch::default();
        watch.begin(&partition(), 0);
        mark(&mut watch, 0, 0);
        watch.saw(&partition(), [(b"other/x".as_slice(), 0), (b"mock/y", 1), (b"garbage", 2)].into_iter(), 3);
        mark(&mut watch, 2, 1);
        assert_eq!(figures(&watch), (0, 0));
        assert_eq!(watch.total(), Tally::default());
    }
}
