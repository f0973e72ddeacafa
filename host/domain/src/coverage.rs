//! Coverage: which heights are on the tape, and by which code, as ranges that never overlap.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Heights that are on the tape, scanned by one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// First height.
    pub from: u64,
    /// Last height.
    pub to: u64,
    /// Digest of the code that scanned them.
    pub digest: Arc<str>,
}

/// A change of one numbered range: its new value, or none when it is removed.
pub type RangeChange = (u32, Option<Range>);

/// Ranges by the number under which they are journalled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    ranges: BTreeMap<u32, Range>,
}

impl Coverage {
    /// The ranges as journalled.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, Range)>) -> Self {
        Self { ranges: ranges.into_iter().collect() }
    }

    /// The ranges, lowest first.
    pub fn ascending(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = self.ranges.values().cloned().collect();
        ranges.sort_by_key(|range| range.from);
        ranges
    }

    /// Adds heights that no range covers; they join a neighbour of the same code.
    pub fn add(&mut self, added: &Range) -> Vec<RangeChange> {
        if added.from > added.to {
            return vec![];
        }
        let touches = |range: &Range| {
            range.digest == added.digest
                && (range.to.checked_add(1) == Some(added.from) || added.to.checked_add(1) == Some(range.from))
        };
        let joined: Vec<u32> = self.ranges.iter().filter(|(_, range)| touches(range)).map(|(n, _)| *n).collect();
        let mut whole = added.clone();
        let mut changes = vec![];
        for number in &joined {
            if let Some(range) = self.ranges.remove(number) {
                whole.from = whole.from.min(range.from);
                whole.to = whole.to.max(range.to);
                changes.push((*number, None));
            }
        }
        let number = joined.first().copied().unwrap_or_else(|| self.unused());
        changes.retain(|(gone, _)| *gone != number);
        self.ranges.insert(number, whole.clone());
        changes.push((number, Some(whole)));
        changes
    }

    /// Removes everything above a height.
    pub fn cut(&mut self, height: u64) -> Vec<RangeChange> {
        let above: Vec<u32> = self.ranges.iter().filter(|(_, range)| range.to > height).map(|(n, _)| *n).collect();
        let mut changes = vec![];
        for number in above {
            let Some(mut range) = self.ranges.remove(&number) else { continue };
            range.to = height;
            let kept = (range.from <= height).then_some(range);
            if let Some(range) = &kept {
                self.ranges.insert(number, range.clone());
            }
            changes.push((number, kept));
        }
        changes
    }

    /// The lowest heights from `from` to `to` that neither a range nor `beside` covers.
    pub fn hole(&self, from: u64, to: u64, beside: Option<&Range>) -> Option<(u64, u64)> {
        let mut first = from;
        let mut ranges: Vec<&Range> = self.ranges.values().chain(beside).collect();
        ranges.sort_by_key(|range| range.from);
        for range in ranges {
            if range.to < first {
                continue;
            }
            if range.from > first {
                return (first <= to).then(|| (first, to.min(range.from - 1)));
            }
            first = range.to.checked_add(1)?;
        }
        (first <= to).then_some((first, to))
    }

    fn unused(&self) -> u32 {
        (0..=u32::MAX).find(|number| !self.ranges.contains_key(number)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn range(from: u64, to: u64, digest: &str) -> Range {
        Range { from, to, digest: digest.into() }
    }

    #[test]
    fn neighbours_of_one_code_are_one_range() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.add(&range(10, 19, "a")), [(0, Some(range(10, 19, "a")))]);
        assert_eq!(coverage.add(&range(30, 39, "a")), [(1, Some(range(30, 39, "a")))]);
        assert_eq!(coverage.add(&range(40, 41, "b")), [(2, Some(range(40, 41, "b")))]);
        assert_eq!(coverage.add(&range(20, 29, "a")), [(1, None), (0, Some(range(10, 39, "a")))]);
        assert_eq!(coverage.cut(34), [(0, Some(range(10, 34, "a"))), (2, None)]);
        assert_eq!(coverage.hole(0, 50, None), Some((0, 9)));
        assert_eq!(coverage.hole(10, 50, None), Some((35, 50)));
        assert_eq!(coverage.hole(10, 50, Some(&range(36, 99, "c"))), Some((35, 35)));
        assert_eq!(coverage.hole(12, 30, None), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Filling hole after hole covers every height once, whatever was there, and what is journalled is what is
        /// known.
        #[test]
        fn holes_are_filled_and_the_journal_is_true(
            begun in prop::collection::vec((0_u64..60, 0_u64..9, 0_u8..2), 0..8),
            cut in prop::option::of(0_u64..60),
            requested in (0_u64..60, 0_u64..30),
        ) {
            let mut coverage = Coverage::default();
            let mut journal: BTreeMap<u32, Range> = BTreeMap::new();
            let mut record = |recorded: Vec<RangeChange>| for (number, range) in recorded {
                match range {
                    Some(range) => journal.insert(number, range),
                    None => journal.remove(&number),
                };
            };
            for (from, length, code) in begun {
                if let Some((first, last)) = coverage.hole(from, from + length, None) {
                    record(coverage.add(&range(first, last, &code.to_string())));
                }
            }
            if let Some(height) = cut {
                record(coverage.cut(height));
                prop_assert!(coverage.ascending().iter().all(|range| range.to <= height));
            }
            let (from, to) = (requested.0, requested.0 + requested.1);
            while let Some((first, last)) = coverage.hole(from, to, None) {
                prop_assert!(first >= from && last <= to && first <= last);
                record(coverage.add(&range(first, last.min(first + 2), "new")));
            }
            let mut seen = BTreeSet::new();
            for range in coverage.ascending() {
                for height in range.from..=range.to {
                    prop_assert!(seen.insert(height), "height {} is covered twice", height);
                }
            }
            prop_assert!((from..=to).all(|height| seen.contains(&height)));
            prop_assert_eq!(Coverage::from_ranges(journal), coverage);
        }
    }
}
