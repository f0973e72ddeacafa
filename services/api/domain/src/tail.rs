//! A snapshot brought up to the tape: rows as of metrics' position plus the changes read since, applied by state.

use crate::query::TradeKey;
use std::collections::BTreeMap;

/// What becomes of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is present.
    Present,
    /// Its block was left.
    Absent,
}

/// A change that came after the rows were read.
#[derive(Clone, Debug)]
pub struct Move<T> {
    /// Which trade.
    pub key: TradeKey,
    /// What becomes of it.
    pub fate: Fate,
    /// How it is shown when present.
    pub shown: T,
}

/// The newest `limit` of the rows, newest first, after all moves of their partitions in order.
///
/// A trade has one partition, so moves of different partitions may come in any order. A trade older than all rows of a
/// full page is left out, as the page would have left it out.
pub fn caught_up<T>(
    rows: impl IntoIterator<Item = (TradeKey, T)>,
    moves: impl IntoIterator<Item = Move<T>>,
    limit: usize,
) -> Vec<(TradeKey, T)> {
    let mut present: BTreeMap<TradeKey, T> = rows.into_iter().collect();
    let oldest = if present.len() >= limit { present.keys().next().cloned() } else { None };
    for Move { key, fate, shown } in moves {
        match fate {
            Fate::Absent => {
                present.remove(&key);
            }
            Fate::Present if oldest.as_ref().is_some_and(|oldest| key < *oldest) => {}
            Fate::Present => {
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
        let moves = vec![
            Move { key: key(4), fate: Fate::Present, shown: 'd' },
            Move { key: key(2), fate: Fate::Absent, shown: 'b' },
            Move { key: key(5), fate: Fate::Present, shown: 'e' },
            Move { key: key(5), fate: Fate::Absent, shown: 'e' },
            Move { key: key(3), fate: Fate::Present, shown: 'C' },
        ];
        assert_eq!(heights(&caught_up(rows, moves, 10)), [(4, 'd'), (3, 'C'), (1, 'a')]);
    }

    #[test]
    fn a_full_page_stays_the_newest_without_a_hole() {
        let rows = vec![(key(9), 'i'), (key(7), 'g')];
        let moves = vec![
            Move { key: key(2), fate: Fate::Present, shown: 'b' },
            Move { key: key(9), fate: Fate::Absent, shown: 'i' },
        ];
        let shown = caught_up(rows, moves, 2);
        assert_eq!(heights(&shown), [(7, 'g')], "2 would be shown although the unread 3 to 6 may exist");
    }
}
