//! Recent changes of one partition: what a latecomer replays between its snapshot and the present.
//!
//! **Invariant:** every change from `floor` up to `next` is kept; what lies below `floor` may be missing.

use std::collections::VecDeque;

/// A change that is kept for latecomers.
#[derive(Clone, Debug)]
pub struct Kept<T> {
    /// Its position in the partition.
    pub position: u64,
    /// When it was appended, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What changed.
    pub change: T,
}

/// The newest changes of one partition, oldest first.
#[derive(Debug)]
pub struct Recent<T> {
    floor: u64,
    next: u64,
    most: usize,
    kept: VecDeque<Kept<T>>,
}

impl<T> Recent<T> {
    /// Nothing yet; the first change will stand at `start` or later. Keeps `most` changes.
    pub fn starting_at(start: u64, most: usize) -> Self {
        Self { floor: start, next: start, most, kept: VecDeque::new() }
    }

    /// Where the next change will stand, at the earliest.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// From where on everything is kept.
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

    /// Adds the newest change; false when it is no news, as after a reader started again.
    pub fn push(&mut self, position: u64, at_ms: u64, change: T) -> bool {
        if position < self.next {
            return false;
        }
        self.next = position + 1;
        self.kept.push_back(Kept { position, at_ms, change });
        true
    }

    /// Notes that the reader has come to `next`, over positions that hold no change.
    pub fn advance(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Everything at or after a position; none when some of it is no longer kept.
    pub fn since(&self, position: u64) -> Option<impl Iterator<Item = &Kept<T>>> {
        if position < self.floor {
            return None;
        }
        let first = self.kept.partition_point(|kept| kept.position < position);
        Some(self.kept.range(first..))
    }

    /// Forgets the oldest change; says what it was.
    pub fn forget_oldest(&mut self) -> Option<T> {
        let oldest = self.kept.pop_front()?;
        self.floor = oldest.position + 1;
        Some(oldest.change)
    }

    /// Forgets the oldest change if there are too many, or if it is older than `before_ms` and below `folded`, where no
    /// snapshot to come can need it.
    pub fn forget_spent(&mut self, before_ms: u64, folded: u64) -> Option<T> {
        let oldest = self.kept.front()?;
        let spent = oldest.at_ms < before_ms && oldest.position < folded;
        if spent || self.kept.len() > self.most { self.forget_oldest() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(recent: &Recent<&str>, since: u64) -> Option<Vec<u64>> {
        recent.since(since).map(|kept| kept.map(|kept| kept.position).collect())
    }

    #[test]
    fn what_is_kept_replays_without_a_hole() {
        let mut recent = Recent::starting_at(10, 2);
        assert_eq!(positions(&recent, 10), Some(vec![]));
        assert_eq!(positions(&recent, 9), None, "below the floor something may be missing");
        assert!(recent.push(10, 1, "a") && recent.push(12, 2, "b") && recent.push(13, 3, "c"));
        assert!(!recent.push(12, 2, "b again"), "a position read twice is no news");
        assert_eq!(positions(&recent, 11), Some(vec![12, 13]));
        assert_eq!(recent.forget_spent(0, 0), Some("a"), "more than two");
        assert_eq!(recent.forget_spent(0, 0), None);
        assert_eq!((recent.floor(), positions(&recent, 10)), (11, None));
        assert_eq!(positions(&recent, 11), Some(vec![12, 13]));
    }

    #[test]
    fn old_changes_stay_while_a_snapshot_may_need_them() {
        let mut recent = Recent::starting_at(0, 100);
        recent.push(0, 1, "a");
        recent.push(1, 2, "b");
        assert_eq!(recent.forget_spent(1_000, 0), None, "metrics has not folded it yet");
        assert_eq!(recent.forget_spent(1_000, 1), Some("a"));
        assert_eq!(recent.forget_spent(1_000, 1), None);
        recent.advance(9);
        assert_eq!((recent.next(), recent.floor()), (9, 1));
    }
}
