//! What holdings are worth by the prices of the tape, and the profit or loss that is not realized yet.
//!
//! * The known part of a position is worth its quantity at the price; what it would realize is that less its basis, before
//!   fees. Platform fees were paid already, and are subtracted from the sum of a user's realized and unrealized PnL, once.
//! * The unknown part has a worth and no basis: its worth stands apart, in no profit or loss.
//! * Without a price there is no figure: such a position is counted, and so is its basis.
//! * Coverage is the part of what is held whose basis is known and which the wallet still holds. What it does not hold is
//!   taken to be of the known part first.

use crate::views::{Coverage, PositionRow};
use num_bigint::{BigInt, BigUint};
use tape::Usd;

/// The price of an asset: dollars for so many smallest units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetPrice {
    /// The dollars.
    pub usd: Usd,
    /// The quantity that they are for, not zero.
    pub raw: BigUint,
    /// The time of the block that it is from, milliseconds since the Unix epoch.
    pub at: u64,
}

/// What a position is worth. Amounts that exceed the largest that is served are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionWorth {
    /// Of the known part.
    pub value: Option<Usd>,
    /// Of the unknown part.
    pub unknown_value: Option<Usd>,
    /// The worth of the known part less its basis.
    pub unrealized: Option<Usd>,
    /// Of all that is held, the part that the figures rest on; none where nothing is held.
    pub coverage: Option<Coverage>,
}

/// Sums over positions that hold something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorthTotals {
    /// Of the known parts.
    pub value: Usd,
    /// Of the unknown parts.
    pub unknown_value: Usd,
    /// What the known parts of the positions with a price cost.
    pub basis: Usd,
    /// The worth of the known parts less their basis.
    pub unrealized: Usd,
    /// Positions with a price.
    pub priced: u64,
    /// Positions without one, in no sum but the next.
    pub unpriced: u64,
    /// What their known parts cost.
    pub unpriced_basis: Usd,
    /// The time of the oldest price among them, milliseconds since the Unix epoch.
    pub oldest_price_at: Option<u64>,
    /// The worth of what is known and still in the wallet.
    covered: Usd,
    /// A sum exceeds the largest amount that is served and is cut to it.
    pub saturated: bool,
}

/// Digits after the point of a price, and of one below a millionth of a dollar.
const PRICE_DIGITS: [u8; 2] = [18, 36];

/// Dollars for a quantity of smallest units, as dollars for a whole unit: an integer, and how many digits of it stand after
/// the point. Rounded half to even. None for no units, or of a negative amount.
pub fn per_whole_unit(usd: Usd, raw: &BigUint, decimals: u8) -> Option<(BigUint, u8)> {
    let usd = BigUint::try_from(usd.0).ok()?;
    if *raw == BigUint::ZERO {
        return None;
    }
    let whole = usd * BigUint::from(10_u32).pow(decimals.into());
    let [digits, more_digits] = PRICE_DIGITS;
    // `usd` has 18 digits after the point already; a millionth of a dollar is 10^12 of its units.
    if whole >= raw * BigUint::from(10_u64.pow(12)) || whole == BigUint::ZERO {
        return Some((half_even(&whole, raw), digits));
    }
    let scale = BigUint::from(10_u32).pow((more_digits - digits).into());
    Some((half_even(&(whole * scale), raw), more_digits))
}

/// `now / before - 1` in millionths, rounded half to even; none where there was nothing before, or where it is too large.
pub fn relative_change(before: &AssetPrice, now: &AssetPrice) -> Option<i64> {
    let product = |usd: Usd, raw: &BigUint| BigUint::try_from(usd.0).ok().map(|usd| usd * raw);
    let (was, is) = (product(before.usd, &now.raw)?, product(now.usd, &before.raw)?);
    if was == BigUint::ZERO {
        return None;
    }
    let million = BigUint::from(1_000_000_u32);
    i64::try_from(BigInt::from(half_even(&(is * &million), &was)) - BigInt::from(million)).ok()
}

/// Divides, rounding half to even; `by` is not zero.
fn half_even(value: &BigUint, by: &BigUint) -> BigUint {
    let quotient = value / by;
    let twice: BigUint = (value - &quotient * by) << 1_u32;
    let up = twice > *by || (twice == *by && quotient.bit(0));
    if up { quotient + 1_u32 } else { quotient }
}

impl AssetPrice {
    /// What a quantity is worth, rounded half to even; none where that exceeds the largest amount that is served.
    pub fn value_of(&self, quantity: &BigUint) -> Option<Usd> {
        let usd = BigUint::try_from(self.usd.0).ok()?;
        i128::try_from(half_even(&(usd * quantity), &self.raw)).ok().map(Usd)
    }
}

impl PositionRow {
    /// What it is worth.
    pub fn worth(&self) -> PositionWorth {
        let parsed = |text: &str| text.parse::<BigUint>().unwrap_or_default();
        let (known, unknown) = (parsed(&self.quantity), parsed(&self.unknown_quantity));
        let held = &known + &unknown;
        if held == BigUint::ZERO {
            return PositionWorth::default();
        }
        let covered = &known - self.known_elsewhere(&known);
        let coverage = Some(Coverage { millionths: millionths(&covered, &held) });
        let Some(price) = &self.price else { return PositionWorth { coverage, ..PositionWorth::default() } };
        let (value, unknown_value) = (price.value_of(&known), price.value_of(&unknown));
        let unrealized = value.and_then(|value| value.0.checked_sub(self.basis.0)).map(Usd);
        PositionWorth { value, unknown_value, unrealized, coverage }
    }

    /// How much of its known part the wallet does not hold.
    fn known_elsewhere(&self, known: &BigUint) -> BigUint {
        let elsewhere = self.held_elsewhere.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default();
        BigUint::min(elsewhere, known.clone())
    }

    fn is_open(&self) -> bool {
        [&self.quantity, &self.unknown_quantity].iter().any(|quantity| *quantity != "0")
    }
}

/// `part / whole` in millionths, rounded down: of nearly all that is held it does not say that it is all.
fn millionths(part: &BigUint, whole: &BigUint) -> u32 {
    u32::try_from(part * Coverage::FULL.millionths / whole).unwrap_or(Coverage::FULL.millionths)
}

impl WorthTotals {
    /// The sums over positions.
    pub fn of_positions<'a>(positions: impl IntoIterator<Item = &'a PositionRow>) -> Self {
        let mut totals = Self::default();
        positions.into_iter().filter(|position| position.is_open()).for_each(|position| totals.add(position));
        totals
    }

    fn add(&mut self, position: &PositionRow) {
        let PositionWorth { value, unknown_value, unrealized, .. } = position.worth();
        let (Some(price), Some(value), Some(unknown_value), Some(unrealized)) =
            (&position.price, value, unknown_value, unrealized)
        else {
            self.unpriced += 1;
            self.unpriced_basis = self.plus(self.unpriced_basis, position.basis);
            return;
        };
        let known: BigUint = position.quantity.parse().unwrap_or_default();
        let covered = &known - position.known_elsewhere(&known);
        self.priced += 1;
        self.value = self.plus(self.value, value);
        self.unknown_value = self.plus(self.unknown_value, unknown_value);
        self.basis = self.plus(self.basis, position.basis);
        self.unrealized = self.plus(self.unrealized, unrealized);
        self.covered = self.plus(self.covered, price.value_of(&covered).unwrap_or_default());
        self.oldest_price_at = self.oldest_price_at.into_iter().chain([price.at]).min();
    }

    fn plus(&mut self, sum: Usd, usd: Usd) -> Usd {
        self.saturated |= sum.0.checked_add(usd.0).is_none();
        Usd(sum.0.saturating_add(usd.0))
    }

    /// Of the worth of all that is held at a price, the part whose basis is known and which the wallet still holds; none where
    /// nothing is.
    pub fn coverage(&self) -> Option<Coverage> {
        let [covered, value, unknown] =
            [self.covered, self.value, self.unknown_value].map(|usd| BigUint::try_from(usd.0).unwrap_or_default());
        let whole = value + unknown;
        (whole != BigUint::ZERO).then(|| Coverage { millionths: millionths(&covered, &whole) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        Usd::parse(text).unwrap()
    }

    fn price(dollars: &str, raw: u64) -> AssetPrice {
        AssetPrice { usd: usd(dollars), raw: raw.into(), at: raw }
    }

    fn position(quantity: &str, unknown: &str, basis: &str, elsewhere: &str, price: Option<AssetPrice>) -> PositionRow {
        PositionRow {
            chain: "mock".into(),
            asset: "cat".into(),
            symbol: None,
            decimals: Some(2),
            quantity: quantity.into(),
            unknown_quantity: unknown.into(),
            basis: usd(basis),
            realized: Usd::ZERO,
            proceeds: Usd::ZERO,
            without_basis: Usd::ZERO,
            basis_without_proceeds: Usd::ZERO,
            held_elsewhere: (elsewhere != "0").then(|| elsewhere.into()),
            price,
        }
    }

    #[test]
    fn golden_vectors_of_unrealized_pnl() {
        // Known, unknown, basis, elsewhere, price; value, worth of the unknown part, unrealized, coverage.
        for (row, value, unknown, unrealized, coverage) in [
            // Bought 10 for $10, now at $2: $10 are to be gained.
            (position("10", "0", "10", "0", Some(price("2", 1))), "20", "0", "10", 1_000_000),
            (position("10", "0", "10", "0", Some(price("1", 2))), "5", "0", "-5", 1_000_000),
            (
                position("10", "0", "10", "0", Some(price("1", 3))),
                "3.333333333333333333",
                "0",
                "-6.666666666666666667",
                1_000_000,
            ),
            (position("0", "7", "0", "0", Some(price("2", 1))), "0", "14", "0", 0),
            (position("10", "30", "5", "0", Some(price("3", 1))), "30", "90", "25", 250_000),
            (position("10", "0", "10", "4", Some(price("2", 1))), "20", "0", "10", 600_000),
            (position("10", "10", "10", "15", Some(price("2", 1))), "20", "20", "10", 0),
            (position("10", "0", "10", "0", Some(price("0", 1))), "0", "0", "-10", 1_000_000),
        ] {
            let worth = row.worth();
            let expected = [value, unknown, unrealized].map(|text| Some(usd(text)));
            assert_eq!([worth.value, worth.unknown_value, worth.unrealized], expected, "{row:?}");
            assert_eq!(worth.coverage.map(|coverage| coverage.millionths), Some(coverage), "{row:?}");
        }
    }

    #[test]
    fn without_a_price_there_is_no_figure() {
        let unpriced = position("10", "0", "10", "0", None).worth();
        assert_eq!((unpriced.value, unpriced.unknown_value, unpriced.unrealized), (None, None, None));
        assert_eq!(position("0", "0", "0", "0", Some(price("2", 1))).worth(), PositionWorth::default());
        let absurd = position(&"9".repeat(60), "0", "10", "0", Some(price("2", 1))).worth();
        assert_eq!((absurd.value, absurd.unrealized), (None, None), "more than is served");
    }

    #[test]
    fn totals_count_apart_what_has_no_price() {
        let rows = [
            position("10", "10", "10", "0", Some(price("2", 1))),
            position("10", "0", "30", "5", Some(price("10", 5))),
            position("3", "0", "4.5", "0", None),
            position("0", "0", "0", "0", None),
        ];
        let totals = WorthTotals::of_positions(&rows);
        assert_eq!((totals.value, totals.unknown_value, totals.basis), (usd("40"), usd("20"), usd("40")));
        assert_eq!((totals.unrealized, totals.priced, totals.unpriced), (usd("0"), 2, 1));
        assert_eq!((totals.unpriced_basis, totals.oldest_price_at), (usd("4.5"), Some(1)));
        // Of 60 dollars, 20 are of unknown basis and 10 are held elsewhere.
        assert_eq!(totals.coverage().map(|coverage| coverage.millionths), Some(500_000));
        assert_eq!(WorthTotals::default().coverage(), None);
        let largest = position("1", "0", "0", "0", Some(AssetPrice { usd: Usd(i128::MAX), ..price("1", 1) }));
        assert!(WorthTotals::of_positions([&largest, &largest]).saturated);
    }

    #[test]
    fn prices_are_of_whole_units() {
        for (dollars, raw, decimals, expected) in [
            ("20", 10_u64, 0, Some(("2000000000000000000", 18))),
            ("20", 3, 1, Some(("66666666666666666667", 18))),
            ("0.000001", 1, 0, Some(("1000000000000", 18))),
            ("1", 3_000_000_000, 3, Some(("333333333333333333333333333333", 36))),
            ("0", 3, 1, Some(("0", 18))),
            ("1", 0, 1, None),
        ] {
            let found = per_whole_unit(usd(dollars), &BigUint::from(raw), decimals);
            let found = found.map(|(units, digits)| (units.to_string(), digits));
            assert_eq!(found, expected.map(|(units, digits)| (units.to_owned(), digits)), "{dollars} for {raw}");
        }
    }

    #[test]
    fn a_change_is_relative_to_what_was_before() {
        for (before, now, change) in [
            (price("2", 1), price("3", 1), Some(500_000)),
            (price("2", 1), price("4", 2), Some(0)),
            (price("3", 1), price("2", 1), Some(-333_333)),
            (price("3", 1), price("0", 1), Some(-1_000_000)),
            (price("0", 1), price("2", 1), None),
        ] {
            assert_eq!(relative_change(&before, &now), change, "{before:?} {now:?}");
        }
    }
}
