//! Counts of what looks like a trade and became none, by reason and venue; bounded, since a plugin names them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Where everything is counted that found no place of its own.
const OTHER: &str = "other.other";

/// Events that became no trade, by `REASON.VENUE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedCounts(BTreeMap<Arc<str>, u64>);

impl DroppedCounts {
    /// Kinds that are told apart; all others are counted together.
    pub const MAX_KINDS: usize = 64;

    /// Counts more of one kind.
    pub fn count(&mut self, kind: &Arc<str>, count: u64) {
        let has_place = self.0.len() + 1 < Self::MAX_KINDS || self.0.contains_key(kind);
        let place = if has_place { Arc::clone(kind) } else { OTHER.into() };
        let known = self.0.entry(place).or_default();
        *known = known.saturating_add(count);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            self.count(kind, *count);
        }
    }

    /// Each kind with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.0.iter().map(|(kind, count)| (kind, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_named_the_kinds_are_bounded_and_nothing_is_lost() {
        let mut counts = DroppedCounts::default();
        for kind in 0..1_000_u64 {
            counts.count(&format!("unbacked.{kind}").into(), 1);
        }
        counts.count(&"unbacked.0".into(), u64::MAX);
        assert_eq!(counts.iter().count(), DroppedCounts::MAX_KINDS);
        let count = |kind: &str| counts.iter().find(|(of, _)| ***of == *kind).map(|(_, count)| count);
        assert_eq!(count("unbacked.0"), Some(u64::MAX), "counts saturate");
        assert_eq!(count(OTHER), Some(1_000 - 63));
        let mut sum = counts.clone();
        sum.add(&counts);
        assert_eq!(sum.iter().count(), DroppedCounts::MAX_KINDS);
    }
}
