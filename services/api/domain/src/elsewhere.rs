//! What a wallet no longer holds of what its trades bought, and the proceeds that this puts in doubt.
//!
//! Trades say what a position holds; a provider says what the wallet holds. Where that is less, units left without a
//! trade. Which units a later sale took is not known then: it may have been matched with purchases whose units were gone.
//! The rule is the same for every cost method: as large a part of a position's proceeds is in doubt as the units that
//! are held elsewhere are of the units that were sold with a known basis.

use crate::views::Totals;
use num_bigint::{BigInt, BigUint, Sign};
use tape::Usd;

/// A position, as far as the rule needs it; quantities in the asset's smallest unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldPosition {
    /// Ever bought with a known basis.
    pub bought: BigUint,
    /// Held with a known basis, as the trades say.
    pub quantity: BigUint,
    /// Held with an unknown basis, as the trades say.
    pub unknown: BigUint,
    /// The balance less the sum of the trades; zero where no snapshot says.
    pub drift: BigInt,
    /// Proceeds of sales whose basis is known.
    pub proceeds: Usd,
}

impl HeldPosition {
    /// How much of what it holds by its trades the wallet does not hold.
    pub fn elsewhere(&self) -> BigUint {
        let held = &self.quantity + &self.unknown;
        if self.drift.sign() == Sign::Minus { self.drift.magnitude().min(&held).clone() } else { BigUint::ZERO }
    }

    /// The proceeds that may have been matched with units that were gone.
    pub fn proceeds_in_doubt(&self) -> Usd {
        if self.bought <= self.quantity {
            return Usd::ZERO;
        }
        let sold = &self.bought - &self.quantity;
        let doubtful = self.elsewhere().min(sold.clone());
        part(self.proceeds, &doubtful.into(), &sold.into())
    }
}

impl Totals {
    /// Puts the same part of these proceeds in doubt as is in doubt of all time's: which sales are meant is not known.
    pub fn doubt_like(&mut self, all_time: &Self) {
        if all_time.proceeds > Usd::ZERO {
            self.in_doubt = part(self.proceeds, &all_time.in_doubt.0.into(), &all_time.proceeds.0.into());
        }
    }
}

/// `part / whole` of an amount, at most all of it, rounded towards more; `whole` is not zero.
fn part(amount: Usd, part: &BigInt, whole: &BigInt) -> Usd {
    let product = BigInt::from(amount.0) * part;
    let rounded = (product + whole - 1_u32) / whole;
    Usd(i128::try_from(rounded).unwrap_or(amount.0).clamp(0, amount.0.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(bought: u32, quantity: u32, unknown: u32, drift: i32, proceeds: i128) -> HeldPosition {
        HeldPosition {
            bought: bought.into(),
            quantity: quantity.into(),
            unknown: unknown.into(),
            drift: drift.into(),
            proceeds: Usd(proceeds),
        }
    }

    #[test]
    fn what_is_gone_puts_as_many_sold_units_in_doubt() {
        for (one, elsewhere, in_doubt) in [
            // Buy 10, send them away, buy 10, sell 10: all that was sold may have been matched with what was gone.
            (position(20, 10, 0, -10, 20), 10_u32, 20),
            (position(100, 10, 0, -10, 900), 10, 100),
            (position(100, 50, 0, -1, 500), 1, 10),
            (position(20, 10, 0, 10, 20), 0, 0),
            (position(20, 10, 0, 0, 20), 0, 0),
            (position(10, 10, 0, -5, 0), 5, 0),
            (position(20, 10, 5, -99, 7), 15, 7),
            (position(30, 0, 0, -3, 7), 0, 0),
            (position(13, 10, 0, -1, 10), 1, 4),
        ] {
            assert_eq!((one.elsewhere(), one.proceeds_in_doubt()), (elsewhere.into(), Usd(in_doubt)), "{one:?}");
        }
    }

    #[test]
    fn a_window_is_in_doubt_like_all_time() {
        let totals =
            |proceeds, in_doubt| Totals { proceeds: Usd(proceeds), in_doubt: Usd(in_doubt), ..Totals::default() };
        for (window, all_time, in_doubt) in
            [(50, (100, 20), 10), (50, (100, 0), 0), (0, (100, 20), 0), (50, (0, 0), 0), (i128::MAX, (7, 7), i128::MAX)]
        {
            let mut one = totals(window, 0);
            one.doubt_like(&totals(all_time.0, all_time.1));
            assert_eq!(one.in_doubt, Usd(in_doubt), "{window} {all_time:?}");
        }
    }
}
