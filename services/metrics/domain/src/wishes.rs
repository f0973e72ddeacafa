//! Application by state: which state a batch puts each trade into, and what that changes about the stored ones.
//!
//! `Apply` makes a trade present, `Revert` makes it absent, and an event that changes nothing is ignored; so repeats,
//! branches left and taken again, and any split into batches come out alike.

use crate::entry::{Entry, TradeKey};
use crate::ports::Stored;
use std::collections::HashMap;
use tape::{Event, Status};

/// What a batch wants of one trade.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What finds the trade.
    pub key: TradeKey,
    /// The trade, of the event that decides.
    pub entry: Entry,
    /// The first event that made it present since it was last made absent.
    apply: Option<Event>,
    /// The last event that made it absent.
    revert: Option<Event>,
    /// It was made present, then absent.
    lived: bool,
}

/// What becomes of a trade.
#[derive(Clone, Debug)]
pub enum Move {
    /// It was absent and is present.
    Added(Event, Entry),
    /// It was present and is absent.
    Removed(Event, Box<Stored>),
    /// It was present, went, and is present anew.
    Replaced(Event, Entry, Box<Stored>),
    /// It was absent, came and went within the batch.
    Passed(Event, Entry),
}

/// What a batch wants of each trade it names, in the order of first mention.
pub fn wishes(events: Vec<Event>) -> Vec<Wish> {
    let mut places: HashMap<TradeKey, usize> = HashMap::with_capacity(events.len());
    let mut wishes: Vec<Wish> = Vec::with_capacity(events.len());
    for event in events {
        let entry = Entry::of(&event.trade);
        let key = entry.key();
        let at = *places.entry(key.clone()).or_insert_with(|| {
            let entry = entry.clone();
            wishes.push(Wish { key, entry, apply: None, revert: None, lived: false });
            wishes.len() - 1
        });
        wishes[at].hear(event, entry);
    }
    wishes
}

impl Wish {
    fn hear(&mut self, event: Event, entry: Entry) {
        if event.status == Status::Reverted {
            self.lived |= self.apply.take().is_some();
            self.revert = Some(event);
        } else if self.apply.is_none() {
            self.entry = entry;
            self.apply = Some(event);
        }
    }

    /// What becomes of the trade, given what is stored of it.
    pub fn resolve(self, stored: Option<Stored>) -> Option<Move> {
        let present = stored.filter(|stored| stored.live).map(Box::new);
        match (present, self.revert, self.apply) {
            (None, _, Some(apply)) => Some(Move::Added(apply, self.entry)),
            (None, Some(revert), None) if self.lived => Some(Move::Passed(revert, self.entry)),
            (Some(was), Some(_), Some(apply)) => Some(Move::Replaced(apply, self.entry, was)),
            (Some(was), Some(revert), None) => Some(Move::Removed(revert, was)),
            _ => None,
        }
    }
}

impl Move {
    /// The stored trade that goes.
    pub fn removed(&self) -> Option<&Stored> {
        match self {
            Self::Removed(_, was) | Self::Replaced(_, _, was) => Some(was),
            Self::Added(..) | Self::Passed(..) => None,
        }
    }

    /// The trade that comes.
    pub fn added(&self) -> Option<&Entry> {
        match self {
            Self::Added(_, entry) | Self::Replaced(_, entry, _) => Some(entry),
            Self::Removed(..) | Self::Passed(..) => None,
        }
    }

    /// The trade, whichever way it moves.
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Added(_, entry) | Self::Replaced(_, entry, _) | Self::Passed(_, entry) => entry,
            Self::Removed(_, was) => &was.entry,
        }
    }
}
