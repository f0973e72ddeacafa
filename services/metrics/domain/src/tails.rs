//! Tails: the part of a book that is folded again, and how a store knows that it has read all of it. Pure.
//!
//! Decision, 2026-11-27: books have no index of their own. Context: a tail is needed in chain order, and an index in
//! that order cost an eighth of all folding for a question that few trades ask. Choice: every trade is stored with the
//! number of trades in its book after it. A store reads a book by block time, for which it has an index; if the count
//! of the checkpoint and the trades read after it add up to the whole book, nothing is missing. Price: a number with
//! each side; a book whose block times go backwards is read as a whole.

use crate::entry::{BookKey, Entry, TradeOrder};
use crate::holding::Holding;
use crate::ports::{Effect, StoredTrade};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A book that must be folded again because a trade is removed from it, or added below others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookToRefold {
    /// Which book.
    pub book: BookKey,
    /// The first trade that is removed or added.
    pub first: TradeOrder,
    /// The time of its block, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// How many live trades the book has, as last committed.
    pub trades: u64,
}

/// By book, the first trade from which it must be folded again, with the time of its block.
#[derive(Debug, Default)]
pub(crate) struct FirstRefolded {
    firsts: BTreeMap<BookKey, (TradeOrder, u64)>,
    /// Books whose first trade is new or earlier than before.
    moved: BTreeSet<BookKey>,
}

impl FirstRefolded {
    /// Notes that the book of an asset must be folded again from a trade on.
    pub(crate) fn note(&mut self, entry: &Entry, asset: &Arc<str>) {
        let key = BookKey { user: entry.user.clone(), asset: Arc::clone(asset) };
        if self.firsts.get(&key).is_none_or(|(first, _)| entry.order < *first) {
            self.firsts.insert(key.clone(), (entry.order.clone(), entry.time_ms));
            self.moved.insert(key);
        }
    }

    /// The books whose tails must be loaded, or loaded from an earlier trade on than before.
    pub(crate) fn take_moved(&mut self) -> Vec<(BookKey, (TradeOrder, u64))> {
        let moved = std::mem::take(&mut self.moved);
        moved.into_iter().filter_map(|key| Some((key.clone(), self.firsts.get(&key)?.clone()))).collect()
    }

    /// Notes the books that take a basis over from this one, by trades of its tail that are folded again.
    pub(crate) fn note_downstream(&mut self, book: &BookKey, tail: &Tail) {
        let Some((first, _)) = self.firsts.get(book).cloned() else { return };
        let again = tail.trades.iter().map(|stored| &stored.entry).filter(|entry| entry.order >= first);
        for entry in again.filter(|entry| entry.hands_basis_on() && entry.sold.asset == book.asset) {
            self.note(entry, &entry.bought.asset);
        }
    }
}

/// The part of a book after its last checkpoint before some trade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The holding at that checkpoint; empty where there is none before the trade.
    pub checkpoint: Holding,
    /// How many trades the book had there.
    pub trades_before: u64,
    /// The live trades after it, in chain order.
    pub trades: Vec<StoredTrade>,
}

impl BookToRefold {
    /// The tail, from all live trades of the book in any order.
    pub fn tail_from_all(&self, mut trades: Vec<StoredTrade>) -> Tail {
        trades.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
        let below = trades.partition_point(|stored| stored.entry.order < self.first);
        let newest =
            trades[..below].iter().enumerate().rev().find_map(|(at, stored)| Some((at, self.checkpoint(stored)?)));
        let Some((at, effect)) = newest else { return Tail { trades, ..Tail::default() } };
        let (checkpoint, trades_before) = (effect.after.clone(), effect.trades);
        Tail { checkpoint, trades_before, trades: trades.split_off(at + 1) }
    }

    /// The tail, from some live trades of the book; none if trades of the tail are missing among them.
    pub fn tail_from_some(&self, trades: Vec<StoredTrade>) -> Option<Tail> {
        let tail = self.tail_from_all(trades);
        (tail.trades_before + tail.trades.len() as u64 == self.trades).then_some(tail)
    }

    fn checkpoint<'a>(&self, stored: &'a StoredTrade) -> Option<&'a Effect> {
        let side = stored.entry.side_in(&self.book.asset)?;
        stored.effects.on_side(side).filter(|effect| effect.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confidence::Confidence;
    use crate::entry::{Lot, UserKey};
    use crate::ports::Effects;
    use tape::Place;

    /// A purchase at a height, after which its book has `trades` trades.
    fn stored(height: u64, trades: u64, checkpoint: bool) -> StoredTrade {
        let lot = |asset: &str, quote| Lot {
            asset: asset.into(),
            raw: "1".parse().unwrap(),
            quote,
            symbol: None,
            decimals: None,
        };
        let entry = Entry {
            order: order(height),
            time_ms: 0,
            user: user(),
            cycle: false,
            sold: lot("cash", true),
            bought: lot("cat", false),
            notional: None,
            fee: None,
            implausible: None,
            platform: None,
            confidence: Confidence::Exact,
        };
        let after = Holding { unknown: trades.to_string().parse().unwrap(), ..Holding::default() };
        let (realized, taken, released) = <_>::default();
        let bought = Effect { realized, taken, released, after, trades, checkpoint };
        StoredTrade { entry, live: true, effects: Effects { sold: None, bought: Some(bought) } }
    }

    fn order(height: u64) -> TradeOrder {
        TradeOrder { place: Place { height, index: 0, ordinal: 0 }, id: Arc::from("id") }
    }

    fn user() -> UserKey {
        UserKey { trader: "ann".into(), chain: "mock".into() }
    }

    fn to_refold(height: u64, trades: u64) -> BookToRefold {
        let book = BookKey { user: user(), asset: "cat".into() };
        BookToRefold { book, first: order(height), time_ms: 0, trades }
    }

    /// Heights 10 to 50, all of them checkpoints but 30.
    fn book() -> Vec<StoredTrade> {
        (1..=5).map(|number| stored(number * 10, number, number != 3)).collect()
    }

    fn heights(tail: &Tail) -> Vec<u64> {
        tail.trades.iter().map(|stored| stored.entry.order.place.height).collect()
    }

    #[test]
    fn a_tail_begins_after_the_last_checkpoint_below() {
        for (first, before, after) in [
            (5, 0, vec![10, 20, 30, 40, 50]),
            (10, 0, vec![10, 20, 30, 40, 50]),
            (11, 1, vec![20, 30, 40, 50]),
            (30, 2, vec![30, 40, 50]),
            (35, 2, vec![30, 40, 50]),
            (99, 5, vec![]),
        ] {
            let mut shuffled = book();
            shuffled.rotate_left(2);
            let tail = to_refold(first, 5).tail_from_all(shuffled);
            assert_eq!((tail.trades_before, heights(&tail)), (before, after), "{first}");
            assert_eq!(tail.checkpoint.unknown, before.to_string().parse().unwrap(), "{first}");
        }
        assert_eq!(to_refold(7, 0).tail_from_all(vec![]), Tail::default());
    }

    #[test]
    fn a_part_of_a_book_is_enough_when_nothing_is_missing_after_the_checkpoint() {
        let all = to_refold(35, 5).tail_from_all(book());
        assert_eq!(to_refold(35, 5).tail_from_some(book()), Some(all.clone()));
        assert_eq!(
            to_refold(35, 5).tail_from_some(book().split_off(1)),
            Some(all),
            "what is missing is before the checkpoint"
        );
        for missing in 1..5 {
            let mut some = book();
            some.remove(missing);
            let known = to_refold(35, 5).tail_from_some(some);
            assert_eq!(known, None, "without {}", (missing + 1) * 10);
        }
        assert_eq!(to_refold(35, 5).tail_from_some(book().split_off(2)), None, "no checkpoint below");
        assert_eq!(to_refold(35, 6).tail_from_some(book()), None, "the book has one more");
    }
}
