//! A trade event, decoded on arrival into what the book needs, so that whole trades do not wait in memory for their
//! batch.

use crate::entry::Entry;
use tape::{Status, Trade, TradeRecord};

/// One trade event, reduced to what the book needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedTrade {
    /// The position of its record in the partition.
    pub position: u64,
    /// Whether the event reverts the trade; otherwise it applies it.
    pub reverts: bool,
    /// The trade.
    pub entry: Entry,
    /// What is stored with the trade and takes no part in the calculation.
    pub details: EventDetails,
}

/// The parts of an event that are stored with its trade and take no part in the calculation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDetails {
    /// The trade's kind.
    pub kind: String,
    /// The venues it crossed, each once, in the order of its legs.
    pub venues: Vec<String>,
    /// The pools it crossed, each once, in the order of its legs, a line each: no identity holds a line break.
    pub pools: String,
    /// The text of the event exactly as it was published.
    pub raw_text: String,
}

impl From<TradeRecord> for DecodedTrade {
    fn from(TradeRecord { position, event, text }: TradeRecord) -> Self {
        let (reverts, entry) = (event.status == Status::Reverted, Entry::from_trade(&event.trade));
        Self { position, reverts, entry, details: EventDetails::from_trade(*event.trade, text) }
    }
}

impl EventDetails {
    fn from_trade(trade: Trade, raw_text: String) -> Self {
        let (mut venues, mut pools): (Vec<String>, String) = (vec![], String::new());
        for leg in trade.legs {
            if !venues.contains(&leg.venue) {
                venues.push(leg.venue);
            }
            if pools.is_empty() {
                pools = leg.pool;
            } else if pools.lines().all(|pool| pool != leg.pool) {
                pools.push('\n');
                pools.push_str(&leg.pool);
            }
        }
        Self { kind: trade.kind, venues, pools, raw_text }
    }
}
