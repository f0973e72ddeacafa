//! What is kept no more: old trades may be dropped once their blocks are final and their figures stand; what comes to light
//! below that afterwards is late, and changes nothing.
//!
//! Decisions
//! * 2026-11-25 – lateness is decided by height. Context: rows are dropped by block time, books are folded in chain order,
//!   and no clock is promised to rise with the height. Choice: what was dropped of a chain leaves a floor, the highest
//!   height among it; everything at or below it is late. Price: a trade at such a height whose own clock was ahead is
//!   still kept and is late all the same, should it be taken back.

use crate::entry::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use tape::Unavailable;

/// No block has an earlier time: what says so has no clock, and is never dropped for it. 30-day spans since 1970 begin here.
pub const FIRST_MS: u64 = 475 * SPAN_MS;
/// Trades are dropped by spans of so much block time.
pub const SPAN_MS: u64 = 30 * 86_400_000;

/// Down to where trades are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// Trades of an earlier block time are not kept; zero where all are.
    pub cut_ms: u64,
    /// Per chain, the highest height that was dropped.
    pub heights: HashMap<Arc<str>, u64>,
}

impl Floors {
    /// Whether an event of a trade comes too late to change anything.
    pub fn is_late(&self, entry: &Entry) -> bool {
        let floor = self.heights.get(&entry.user.chain);
        floor.is_some_and(|floor| entry.order.place.height <= *floor)
    }
}

/// The block times that a cut drops.
pub fn dropped(cut_ms: u64) -> Range<u64> {
    FIRST_MS..cut_ms.max(FIRST_MS)
}

/// The cut that keeps so many days of trades, and what shares a span with them.
pub fn cut(now_ms: u64, days: u32) -> u64 {
    now_ms.saturating_sub(u64::from(days) * 86_400_000) / SPAN_MS * SPAN_MS
}

/// What became of a wish to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// There is nothing to drop, or another is at it.
    Nothing,
    /// A block below the cut is not known to be final: nothing was dropped.
    NotFinal {
        /// Of this chain.
        chain: Arc<str>,
        /// At this height.
        height: u64,
    },
    /// Dropped.
    Done {
        /// So many trades that books are folded on from are still kept, unseen.
        kept: u64,
    },
}

/// Keeps trades for a while.
pub trait Retention: Send + Sync {
    /// Drops the trades below a cut, except those that a book is folded on from, if the blocks of all of them are final:
    /// at most as high as `finalized` says of their chain.
    fn prune(
        &self,
        cut_ms: u64,
        finalized: &BTreeMap<String, u64>,
    ) -> impl Future<Output = Result<Pruned, Unavailable>> + Send;
}

/// The first chain, by name, of whose dropped heights the highest is not final.
pub fn not_final(heights: &BTreeMap<Arc<str>, u64>, finalized: &BTreeMap<String, u64>) -> Option<Pruned> {
    let open = heights.iter().find(|(chain, height)| finalized.get(&***chain).is_none_or(|last| last < *height));
    open.map(|(chain, height)| Pruned::NotFinal { chain: Arc::clone(chain), height: *height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_lies_between_spans_and_keeps_at_least_the_days() {
        let day = 86_400_000;
        assert_eq!(cut(700 * SPAN_MS + 5, 30), 699 * SPAN_MS);
        assert_eq!(cut(700 * SPAN_MS + 5, 31), 698 * SPAN_MS);
        assert_eq!(cut(700 * SPAN_MS - day, 29), 699 * SPAN_MS);
        assert_eq!(cut(700 * SPAN_MS - day, 30), 698 * SPAN_MS);
        assert_eq!(cut(5, 30), 0);
        assert!(dropped(0).is_empty() && dropped(FIRST_MS).is_empty());
        assert!(dropped(FIRST_MS + SPAN_MS).contains(&FIRST_MS) && !dropped(u64::MAX).contains(&0));
    }

    #[test]
    fn nothing_is_dropped_that_may_still_go() {
        let heights: BTreeMap<Arc<str>, u64> = [("a".into(), 5), ("b".into(), 9)].into();
        let finalized = |b| [("a".to_owned(), 5), ("b".to_owned(), b)].into();
        assert_eq!(not_final(&heights, &finalized(9)), None);
        assert_eq!(not_final(&heights, &finalized(8)), Some(Pruned::NotFinal { chain: "b".into(), height: 9 }));
        let unknown = not_final(&heights, &[("b".to_owned(), 99)].into());
        assert_eq!(unknown, Some(Pruned::NotFinal { chain: "a".into(), height: 5 }));
    }
}
