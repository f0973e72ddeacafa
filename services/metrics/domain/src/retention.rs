//! Dropping old trades: trades may be dropped once their blocks are final. An event about a trade at or below what was
//! dropped is late and changes nothing.
//!
//! Decisions
//! * 2026-11-25 – lateness is decided by height. Context: rows are dropped by block time, books are folded in chain
//!   order, and block times need not rise with the height. Choice: dropping trades of a chain leaves a floor, the
//!   highest dropped height; every event at or below it is late. Price: a trade at such a height with a later block
//!   time is still stored, and yet its revert is late.

use crate::entry::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use tape::Unavailable;

/// January 2009, at the beginning of a period: no block is older. A trade with an earlier block time has a wrong clock
/// and is never dropped.
pub const EARLIEST_BLOCK_TIME_MS: u64 = 475 * TRADE_PERIOD_MS;
/// The block time of one period (30 days since 1970). Trades are dropped, and partitioned on PostgreSQL, by whole
/// periods.
pub const TRADE_PERIOD_MS: u64 = 30 * 86_400_000;

/// Below which block time and heights trades were dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// Trades of an earlier block time were dropped; zero when none were.
    pub cut_ms: u64,
    /// The highest dropped height of each chain.
    pub heights: HashMap<Arc<str>, u64>,
}

impl Floors {
    /// Whether an event about a trade arrives too late to change anything.
    pub fn is_late(&self, entry: &Entry) -> bool {
        let floor = self.heights.get(&entry.user.chain);
        floor.is_some_and(|floor| entry.order.place.height <= *floor)
    }
}

/// The block times below a cut.
pub fn dropped_block_times(cut_ms: u64) -> Range<u64> {
    EARLIEST_BLOCK_TIME_MS..cut_ms.max(EARLIEST_BLOCK_TIME_MS)
}

/// The cut that keeps at least this many days of trades: a multiple of the period.
pub fn cut_for_days(now_ms: u64, days: u32) -> u64 {
    now_ms.saturating_sub(u64::from(days) * 86_400_000) / TRADE_PERIOD_MS * TRADE_PERIOD_MS
}

/// The outcome of an attempt to drop trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PruneOutcome {
    /// There is nothing to drop, another instance is dropping trades, or candles are still to be calculated from them.
    Nothing,
    /// A block below the cut is not known to be final: nothing was dropped.
    NotFinal {
        /// The chain of the block.
        chain: Arc<str>,
        /// The height of the block.
        height: u64,
    },
    /// Trades were dropped.
    Done {
        /// How many trades below the cut stay stored, hidden from readers, because folds continue from them.
        kept: u64,
    },
}

/// A store that can drop old trades.
pub trait Retention: Send + Sync {
    /// Drops the trades below a cut, except those that folds continue from. Does nothing unless the blocks of all of
    /// them are final, that is, at most as high as `finalized` says for their chain.
    fn prune(
        &self,
        cut_ms: u64,
        finalized: &BTreeMap<String, u64>,
    ) -> impl Future<Output = Result<PruneOutcome, Unavailable>> + Send;
}

/// The first chain, by name, whose highest height to drop is not final.
pub fn not_final(heights: &BTreeMap<Arc<str>, u64>, finalized: &BTreeMap<String, u64>) -> Option<PruneOutcome> {
    let open = heights.iter().find(|(chain, height)| finalized.get(&***chain).is_none_or(|last| last < *height));
    open.map(|(chain, height)| PruneOutcome::NotFinal { chain: Arc::clone(chain), height: *height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_lies_between_spans_and_keeps_at_least_the_days() {
        let day = 86_400_000;
        assert_eq!(cut_for_days(700 * TRADE_PERIOD_MS + 5, 30), 699 * TRADE_PERIOD_MS);
        assert_eq!(cut_for_days(700 * TRADE_PERIOD_MS + 5, 31), 698 * TRADE_PERIOD_MS);
        assert_eq!(cut_for_days(700 * TRADE_PERIOD_MS - day, 29), 699 * TRADE_PERIOD_MS);
        assert_eq!(cut_for_days(700 * TRADE_PERIOD_MS - day, 30), 698 * TRADE_PERIOD_MS);
        assert_eq!(cut_for_days(5, 30), 0);
        assert!(dropped_block_times(0).is_empty() && dropped_block_times(EARLIEST_BLOCK_TIME_MS).is_empty());
        assert!(
            dropped_block_times(EARLIEST_BLOCK_TIME_MS + TRADE_PERIOD_MS).contains(&EARLIEST_BLOCK_TIME_MS)
                && !dropped_block_times(u64::MAX).contains(&0)
        );
    }

    #[test]
    fn nothing_is_dropped_that_may_still_go() {
        let heights: BTreeMap<Arc<str>, u64> = [("a".into(), 5), ("b".into(), 9)].into();
        let finalized = |b| [("a".to_owned(), 5), ("b".to_owned(), b)].into();
        assert_eq!(not_final(&heights, &finalized(9)), None);
        assert_eq!(not_final(&heights, &finalized(8)), Some(PruneOutcome::NotFinal { chain: "b".into(), height: 9 }));
        let unknown = not_final(&heights, &[("b".to_owned(), 99)].into());
        assert_eq!(unknown, Some(PruneOutcome::NotFinal { chain: "a".into(), height: 5 }));
    }
}
