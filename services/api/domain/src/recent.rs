//! The recent changes of one partition, kept so that a new subscription can replay those after its snapshot.
//!
//! **Invariant:** every change from `floor` up to `next` is kept; changes below `floor` may be missing.

use std::collections::VecDeque;

/// A change that is kept for later subscriptions.
#[derive(Clone, Debug)]
pub struct KeptChange<T> {
    /// Its position in the partition.
    pub position: u64,
    /// When it was appended, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What changed.
    pub change: T,
}

/// The newest changes of one partition, oldest first.
#[derive(Debug)]
pub struct RecentChanges<T> {
    floor: u64,
    next: u64,
    max_changes: usize,
    kept: VecDeque<KeptChange<T>>,
}

impl<T> RecentChanges<T> {
    /// No changes yet; the first one will have position `start` or a later one. Keeps at most `max_changes`.
    pub fn starting_at(start: u64, max_changes: usize) -> Self {
        Self { floor: start, next: start, max_changes, kept: VecDeque::new() }
    }

    /// The lowest position that the next change can have.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The position from which on every change is kept.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many changes are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether no change is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds the newest change. False when its position was added before, as after the log reader started again.
    pub fn push(&mut self, position: u64, at_ms: u64, change: T) -> bool {
        if position < self.next {
            return false;
        }
        self.next = position + 1;
        self.kept.push_back(KeptChange { position, at_ms, change });
        true
    }

    /// Records that the log was read up to `next`, past positions that hold no change.
    pub fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Every change at or after a position; none when some of them are no longer kept.
    pub fn since(&self, position: u64) -> Option<impl Iterator<Item = &KeptChange<T>>> {
        if position < self.floor {
            return None;
        }
        let first = self.kept.partition_point(|kept| kept.position < position);
        Some(self.kept.range(first..))
    }

    /// Removes and returns the oldest change.
    pub fn forget_oldest(&mut self) -> Option<T> {
        let oldest = self.kept.pop_front()?;
        self.floor = oldest.position + 1;
        Some(oldest.change)
    }

    /// Removes and returns the oldest change if there are more than `max_changes`, or if it is older than `before_ms`
    /// and below `folded`: every later snapshot contains it.
    pub fn forget_expired(&mut self, before_ms: u64, folded: u64) -> Option<T> {
        let oldest = self.kept.front()?;
        let expired = oldest.at_ms < before_ms && oldest.position < folded;
        if expired || self.kept.len() > self.max_changes { self.forget_oldest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(recent: &RecentChanges<&str>, since: u64) -> Option<Vec<u64>> {
        recent.since(since).map(|kept| kept.map(|kept| kept.position).collect())
    }

    #[test]
    fn kept_changes_replay_without_a_hole() {
        let mut recent = RecentChanges::starting_at(10, 2);
        assert_eq!(positions(&recent, 10), Some(vec![]));
        assert_eq!(positions(&recent, 9), None, "below the floor something may be missing");
        assert!(recent.push(10, 1, "a") && recent.push(12, 2, "b") && recent.push(13, 3, "c"));
        assert!(!recent.push(12, 2, "b again"), "a position that was read before is not added again");
        assert_eq!(positions(&recent, 11), Some(vec![12, 13]));
        assert_eq!(recent.forget_expired(0, 0), Some("a"), "more than two");
        assert_eq!(recent.forget_expired(0, 0), None);
        assert_eq!((recent.floor(), positions(&recent, 10)), (11, None));
        assert_eq!(positions(&recent, 11), Some(vec![12, 13]));
    }

    #[test]
    fn old_changes_stay_while_a_snapshot_may_need_them() {
        let mut recent = RecentChanges::starting_at(0, 100);
        recent.push(0, 1, "a");
        recent.push(1, 2, "b");
        assert_eq!(recent.forget_expired(1_000, 0), None, "metrics has not folded it yet");
        assert_eq!(recent.forget_expired(1_000, 1), Some("a"));
        assert_eq!(recent.forget_expired(1_000, 1), None);
        recent.advance(9);
        assert_eq!((recent.next(), recent.floor()), (9, 1));
    }
}
