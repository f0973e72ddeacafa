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

/// How the hours of a batch move.
#[derive(Debug, Default)]
pub struct Hours(BTreeMap<HourKey, HourMove>);

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

impl Hours {
    /// The hours of a batch, its moves counted; what they realize is added by the fold.
    pub fn of(moves: &[Move]) -> Self {
        let mut hours = Self::default();
        for step in moves {
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
        self.0.entry(HourKey { user: entry.user.clone(), hour: entry.hour() }).or_default()
    }

    /// Those that move, in order.
    pub fn moved(self) -> Vec<(HourKey, HourMove)> {
        self.0.into_iter().filter(|(_, moved)| *moved != HourMove::default()).collect()
    }
}

/// By how much each day's fees move.
pub fn fee_moves(moves: &[Move]) -> Vec<(FeeKey, FeeMove)> {
    let mut fees: BTreeMap<FeeKey, FeeMove> = BTreeMap::new();
    for step in moves {
        if let Some((key, fee)) = step.removed().and_then(|was| fee_of(&was.entry)) {
            let day = fees.entry(key).or_default();
            day.usd -= fee;
            day.trades -= 1;
        }
        if let Some((key, fee)) = step.added().and_then(fee_of) {
            let day = fees.entry(key).or_default();
            day.usd += fee;
            day.trades += 1;
        }
    }
    fees.into_iter().filter(|(_, moved)| *moved != FeeMove::default()).collect()
}

fn fee_of(entry: &Entry) -> Option<(FeeKey, &Dollars)> {
    let fee = entry.fee.as_ref().filter(|_| !entry.cycle)?;
    let platform = entry.platform.clone().unwrap_or_default();
    Some((FeeKey { user: entry.user.clone(), platform, day: entry.day() }, fee))
}
