//! What a batch requests for each trade (apply or revert), and what that changes about the stored trade.
//!
//! `Apply` makes a trade present, `Revert` makes it absent, and an event that changes nothing is ignored. So repeated
//! events, branches left and taken again, and any split into batches give the same result.

use crate::decoded::{DecodedTrade, EventDetails};
use crate::entry::{Entry, TradeKey};
use crate::ports::StoredTrade;
use std::collections::HashMap;
use std::iter::once;

/// All events of a batch about one trade.
#[derive(Clone, Debug)]
pub(crate) struct RequestedChange {
    /// The key by which a store finds the trade.
    pub(crate) key: TradeKey,
    /// Whether the trade may be stored already, so that the store must be asked.
    pub(crate) possibly_stored: bool,
    /// The first event about it.
    first: DecodedTrade,
    /// Further events about it, in order.
    rest: Vec<DecodedTrade>,
}

/// The new state of a trade, and the event that decided it.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedChange {
    /// Details of the event that put the trade into its state.
    pub(crate) details: EventDetails,
    /// The trade as it was last present.
    pub(crate) entry: Entry,
    /// Whether the trade is present now.
    pub(crate) live: bool,
    /// The stored live trade that this change removes; none when there was none, or when it stays as it is.
    previous: Option<Box<StoredTrade>>,
    /// Trades that were applied and reverted within the batch.
    transient: Vec<Entry>,
    /// Whether the store has a row of the trade, live or reverted.
    pub(crate) has_row: bool,
    /// Whether the store had to be asked for the trade.
    pub(crate) possibly_stored: bool,
}

/// The requested change of each trade that a batch names, in the order of first mention.
pub(crate) fn requested_changes(events: Vec<DecodedTrade>) -> Vec<RequestedChange> {
    let mut indexes: HashMap<TradeKey, usize> = HashMap::with_capacity(events.len());
    let mut requested: Vec<RequestedChange> = Vec::with_capacity(events.len());
    for event in events {
        let key = event.entry.key();
        if let Some(change) = indexes.get(&key).and_then(|at| requested.get_mut(*at)) {
            change.rest.push(event);
        } else {
            indexes.insert(key.clone(), requested.len());
            requested.push(RequestedChange { key, possibly_stored: true, first: event, rest: vec![] });
        }
    }
    requested
}

impl RequestedChange {
    /// The trade, as each event has it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        once(&self.first).chain(&self.rest).map(|event| &event.entry)
    }

    /// Applies the events one after the other to what is stored of the trade; none when nothing changes.
    pub(crate) fn resolve(self, stored: Option<StoredTrade>) -> Option<ResolvedChange> {
        let (has_row, possibly_stored) = (stored.is_some(), self.possibly_stored);
        let previous = stored.filter(|stored| stored.live).map(Box::new);
        let mut previous_removed = false;
        let mut applied: Option<(EventDetails, Entry)> = None;
        let mut reverted: Option<(EventDetails, Entry)> = None;
        let mut transient = vec![];
        for DecodedTrade { reverts, details, entry, .. } in once(self.first).chain(self.rest) {
            let standing = previous.as_ref().filter(|_| !previous_removed);
            match (reverts, applied.take(), standing) {
                (true, Some((_, entry)), _) => {
                    transient.push(entry.clone());
                    reverted = Some((details, entry));
                }
                (true, None, Some(previous)) => {
                    reverted = Some((details, previous.entry.clone()));
                    previous_removed = true;
                }
                (false, None, None) => applied = Some((details, entry)),
                (_, unchanged, _) => applied = unchanged,
            }
        }
        let live = applied.is_some();
        let (details, entry) = applied.or(reverted)?;
        Some(ResolvedChange { details, entry, live, previous, transient, has_row, possibly_stored })
    }
}

impl ResolvedChange {
    /// The stored trade that is removed.
    pub(crate) fn removed(&self) -> Option<&StoredTrade> {
        self.previous.as_deref()
    }

    /// The trade that is added.
    pub(crate) fn added(&self) -> Option<&Entry> {
        self.live.then_some(&self.entry)
    }

    /// Trades that were applied and reverted within the batch.
    pub(crate) fn transient(&self) -> &[Entry] {
        &self.transient
    }
}
