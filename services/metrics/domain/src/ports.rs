//! The store as the domain sees it: what a fold must load, and the facts that it writes.

use crate::account::{Book, User};
use crate::decoded::EventDetails;
use crate::entry::{BookKey, Entry, TradeKey, TradeSide, UserKey};
use crate::holding::{Holding, KnownPart, Method, Parcel, Realized};
use crate::hours::{FeeDelta, FeeKey, HourDelta, HourKey};
use crate::retention::Floors;
use crate::rules::BookRules;
use crate::tails::{BookToRefold, Tail};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// What one trade did to one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What it realized.
    pub realized: Realized,
    /// The parcels that a sale took; always empty with the average method.
    pub taken: Vec<Parcel>,
    /// What a sale without a worth took of the known part; always empty for others.
    pub released: KnownPart,
    /// What the book held afterwards; its parcels only where this is a checkpoint.
    pub after: Holding,
    /// How many live trades the book had afterwards, this one included.
    pub trades: u64,
    /// Whether a fold can continue from here.
    pub checkpoint: bool,
}

/// What one trade did to the books of its two sides; none where a side has no position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The effect on the book of the sold asset.
    pub sold: Option<Effect>,
    /// The effect on the book of the bought asset.
    pub bought: Option<Effect>,
}

/// A trade as the store returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrade {
    /// The trade.
    pub entry: Entry,
    /// Present, so not reverted.
    pub live: bool,
    /// What it did to its books; nothing when it is not live.
    pub effects: Effects,
}

/// Users and positions as last committed; those that were never stored are left out.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Users.
    pub users: Vec<(UserKey, User)>,
    /// Positions.
    pub books: Vec<(BookKey, Book)>,
}

/// The row of a trade, to be inserted or replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRow {
    /// Details of the event that put it into its state.
    pub details: EventDetails,
    /// The trade.
    pub entry: Entry,
    /// Present, so not reverted.
    pub live: bool,
    /// Whether the store has a row of it; otherwise the row is expected to be new.
    pub has_row: bool,
    /// What it did to its books.
    pub effects: Effects,
}

/// A stored trade whose effect on one of its books has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedEffect {
    /// Which trade.
    pub key: TradeKey,
    /// Which of its sides.
    pub side: TradeSide,
    /// Its effect now.
    pub effect: Effect,
}

/// Everything that one batch changes: written together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookFacts {
    /// The partition that the batch was read from.
    pub partition: Partition,
    /// The read position of the partition before the batch; none if it had never been read.
    pub from: Option<u64>,
    /// The read position afterwards.
    pub next: u64,
    /// The read positions of its companions: partitions of other topics with the same index.
    pub companions: Vec<(Partition, u64)>,
    /// Trades of an earlier block time were dropped.
    pub cut_ms: u64,
    /// How many events arrived too late to change anything, per chain.
    pub late_events: Vec<(Arc<str>, u64)>,
    /// The trace of the newest record of the batch, as W3C's `traceparent`. Messages published about these facts
    /// continue it.
    pub trace: Option<Arc<str>>,
    /// Trades that were applied, reverted, or both.
    pub trade_rows: Vec<TradeRow>,
    /// Stored trades whose effect changed because another was added or removed before them.
    pub changed_effects: Vec<ChangedEffect>,
    /// Users after the batch.
    pub users: Vec<(UserKey, User)>,
    /// Positions after the batch, also those without trades.
    pub books: Vec<(BookKey, Book)>,
    /// What is added to hours; an hour that has no trades afterwards is deleted.
    pub hours: Vec<(HourKey, HourDelta)>,
    /// What is added to daily fees; a day that has no trades afterwards is deleted.
    pub fees: Vec<(FeeKey, FeeDelta)>,
}

impl Effects {
    /// The effect on the book of one side.
    pub fn on_side(&self, side: TradeSide) -> Option<&Effect> {
        match side {
            TradeSide::Sold => self.sold.as_ref(),
            TradeSide::Bought => self.bought.as_ref(),
        }
    }

    /// Sets the effect on the book of one side.
    pub fn set(&mut self, side: TradeSide, effect: Effect) {
        match side {
            TradeSide::Sold => self.sold = Some(effect),
            TradeSide::Bought => self.bought = Some(effect),
        }
    }
}

impl BookFacts {
    /// Whether the committed read positions of this partition index, topic by topic, are those that the facts were
    /// folded from.
    pub fn rests_on_positions(&self, committed: Vec<(String, u64)>) -> bool {
        self.partition.positions_match(self.from, &self.companions, committed)
    }

    /// The hours in which trades came or went, each once, in an order that every commit keeps.
    pub fn changed_hours(&self) -> Vec<(&UserKey, u64)> {
        let hours: HashSet<_> = self.trade_rows.iter().map(|row| (&row.entry.user, row.entry.hour())).collect();
        let mut hours: Vec<_> = hours.into_iter().collect();
        hours.sort_unstable();
        hours
    }

    /// The minutes of each chain in which trades came or went, each once, in an order that every commit keeps.
    pub fn changed_minutes(&self) -> Vec<(&Arc<str>, u64)> {
        let minutes: HashSet<_> =
            self.trade_rows.iter().map(|row| (&row.entry.user.chain, row.entry.minute())).collect();
        let mut minutes: Vec<_> = minutes.into_iter().collect();
        minutes.sort_unstable();
        minutes
    }

    /// The sum of the read positions of this partition index over all topics: it grows with every commit about their
    /// users.
    pub fn as_of(&self) -> u64 {
        self.next + self.companions.iter().map(|(_, next)| next).sum::<u64>()
    }
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Everything is written.
    Committed,
    /// Nothing is written: a read position of this partition index was not where the facts say, or trades were dropped
    /// meanwhile. What the reader remembers is void.
    Moved,
}

/// Where the book is stored.
pub trait Store: Send + Sync {
    /// The rules of its books.
    fn rules(&self) -> &BookRules;
    /// The cost method of its books.
    fn method(&self) -> Method {
        self.rules().method
    }
    /// The next position to read in a partition; none if it was never read.
    fn read_position(&self, partition: &Partition) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// Below which block time and heights trades were dropped.
    fn read_floors(&self) -> impl Future<Output = Result<Floors, Unavailable>> + Send;
    /// Users and positions as last committed.
    fn load_accounts(
        &self,
        users: &[UserKey],
        books: &[BookKey],
    ) -> impl Future<Output = Result<Accounts, Unavailable>> + Send;
    /// Those of the given trades that are stored, live or reverted.
    fn load_trades(&self, trades: &[TradeKey]) -> impl Future<Output = Result<Vec<StoredTrade>, Unavailable>> + Send;
    /// The tail of each book, in the order of the request.
    fn load_tails(&self, books: &[BookToRefold]) -> impl Future<Output = Result<Vec<Tail>, Unavailable>> + Send;
    /// Moves the read position and writes the facts and the messages about them, or nothing. All read positions of the
    /// partition index, and the retention cut, must be what the facts say, because the fold was based on all of them.
    fn commit(&self, facts: &BookFacts) -> impl Future<Output = Result<CommitOutcome, Unavailable>> + Send;
}
