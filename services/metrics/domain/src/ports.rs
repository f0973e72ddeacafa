//! The store in our words: what a fold must know of the past, and the facts it leaves.

use crate::account::{Book, User};
use crate::entry::{BookKey, Entry, SideOf, TradeKey, UserKey};
use crate::heard::Said;
use crate::holding::{Holding, Method, Parcel, Realized};
use crate::hours::{FeeKey, FeeMove, HourKey, HourMove};
use crate::retention::Floors;
use crate::tails::{Late, Tail};
use std::future::Future;
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// What one trade did to one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What it realized.
    pub realized: Realized,
    /// Of which parcels a sale took it; always empty by average.
    pub taken: Vec<Parcel>,
    /// What the book held afterwards; its parcels only in a checkpoint.
    pub after: Holding,
    /// How many trades the book was made of afterwards, this one included.
    pub trades: u64,
    /// Whether the book can be folded on from here.
    pub checkpoint: bool,
}

/// What one trade did to the books of its two sides; none where a side makes no position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// To the book of what was given.
    pub sold: Option<Effect>,
    /// To the book of what was got.
    pub bought: Option<Effect>,
}

/// A trade as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The trade.
    pub entry: Entry,
    /// Present, not reverted.
    pub live: bool,
    /// What it did; nothing when it is not live.
    pub effects: Effects,
}

/// Users and positions as last committed; those never seen are left out.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// Users.
    pub users: Vec<(UserKey, User)>,
    /// Positions.
    pub books: Vec<(BookKey, Book)>,
}

/// A trade row to write whole, new or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Of the event that put it into its state.
    pub said: Said,
    /// The trade.
    pub entry: Entry,
    /// Present, not reverted.
    pub live: bool,
    /// A row of it may be stored; otherwise it is new for sure.
    pub known: bool,
    /// What it did.
    pub effects: Effects,
}

/// A stored trade whose effect on one of its books is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which trade.
    pub key: TradeKey,
    /// Which of its sides.
    pub side: SideOf,
    /// What it does now.
    pub effect: Effect,
}

/// All that a batch changes: kept together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The partition it was read from.
    pub partition: Partition,
    /// Where the partition's reading stood; none if it had never been read.
    pub from: Option<u64>,
    /// Where it stands afterwards.
    pub next: u64,
    /// Where the reading of its companions stood: partitions of the same number of other logs.
    pub beside: Vec<(Partition, u64)>,
    /// Down to which block time trades were kept.
    pub cut_ms: u64,
    /// Events that came too late to change anything, per chain.
    pub late: Vec<(Arc<str>, u64)>,
    /// The trace of the newest record of the batch that these facts are of, as W3C's `traceparent`: what is told of them
    /// continues it.
    pub trace: Option<Arc<str>>,
    /// Trades that came, went, or came and went.
    pub puts: Vec<Put>,
    /// Trades whose effect changed because another came or went before them.
    pub changed: Vec<Changed>,
    /// Users as they are now.
    pub users: Vec<(UserKey, User)>,
    /// Positions as they are now, also those without trades.
    pub books: Vec<(BookKey, Book)>,
    /// What is added to hours; an hour without trades is gone.
    pub hours: Vec<(HourKey, HourMove)>,
    /// What is added to daily fees; a day without trades is gone.
    pub fees: Vec<(FeeKey, FeeMove)>,
}

impl Effects {
    /// The effect on the book of one side.
    pub fn of(&self, side: SideOf) -> Option<&Effect> {
        match side {
            SideOf::Sold => self.sold.as_ref(),
            SideOf::Bought => self.bought.as_ref(),
        }
    }

    /// Notes the effect on the book of one side.
    pub fn note(&mut self, side: SideOf, effect: Effect) {
        match side {
            SideOf::Sold => self.sold = Some(effect),
            SideOf::Bought => self.bought = Some(effect),
        }
    }
}

impl Facts {
    /// Whether these, log by log, are the positions of the facts' number that the facts rest on.
    pub fn stand_on(&self, standing: Vec<(String, u64)>) -> bool {
        self.partition.positions_match(self.from, &self.beside, standing)
    }

    /// How far the logs of this number are read, all together: grows with every commit about their users.
    pub fn as_of(&self) -> u64 {
        self.next + self.beside.iter().map(|(_, next)| next).sum::<u64>()
    }
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is kept.
    Committed,
    /// A read position of this number was not where the facts say, or trades were dropped meanwhile: nothing is kept, and
    /// what the reader remembers is void.
    Moved,
}

/// Where the book is kept.
pub trait Store: Send + Sync {
    /// The method by which its books are kept.
    fn method(&self) -> Method;
    /// The next position to read of a partition; none if it was never read.
    fn position(&self, partition: &Partition) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// Down to where trades are kept.
    fn floors(&self) -> impl Future<Output = Result<Floors, Unavailable>> + Send;
    /// Users and positions as last committed.
    fn heads(&self, users: &[UserKey], books: &[BookKey]) -> impl Future<Output = Result<Heads, Unavailable>> + Send;
    /// Those of the given trades that are stored, live or reverted.
    fn stored(&self, trades: &[TradeKey]) -> impl Future<Output = Result<Vec<Stored>, Unavailable>> + Send;
    /// Each book from the last checkpoint before its trade, in the order asked.
    fn tails(&self, late: &[Late]) -> impl Future<Output = Result<Vec<Tail>, Unavailable>> + Send;
    /// Moves the read position and keeps the facts and the messages about them, or nothing: all positions of the number,
    /// and the cut, must be where the facts say, because what was folded rests on all of them.
    fn commit(&self, facts: &Facts) -> impl Future<Output = Result<Outcome, Unavailable>> + Send;
}
