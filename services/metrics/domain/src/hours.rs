//! What is added to an hour of a user, and to a day of fees: windows and daily earnings are sums of these.

use crate::amounts::Dollars;
use crate::entry::{Entry, UserKey};
use crate::holding::Realized;
use crate::wishes::Move;
use std::collections::BTreeMap;

/// One user's hour.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HourKey {
    /// Whose.
    pub user: UserKey,
    /// Hours since 1970-01-01 00:00, UTC, of the block.
    pub hour: u64,
}

/// What is added to an hour; what a trade realizes counts in the hour of that trade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HourMove {
    /// Worth of valued swaps.
    pub volume: Dollars,
    /// Swaps, valued or not.
    pub swaps: i64,
    /// Swaps without a valuation.
    pub unvalued: i64,
    /// Cycles; in no other figure.
    pub cycles: i64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized before fees, and proceeds.
    pub realized: Realized,
}

/// Whose fees, for whom, on which day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeeKey {
    /// Who paid.
    pub user: UserKey,
    /// Who earned; empty where the trade names none.
    pub platform: String,
    /// Days since 1970-01-01, UTC.
    pub day: u64,
}

/// What is added to a day's fees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeMove {
    /// Worth.
    pub usd: Dollars,
    /// Trades that carry a fee.
    pub trades: i64,
}

/// How the hours of one user move, by their number.
#[derive(Debug)]
pub struct Hours<'a> {
    user: &'a UserKey,
    moved: BTreeMap<u64, HourMove>,
}

impl HourMove {
    /// Adds another's figures.
    pub fn add(&mut self, other: &Self) {
        self.volume += &other.volume;
        self.swaps += other.swaps;
        self.unvalued += other.unvalued;
        self.cycles += other.cycles;
        self.fees += &other.fees;
        self.realized.add(&other.realized);
    }

    /// No trade is left in it, so nothing else is.
    pub fn is_empty(&self) -> bool {
        self.swaps == 0 && self.cycles == 0
    }

    fn count(&mut self, entry: &Entry, sign: i64) {
        if entry.cycle {
            self.cycles += sign;
            return;
        }
        self.swaps += sign;
        let money = |to: &mut Dollars, usd: &Dollars| if sign > 0 { *to += usd } else { *to -= usd };
        match &entry.notional {
            Some(notional) => money(&mut self.volume, notional),
            None => self.unvalued += sign,
        }
        if let Some(fee) = &entry.fee {
            money(&mut self.fees, fee);
        }
    }
}

impl<'a> Hours<'a> {
    /// The hours of a user, the moves counted; what they realize is added by the fold.
    pub fn of(user: &'a UserKey, moves: &[(usize, &Move)]) -> Self {
        let mut hours = Self { user, moved: BTreeMap::new() };
        for (_, step) in moves {
            if let Some(was) = step.removed() {
                hours.at(&was.entry).count(&was.entry, -1);
            }
            if let Some(entry) = step.added() {
                hours.at(entry).count(entry, 1);
            }
        }
        hours
    }

    /// The move of the hour of a trade.
    pub fn at(&mut self, entry: &Entry) -> &mut HourMove {
        self.moved.entry(entry.hour()).or_default()
    }

    /// Those that move, in order.
    pub fn moved(self) -> impl Iterator<Item = (HourKey, HourMove)> {
        let moved = self.moved.into_iter().filter(|(_, moved)| *moved != HourMove::default());
        moved.map(|(hour, moved)| (HourKey { user: self.user.clone(), hour }, moved))
    }
}

/// By how much each day's fees of a user move.
pub fn fee_moves(user: &UserKey, moves: &[(usize, &Move)]) -> impl Iterator<Item = (FeeKey, FeeMove)> {
    let mut fees: BTreeMap<(&str, u64), FeeMove> = BTreeMap::new();
    for (_, step) in moves {
        if let Some((day, fee)) = step.removed().and_then(|was| fee_of(&was.entry)) {
            let day = fees.entry(day).or_default();
            day.usd -= fee;
            day.trades -= 1;
        }
        if let Some((day, fee)) = step.added().and_then(fee_of) {
            let day = fees.entry(day).or_default();
            day.usd += fee;
            day.trades += 1;
        }
    }
    let moved = fees.into_iter().filter(|(_, moved)| *moved != FeeMove::default());
    moved.map(|((platform, day), moved)| (FeeKey { user: user.clone(), platform: platform.to_owned(), day }, moved))
}

/// For whom and on which day a trade pays how much.
fn fee_of(entry: &Entry) -> Option<((&str, u64), &Dollars)> {
    let fee = entry.fee.as_ref().filter(|_| !entry.cycle)?;
    Some(((entry.platform.as_deref().unwrap_or_default(), entry.day()), fee))
}
