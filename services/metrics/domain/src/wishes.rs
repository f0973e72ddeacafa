//! Application by state: what a batch says of each trade, and what that changes about the stored ones.
//!
//! `Apply` makes a trade present, `Revert` makes it absent, and an event that changes nothing is ignored; so repeats,
//! branches left and taken again, and any split into batches come out alike.

use crate::entry::{Entry, TradeKey};
use crate::heard::{Heard, Said};
use crate::ports::Stored;
use std::collections::HashMap;
use std::iter::once;

/// What a batch says of one trade.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What finds the trade.
    pub key: TradeKey,
    /// It may be stored already.
    pub doubtful: bool,
    /// The first event about it.
    first: Heard,
    /// Further events about it, in order.
    rest: Vec<Heard>,
}

/// What becomes of a trade, and the event that decided it.
#[derive(Clone, Debug)]
pub struct Move {
    /// Of the event that put it into its state.
    pub said: Said,
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
    /// It was not sure beforehand that it is new.
    pub doubtful: bool,
}

/// What a batch says of each trade it names, in the order of first mention.
pub fn wishes(events: Vec<Heard>) -> Vec<Wish> {
    let mut places: HashMap<TradeKey, usize> = HashMap::with_capacity(events.len());
    let mut wishes: Vec<Wish> = Vec::with_capacity(events.len());
    for event in events {
        let key = event.entry.key();
        if let Some(wish) = places.get(&key).and_then(|at| wishes.get_mut(*at)) {
            wish.rest.push(event);
        } else {
            places.insert(key.clone(), wishes.len());
            wishes.push(Wish { key, doubtful: true, first: event, rest: vec![] });
        }
    }
    wishes
}

impl Wish {
    /// The trade, as each event has it.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        once(&self.first).chain(&self.rest).map(|event| &event.entry)
    }

    /// What becomes of the trade, given what is stored of it: the events, one after the other.
    pub fn resolve(self, stored: Option<Stored>) -> Option<Move> {
        let (known, doubtful) = (stored.is_some(), self.doubtful);
        let was = stored.filter(|stored| stored.live).map(Box::new);
        let mut gone = false;
        let mut came: Option<(Said, Entry)> = None;
        let mut ended: Option<(Said, Entry)> = None;
        let mut brief = vec![];
        for Heard { reverts, said, entry, .. } in once(self.first).chain(self.rest) {
            let standing = was.as_ref().filter(|_| !gone);
            match (reverts, came.take(), standing) {
                (true, Some((_, entry)), _) => {
                    brief.push(entry.clone());
                    ended = Some((said, entry));
                }
                (true, None, Some(was)) => {
                    ended = Some((said, was.entry.clone()));
                    gone = true;
                }
                (false, None, None) => came = Some((said, entry)),
                (_, unmoved, _) => came = unmoved,
            }
        }
        let live = came.is_some();
        let (said, entry) = came.or(ended)?;
        Some(Move { said, entry, live, was, brief, known, doubtful })
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

    /// What came and went again.
    pub fn brief(&self) -> &[Entry] {
        &self.brief
    }
}
