//! Tails: from where a book is folded anew, and how a store knows that it has read all of that. Pure.
//!
//! Decision, 2026-11-27: books have no index of their own. Context: a tail is asked in chain order, and an index in that
//! order cost an eighth of all folding for a question that few trades ask. Choice: every trade knows how many trades its
//! book was made of after it. A store reads a book by block time, which it can look up; if what the checkpoint counts and
//! what was read after it make up the whole book, nothing is missing. Price: a number with each side; a book
//! whose clock goes backwards is read whole.

use crate::entry::{BookKey, Order};
use crate::holding::Holding;
use crate::ports::{Effect, Stored};

/// A book in which a trade goes, or comes below others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Which book.
    pub book: BookKey,
    /// The first trade that goes or comes.
    pub first: Order,
    /// Its block's time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// How many live trades the book is made of, as last committed.
    pub trades: u64,
}

/// One book from its last checkpoint before some trade on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// What that checkpoint left; none before the trade leaves an empty holding.
    pub checkpoint: Holding,
    /// How many trades the book was made of there.
    pub before: u64,
    /// The live trades after it, in chain order.
    pub trades: Vec<Stored>,
}

impl Late {
    /// The tail, out of all live trades of the book, in any order.
    pub fn of_all(&self, mut trades: Vec<Stored>) -> Tail {
        trades.sort_by(|a, b| a.entry.order.cmp(&b.entry.order));
        let below = trades.partition_point(|stored| stored.entry.order < self.first);
        let newest =
            trades[..below].iter().enumerate().rev().find_map(|(at, stored)| Some((at, self.checkpoint(stored)?)));
        let Some((at, effect)) = newest else { return Tail { trades, ..Tail::default() } };
        let (checkpoint, before) = (effect.after.clone(), effect.trades);
        Tail { checkpoint, before, trades: trades.split_off(at + 1) }
    }

    /// The tail, out of some live trades of the book; none if others of it belong to the tail too.
    pub fn among(&self, trades: Vec<Stored>) -> Option<Tail> {
        let tail = self.of_all(trades);
        (tail.before + tail.trades.len() as u64 == self.trades).then_some(tail)
    }

    fn checkpoint<'a>(&self, stored: &'a Stored) -> Option<&'a Effect> {
        let side = stored.entry.side_in(&self.book.asset)?;
        stored.effects.of(side).filter(|effect| effect.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Lot, UserKey};
    use crate::ports::Effects;
    use std::sync::Arc;
    use tape::Place;

    /// A purchase at a height, after which its book is made of so many.
    fn stored(height: u64, trades: u64, checkpoint: bool) -> Stored {
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
            platform: None,
        };
        let after = Holding { unknown: trades.to_string().parse().unwrap(), ..Holding::default() };
        let bought = Effect { realized: <_>::default(), taken: vec![], after, trades, checkpoint };
        Stored { entry, live: true, effects: Effects { sold: None, bought: Some(bought) } }
    }

    fn order(height: u64) -> Order {
        Order { place: Place { height, index: 0, ordinal: 0 }, id: Arc::from("id") }
    }

    fn user() -> UserKey {
        UserKey { trader: "ann".into(), chain: "mock".into() }
    }

    fn late(height: u64, trades: u64) -> Late {
        let book = BookKey { user: user(), asset: "cat".into() };
        Late { book, first: order(height), time_ms: 0, trades }
    }

    /// Heights 10 to 50, all of them checkpoints but 30.
    fn book() -> Vec<Stored> {
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
            let tail = late(first, 5).of_all(shuffled);
            assert_eq!((tail.before, heights(&tail)), (before, after), "{first}");
            assert_eq!(tail.checkpoint.unknown, before.to_string().parse().unwrap(), "{first}");
        }
        assert_eq!(late(7, 0).of_all(vec![]), Tail::default());
    }

    #[test]
    fn a_part_of_a_book_is_enough_when_nothing_is_missing_after_the_checkpoint() {
        let all = late(35, 5).of_all(book());
        assert_eq!(late(35, 5).among(book()), Some(all.clone()));
        assert_eq!(late(35, 5).among(book().split_off(1)), Some(all), "what is missing stands before");
        for missing in 1..5 {
            let mut some = book();
            some.remove(missing);
            let known = late(35, 5).among(some);
            assert_eq!(known, None, "without {}", (missing + 1) * 10);
        }
        assert_eq!(late(35, 5).among(book().split_off(2)), None, "no checkpoint below");
        assert_eq!(late(35, 6).among(book()), None, "the book has one more");
    }
}
