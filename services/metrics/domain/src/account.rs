//! What is kept per user and per position.

use crate::amounts::Dollars;
use crate::entry::{Entry, Lot};
use crate::holding::{Holding, Realized};
use tape::Place;

/// Figures of one user on one chain, over all time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Worth of all valued swaps.
    pub volume: Dollars,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation; not in the volume.
    pub unvalued: u64,
    /// Cycles; in no other figure.
    pub cycles: u64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized before fees, and proceeds without basis, over all positions.
    pub realized: Realized,
}

/// One user on one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The figures.
    pub totals: Totals,
    /// No trade above this place was ever stored, live or reverted: what stands above is new.
    pub seen: Option<Place>,
}

/// One position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// After the last live trade.
    pub holding: Holding,
    /// Over all live trades.
    pub realized: Realized,
    /// How many live trades it is made of.
    pub trades: u64,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: fractional digits.
    pub decimals: Option<u8>,
    /// Where the trade stands that the decoration is of: the newest that carried one, reverted since or not.
    pub decorated: Option<Place>,
}

impl Totals {
    /// Realized profit and loss after platform fees.
    pub fn net(&self) -> Dollars {
        &self.realized.pnl - &self.fees
    }

    /// Counts a trade in; what it realizes is the books' to say.
    pub fn count(&mut self, entry: &Entry) {
        if entry.cycle {
            self.cycles += 1;
            return;
        }
        self.swaps += 1;
        match &entry.notional {
            Some(notional) => self.volume += notional,
            None => self.unvalued += 1,
        }
        if let Some(fee) = &entry.fee {
            self.fees += fee;
        }
    }

    /// Counts out a trade that was counted in.
    pub fn uncount(&mut self, entry: &Entry) {
        if entry.cycle {
            self.cycles = self.cycles.saturating_sub(1);
            return;
        }
        self.swaps = self.swaps.saturating_sub(1);
        match &entry.notional {
            Some(notional) => self.volume -= notional,
            None => self.unvalued = self.unvalued.saturating_sub(1),
        }
        if let Some(fee) = &entry.fee {
            self.fees -= fee;
        }
    }
}

impl User {
    /// Whether a trade there may have been stored before.
    pub fn may_know(&self, place: Place) -> bool {
        self.seen.is_some_and(|seen| place <= seen)
    }

    /// Remembers that a trade there is stored.
    pub fn see(&mut self, place: Place) {
        self.seen = self.seen.max(Some(place));
    }
}

impl Book {
    /// Takes the decoration of a trade that carries one, unless a newer one did. In whatever order trades come, the
    /// same decoration stays.
    pub fn decorate(&mut self, lot: &Lot, place: Place) {
        let decoration = (&lot.symbol, lot.decimals);
        if decoration != (&None, None) && (Some(place), decoration) > (self.decorated, (&self.symbol, self.decimals)) {
            self.symbol.clone_from(&lot.symbol);
            self.decimals = lot.decimals;
            self.decorated = Some(place);
        }
    }
}
