//! The figures of each user and of each position.

use crate::amounts::{Dollars, Quantity};
use crate::confidence::ConfidenceVolumes;
use crate::entry::{Entry, Lot};
use crate::holding::{Holding, Realized};
use tape::Place;

/// The figures of one user on one chain, over all time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The worth of all valued swaps.
    pub volume: Dollars,
    /// The same by how sure the sides of the swaps are.
    pub by_confidence: ConfidenceVolumes,
    /// Swaps, valued or not.
    pub swaps: u64,
    /// Swaps without a valuation; they are not in the volume.
    pub unvalued: u64,
    /// Swaps with an implausible valuation; they are in no sum of amounts but the next.
    pub implausible: u64,
    /// What their valuations claim.
    pub implausible_usd: Dollars,
    /// Cycles; they count in no other figure.
    pub cycles: u64,
    /// Platform fees.
    pub fees: Dollars,
    /// Realized PnL before fees and proceeds, over all positions.
    pub realized: Realized,
}

/// One user on one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The figures.
    pub totals: Totals,
    /// The highest place at which a trade was ever stored, live or reverted: a trade above it is new.
    pub seen: Option<Place>,
}

/// One position of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// What it holds after its last live trade.
    pub holding: Holding,
    /// What its live trades realized.
    pub realized: Realized,
    /// How much its live trades bought with a known basis.
    pub bought: Quantity,
    /// How many live trades it has.
    pub trades: u64,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: fractional digits.
    pub decimals: Option<u8>,
    /// The place of the trade that the decoration is from: the newest that carried one, whether reverted since or not.
    pub decorated: Option<Place>,
}

impl Totals {
    /// Realized profit and loss after platform fees.
    pub fn net(&self) -> Dollars {
        &self.realized.pnl - &self.fees
    }

    /// Adds a trade; what it realizes is added by the fold of its books.
    pub fn add_trade(&mut self, entry: &Entry) {
        if entry.cycle {
            self.cycles += 1;
            return;
        }
        self.swaps += 1;
        match (&entry.notional, &entry.implausible) {
            (Some(notional), _) => {
                self.volume += notional;
                if let Some(amount) = self.by_confidence.amount_mut(entry.confidence) {
                    *amount += notional;
                }
            }
            (None, Some(claimed)) => {
                self.implausible += 1;
                self.implausible_usd += claimed;
            }
            (None, None) => self.unvalued += 1,
        }
        if let Some(fee) = &entry.fee {
            self.fees += fee;
        }
    }

    /// Removes a trade that was added.
    pub fn remove_trade(&mut self, entry: &Entry) {
        if entry.cycle {
            self.cycles = self.cycles.saturating_sub(1);
            return;
        }
        self.swaps = self.swaps.saturating_sub(1);
        match (&entry.notional, &entry.implausible) {
            (Some(notional), _) => {
                self.volume -= notional;
                if let Some(amount) = self.by_confidence.amount_mut(entry.confidence) {
                    *amount -= notional;
                }
            }
            (None, Some(claimed)) => {
                self.implausible = self.implausible.saturating_sub(1);
                self.implausible_usd -= claimed;
            }
            (None, None) => self.unvalued = self.unvalued.saturating_sub(1),
        }
        if let Some(fee) = &entry.fee {
            self.fees -= fee;
        }
    }
}

impl User {
    /// Whether a trade at this place may be stored already.
    pub fn may_be_stored(&self, place: Place) -> bool {
        self.seen.is_some_and(|seen| place <= seen)
    }

    /// Notes that a trade at this place is stored.
    pub fn mark_seen(&mut self, place: Place) {
        self.seen = self.seen.max(Some(place));
    }
}

impl Book {
    /// Takes over the decoration of a trade, if it carries one and no newer trade did. The result does not depend on
    /// the order in which trades arrive.
    pub fn decorate(&mut self, lot: &Lot, place: Place) {
        let decoration = (&lot.symbol, lot.decimals);
        if decoration != (&None, None) && (Some(place), decoration) > (self.decorated, (&self.symbol, self.decimals)) {
            self.symbol.clone_from(&lot.symbol);
            self.decimals = lot.decimals;
            self.decorated = Some(place);
        }
    }
}
