//! Exact amounts: raw token units and US dollars, never floats.

use ruint::aliases::{U256, U512};
use std::fmt;

/// An amount of an asset in its smallest unit.
pub type Raw = U256;

/// US dollars in units of 10^-18, signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(pub i128);

/// A text is not an amount of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal with at most 18 fractional digits")]
pub struct NotUsd;

impl Usd {
    /// Fractional digits.
    pub const DIGITS: u32 = 18;
    /// One dollar.
    pub const ONE: Self = Self(1_000_000_000_000_000_000);
    /// No dollars.
    pub const ZERO: Self = Self(0);
    /// The most one trade may be worth: 10^15 dollars. More is a broken or hostile valuation.
    pub const MAX_NOTIONAL: Self = Self(Self::ONE.0 * 1_000_000_000_000_000);

    /// The worth of `raw` units of a dollar-pegged asset with `decimals`; none when it exceeds [`Usd::MAX_NOTIONAL`].
    pub fn of_stable(raw: Raw, decimals: u8) -> Option<Self> {
        let wide = U512::from(raw);
        let scaled = if u32::from(decimals) <= Self::DIGITS {
            let factor = U512::from(10).pow(U512::from(Self::DIGITS - u32::from(decimals)));
            wide.checked_mul(factor)?
        } else {
            // The largest raw amount has 78 digits: beyond them nothing is left.
            let excess = (u32::from(decimals) - Self::DIGITS).min(79);
            half_even(wide, U512::from(10).pow(U512::from(excess)))
        };
        let units = u128::try_from(scaled).ok()?;
        let units = i128::try_from(units).ok()?;
        (units <= Self::MAX_NOTIONAL.0).then_some(Self(units))
    }

    /// Parses plain decimal notation, such as `-12.5`.
    pub fn parse(text: &str) -> Result<Self, NotUsd> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || fraction.len() > Self::DIGITS as usize {
            return Err(NotUsd);
        }
        let whole: i128 = whole.parse().map_err(|_| NotUsd)?;
        let missing = Self::DIGITS - u32::try_from(fraction.len()).map_err(|_| NotUsd)?;
        let fraction = fraction.parse::<i128>().map_err(|_| NotUsd)? * 10_i128.pow(missing);
        let units = whole.checked_mul(Self::ONE.0).and_then(|w| w.checked_add(fraction)).ok_or(NotUsd)?;
        Ok(Self(if negative { -units } else { units }))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        let one = Self::ONE.0.unsigned_abs();
        let (whole, fraction) = (units / one, units % one);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:018}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Divides rounding half to even.
pub fn half_even(value: U512, by: U512) -> U512 {
    let (quotient, rest) = value.div_rem(by);
    let twice = rest << 1;
    let up = twice > by || (twice == by && quotient.bit(0));
    if up { quotient + U512::from(1) } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_print_as_they_parse() {
        for text in ["0", "1", "-1", "12.5", "0.000000000000000001", "-0.1", "1000000000000000"] {
            assert_eq!(Usd::parse(text).map(|usd| usd.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".5", "1.", "1e5", "+1", "1.0000000000000000001", "--1", "0x1", "1 "] {
            assert_eq!(Usd::parse(text), Err(NotUsd), "{text:?}");
        }
    }

    #[test]
    fn stables_are_worth_their_units() {
        assert_eq!(Usd::of_stable(Raw::from(95_000_000), 6), Some(Usd(95 * Usd::ONE.0)));
        assert_eq!(Usd::of_stable(Raw::from(1), 18), Some(Usd(1)));
        assert_eq!(Usd::of_stable(Raw::from(25), 19), Some(Usd(2)), "2.5 rounds to even");
        assert_eq!(Usd::of_stable(Raw::from(35), 19), Some(Usd(4)), "3.5 rounds to even");
        assert_eq!(Usd::of_stable(Raw::MAX, 6), None);
        assert_eq!(Usd::of_stable(Raw::MAX, 255), Some(Usd(0)));
    }
}
