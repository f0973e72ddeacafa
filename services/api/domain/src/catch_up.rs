//! Brings a snapshot up to date: applies the changes read from the tape after the rows were folded.

use crate::query::TradeKey;
use std::collections::BTreeMap;

/// Whether a trade is on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was applied.
    Present,
    /// It was reverted.
    Absent,
}

/// A change that is not contained in the rows yet.
#[derive(Clone, Debug)]
pub struct LaterChange<T> {
    /// Which trade.
    pub key: TradeKey,
    /// Whether it is present after the change.
    pub presence: Presence,
    /// What is shown for it when it is present.
    pub shown: T,
}

/// The newest `limit` trades, newest first: the rows with the later changes applied.
///
/// The changes of one partition must be in order. A trade has one partition, so changes of different partitions may
/// come in any order. A trade older than all rows of a full page is left out, as the page would have left it out.
pub fn catch_up<T>(
    rows: impl IntoIterator<Item = (TradeKey, T)>,
    changes: impl IntoIterator<Item = LaterChange<T>>,
    limit: usize,
) -> Vec<(TradeKey, T)> {
    let mut present: BTreeMap<TradeKey, T> = rows.into_iter().collect();
    let oldest = if present.len() >= limit { present.keys().next().cloned() } else { None };
    for LaterChange { key, presence, shown } in changes {
        match presence {
            Presence::Absent => {
                present.remove(&key);
            }
            Presence::Present if oldest.as_ref().is_some_and(|oldest| key < *oldest) => {}
            Presence::Present => {
                present.insert(key, shown);
            }
        }
    }
    present.into_iter().rev().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(height: u64) -> TradeKey {
        TradeKey {
            block_time: height,
            chain: "mock".into(),
            height,
            index: 0,
            ordinal: 0,
            id: height.to_string(),
            trader: "alice".into(),
        }
    }

    fn heights(rows: &[(TradeKey, char)]) -> Vec<(u64, char)> {
        rows.iter().map(|(key, shown)| (key.height, *shown)).collect()
    }

    #[test]
    fn changes_after_the_snapshot_are_in_it() {
        let rows = vec![(key(3), 'c'), (key(2), 'b'), (key(1), 'a')];
        let changes = vec![
            LaterChange { key: key(4), presence: Presence::Present, shown: 'd' },
            LaterChange { key: key(2), presence: Presence::Absent, shown: 'b' },
            LaterChange { key: key(5), presence: Presence::Present, shown: 'e' },
            LaterChange { key: key(5), presence: Presence::Absent, shown: 'e' },
            LaterChange { key: key(3), presence: Presence::Present, shown: 'C' },
        ];
        assert_eq!(heights(&catch_up(rows, changes, 10)), [(4, 'd'), (3, 'C'), (1, 'a')]);
    }

    #[test]
    fn a_full_page_stays_the_newest_without_a_hole() {
        let rows = vec![(key(9), 'i'), (key(7), 'g')];
        let changes = vec![
            LaterChange { key: key(2), presence: Presence::Present, shown: 'b' },
            LaterChange { key: key(9), presence: Presence::Absent, shown: 'i' },
        ];
        let shown = catch_up(rows, changes, 2);
        assert_eq!(heights(&shown), [(7, 'g')], "2 would be shown although the unread 3 to 6 may exist");
    }
}
