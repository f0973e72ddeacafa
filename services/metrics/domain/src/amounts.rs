//! Exact amounts of any size: token quantities, and dollars with 18 fractional digits, rounded half to even.

use num_bigint::{BigInt, BigUint, Sign};
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;
use tape::{Raw, Usd};

/// An amount of an asset in its smallest unit; a position may exceed what one trade can hold.
pub type Quantity = BigUint;

/// US dollars in units of 10^-18, signed and of any size, so that a sum of hostile valuations cannot overflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dollars(BigInt);

/// Units of 10^-18 in a dollar.
const UNITS_PER_DOLLAR: u128 = 10_u128.pow(18);

/// The text is not an amount of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal with at most 18 fractional digits")]
pub struct NotDollars;

/// The quantity of a raw amount.
pub(crate) fn quantity_from_raw(raw: Raw) -> Quantity {
    let bytes: [u8; 32] = raw.to_le_bytes();
    Quantity::from_bytes_le(&bytes)
}

/// Formats a quantity in decimal digits. Most are small enough to be formatted without dividing big integers.
pub fn display_quantity(quantity: &Quantity) -> impl fmt::Display {
    fmt::from_fn(move |f| match u128::try_from(quantity) {
        Ok(small) => fmt::Display::fmt(&small, f),
        Err(_) => fmt::Display::fmt(quantity, f),
    })
}

impl Dollars {
    /// No dollars.
    pub const ZERO: Self = Self(BigInt::ZERO);

    /// `part / whole` of this amount, the only place where a book rounds; zero when `whole` is zero.
    #[must_use]
    pub fn part(&self, part: &Quantity, whole: &Quantity) -> Self {
        if *whole == Quantity::ZERO {
            return Self::ZERO;
        }
        let (sign, magnitude) = (self.0.sign(), self.0.magnitude());
        let rounded = half_even(&(magnitude * part), whole);
        Self(BigInt::from_biguint(if sign == Sign::NoSign { Sign::Plus } else { sign }, rounded))
    }
}

impl Dollars {
    /// So many times this amount.
    pub(crate) fn times(&self, count: &Quantity) -> Self {
        Self(&self.0 * BigInt::from(count.clone()))
    }
}

/// Divides, rounding up.
pub(crate) fn div_ceil(value: &BigUint, by: &BigUint) -> BigUint {
    let quotient = value / by;
    if &quotient * by == *value { quotient } else { quotient + 1_u32 }
}

/// Divides, rounding half to even.
fn half_even(value: &BigUint, by: &BigUint) -> BigUint {
    let quotient = value / by;
    let twice: BigUint = (value - &quotient * by) << 1_u32;
    let up = twice > *by || (twice == *by && quotient.bit(0));
    if up { quotient + 1_u32 } else { quotient }
}

impl From<Usd> for Dollars {
    fn from(usd: Usd) -> Self {
        Self(BigInt::from(usd.0))
    }
}

impl AddAssign<&Self> for Dollars {
    fn add_assign(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

impl SubAssign<&Self> for Dollars {
    fn sub_assign(&mut self, other: &Self) {
        self.0 -= &other.0;
    }
}

impl Add for &Dollars {
    type Output = Dollars;

    fn add(self, other: Self) -> Dollars {
        Dollars(&self.0 + &other.0)
    }
}

impl Sub for &Dollars {
    type Output = Dollars;

    fn sub(self, other: Self) -> Dollars {
        Dollars(&self.0 - &other.0)
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        let fraction = if let Ok(small) = u128::try_from(self.0.magnitude()) {
            let whole = small / UNITS_PER_DOLLAR;
            fmt::Display::fmt(&whole, f)?;
            small - whole * UNITS_PER_DOLLAR
        } else {
            fmt::Display::fmt(&(self.0.magnitude() / UNITS_PER_DOLLAR), f)?;
            (self.0.magnitude() % UNITS_PER_DOLLAR).try_into().unwrap_or(0)
        };
        // Digit by digit for speed: every amount of every row passes here.
        let (mut text, mut rest, mut shown) = (*b".000000000000000000", u64::try_from(fraction).unwrap_or(0), 0);
        for at in (1..text.len()).rev() {
            let digit = (rest % 10).to_le_bytes()[0];
            rest /= 10;
            text[at] += digit;
            if digit != 0 && shown == 0 {
                shown = at + 1;
            }
        }
        f.write_str(str::from_utf8(&text[..shown]).unwrap_or_default())
    }
}

impl FromStr for Dollars {
    type Err = NotDollars;

    /// Reads plain decimal notation, such as `-12.5`.
    fn from_str(text: &str) -> Result<Self, NotDollars> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || fraction.len() > 18 {
            return Err(NotDollars);
        }
        // Few enough digits for a machine's number, as nearly all have: several times faster.
        let units = if let (Ok(whole), true) = (whole.parse::<u128>(), whole.len() <= 20) {
            let scale = 10_u128.pow(18 - u32::try_from(fraction.len()).unwrap_or(18));
            BigInt::from(whole * UNITS_PER_DOLLAR + fraction.parse::<u128>().map_err(|_| NotDollars)? * scale)
        } else {
            BigInt::parse_bytes(format!("{whole}{fraction:0<18}").as_bytes(), 10).ok_or(NotDollars)?
        };
        Ok(Self(if negative { -units } else { units }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Dollars {
        text.parse().unwrap()
    }

    #[test]
    fn dollars_print_as_they_parse() {
        let huge = |digits: usize| format!("{}.000000000000000001", "9".repeat(digits));
        let huge = [19, 20, 21, 60].map(huge);
        let plain = ["0", "1", "-1", "12.5", "0.000000000000000001", "-0.1", "-0.999999999999999999"];
        for text in plain.into_iter().chain(huge.iter().map(String::as_str)) {
            assert_eq!(usd(text).to_string(), text);
        }
        for text in ["", "-", ".5", "1.", "1e5", "+1", "1.0000000000000000001"] {
            assert_eq!(text.parse::<Dollars>(), Err(NotDollars), "{text:?}");
        }
        assert_eq!(usd("7.25"), Usd::parse("7.25").unwrap().into());
    }

    #[test]
    fn parts_round_half_to_even() {
        let unit = |n: u32| usd(&format!("0.{n:018}"));
        let part = |n, of: u32, whole: u32| unit(n).part(&of.into(), &whole.into());
        assert_eq!(part(5, 1, 2), unit(2), "2.5");
        assert_eq!(part(7, 1, 2), unit(4), "3.5");
        assert_eq!(part(8, 1, 3), unit(3), "2.67");
        assert_eq!(usd("-0.000000000000000005").part(&1_u32.into(), &2_u32.into()), usd("-0.000000000000000002"));
        assert_eq!(part(8, 1, 0), Dollars::ZERO);
    }

    #[test]
    fn quantities_are_the_raw_amounts() {
        assert_eq!(quantity_from_raw(Raw::MAX).to_string(), Raw::MAX.to_string());
        assert_eq!(quantity_from_raw(Raw::from(0)), Quantity::ZERO);
    }
}
