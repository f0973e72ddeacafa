//! Application by state: what a batch says of each trade, and what that changes about the stored ones.
//!
//! `Apply` makes a trade present, `Revert` makes it absent, and an event that changes nothing is ignored; so repeats,
//! branches left and taken again, and any split into batches come out alike.

use crate::entry::{Entry, TradeKey};
use crate::ports::Stored;
use std::collections::HashMap;
use std::iter::once;
use tape::{Event, Status};

/// What a batch says of one trade.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What finds the trade.
    pub key: TradeKey,
    /// The first event about it.
    first: (Event, Entry),
    /// Further events about it, in order.
    rest: Vec<(Event, Entry)>,
}

/// What becomes of a trade, and the event that decided it.
#[derive(Clone, Debug)]
pub struct Move {
    /// The event that put it into its state.
    pub event: Event,
    /// The trade as it was last present.
    pub entry: Entry,
    /// Whether it is present now.
    pub live: bool,
    /// As it stood before; none when it was absent, or is present as it was.
    was: Option<Box<Stored>>,
    /// What came and went again within the batch.
    brief: Vec<Entry>,
    /// A row of it may be stored, live or reverted.
    pub known: bool,
}

/// What a batch says of each trade it names, in the order of first mention.
pub fn wishes(events: Vec<Event>) -> Vec<Wish> {
    let mut places: HashMap<TradeKey, usize> = HashMap::with_capacity(events.len());
    let mut wishes: Vec<Wish> = Vec::with_capacity(events.len());
    for event in events {
        let entry = Entry::of(&event.trade);
        let key = entry.key();
        if let Some(wish) = places.get(&key).and_then(|at| wishes.get_mut(*at)) {
            wish.rest.push((event, entry));
        } else {
            places.insert(key.clone(), wishes.len());
            wishes.push(Wish { key, first: (event, entry), rest: vec![] });
        }
    }
    wishes
}

impl Wish {
    /// The trade, as each event has it.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        once(&self.first).chain(&self.rest).map(|(_, entry)| entry)
    }

    /// What becomes of the trade, given what is stored of it: the events, one after the other.
    pub fn resolve(self, stored: Option<Stored>) -> Option<Move> {
        let known = stored.is_some();
        let was = stored.filter(|stored| stored.live).map(Box::new);
        let mut gone = false;
        let mut came: Option<(Event, Entry)> = None;
        let mut ended: Option<(Event, Entry)> = None;
        let mut brief = vec![];
        for (event, entry) in once(self.first).chain(self.rest) {
            let standing = was.as_ref().filter(|_| !gone);
            match (event.status == Status::Reverted, came.take(), standing) {
                (true, Some((_, entry)), _) => {
                    brief.push(entry.clone());
                    ended = Some((event, entry));
                }
                (true, None, Some(was)) => {
                    ended = Some((event, was.entry.clone()));
                    gone = true;
                }
                (false, None, None) => came = Some((event, entry)),
                (_, unmoved, _) => came = unmoved,
            }
        }
        let live = came.is_some();
        let (event, entry) = came.or(ended)?;
        Some(Move { event, entry, live, was, brief, known })
    }
}

impl Move {
    /// The stored trade that goes.
    pub fn removed(&self) -> Option<&Stored> {
        self.was.as_deref()
    }

    /// The trade that comes.
    pub fn added(&self) -> Option<&Entry> {
        self.live.then_some(&self.entry)
    }

    /// Everything that was present at some moment of the batch, and was not before.
    pub fn seen(&self) -> impl Iterator<Item = &Entry> {
        self.brief.iter().chain(self.added())
    }
}
