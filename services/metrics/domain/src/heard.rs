//! An event as the book hears it: made of each as it arrives, so that nothing else of it waits for its batch.

use crate::entry::Entry;
use tape::{Status, Trade, TradeRecord};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its position.
    pub position: u64,
    /// Whether it makes its trade absent.
    pub reverts: bool,
    /// The trade.
    pub entry: Entry,
    /// What is kept beside it.
    pub said: Said,
}

/// What is kept of an event beside the book's view of its trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The trade's kind.
    pub kind: String,
    /// Venues it crossed, each once, in their order.
    pub venues: Vec<String>,
    /// The event word for word.
    pub text: String,
}

impl From<TradeRecord> for Heard {
    fn from(TradeRecord { position, event, text }: TradeRecord) -> Self {
        let (reverts, entry) = (event.status == Status::Reverted, Entry::of(&event.trade));
        Self { position, reverts, entry, said: Said::of(*event.trade, text) }
    }
}

impl Said {
    fn of(trade: Trade, text: String) -> Self {
        let mut venues: Vec<String> = vec![];
        for leg in trade.legs {
            if !venues.contains(&leg.venue) {
                venues.push(leg.venue);
            }
        }
        Self { kind: trade.kind, venues, text }
    }
}
