//! What a provider says that an asset is worth, as an exact fraction: dollars for so many smallest units.

use tape::{Raw, Usd};

/// The price of an asset by a provider's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPrice {
    /// The dollars, more than none.
    pub usd: Usd,
    /// The quantity that they are for, in the asset's smallest unit; not zero.
    pub raw: Raw,
    /// The time that it is of, milliseconds since the Unix epoch; none where the provider does not tell it.
    pub at: Option<u64>,
}

/// The highest price of a whole unit that is believed, in dollars. No asset that is known was ever near it.
const MAX_DOLLARS: u128 = 1_000_000_000;
/// The largest worth of one balance that is believed, in dollars.
const MAX_WORTH_DOLLARS: u128 = 1_000_000_000_000;
/// Digits that are read of a number; what follows them is below any rounding.
const MAX_DIGITS: usize = 30;
/// Digits of dollars after the point.
const USD_DIGITS: i32 = 18;

impl ToldPrice {
    /// The price from that of a whole unit, a decimal with or without an exponent. None where it is no number, not more than
    /// zero, or beyond belief.
    pub fn of_whole_unit(dollars: &str, decimals: u8) -> Option<Self> {
        let unit = Raw::from(10).checked_pow(Raw::from(decimals))?;
        Self::of_quantity(dollars, unit, MAX_DOLLARS)
    }

    /// The price from what a balance is worth.
    pub fn of_balance(dollars: &str, balance: Raw) -> Option<Self> {
        Self::of_quantity(dollars, balance, MAX_WORTH_DOLLARS)
    }

    fn of_quantity(dollars: &str, quantity: Raw, max_dollars: u128) -> Option<Self> {
        let (digits, scale) = parse_decimal(dollars)?;
        let is_believed = if scale >= 0 {
            power_of_ten(scale).is_none_or(|whole| digits <= max_dollars.saturating_mul(whole))
        } else {
            power_of_ten(-scale).is_some_and(|by| digits <= max_dollars / by)
        };
        if !is_believed || quantity == Raw::ZERO {
            return None;
        }
        let more_digits = USD_DIGITS - scale;
        let (usd, raw) = if more_digits >= 0 {
            (digits.checked_mul(power_of_ten(more_digits)?)?, quantity)
        } else {
            let by = Raw::from(10).checked_pow(Raw::from(more_digits.unsigned_abs()))?;
            (digits, quantity.checked_mul(by)?)
        };
        Some(Self { usd: Usd(i128::try_from(usd).ok()?), raw, at: None })
    }
}

fn power_of_ten(exponent: i32) -> Option<u128> {
    10_u128.checked_pow(u32::try_from(exponent).ok()?)
}

/// The first digits of a decimal as an integer, and how many of them stand after the point; none where it is no decimal, or
/// zero.
fn parse_decimal(text: &str) -> Option<(u128, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-80..=80).contains(exponent))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || mantissa.len() > 100 {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let read = &significant[..significant.len().min(MAX_DIGITS)];
    let cut = i32::try_from(significant.len() - read.len()).ok()?;
    let scale = i32::try_from(fraction.len()).ok()? - exponent - cut;
    let digits: u128 = read.parse().ok()?;
    (digits > 0).then_some((digits, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(dollars: &str, decimals: u8) -> Option<(String, String)> {
        ToldPrice::of_whole_unit(dollars, decimals).map(|price| (price.usd.to_string(), price.raw.to_string()))
    }

    #[test]
    fn a_price_is_the_decimal_that_was_told() {
        for (dollars, decimals, usd, raw) in [
            ("2495.48", 18, "2495.48", "1000000000000000000"),
            ("1", 0, "1", "1"),
            ("0.9998", 6, "0.9998", "1000000"),
            ("1e3", 2, "1000", "100"),
            ("2.5E-3", 2, "0.0025", "100"),
            ("1.5e-20", 2, "0.000000000000000015", "100000"),
            ("0.00000000000000000012345", 0, "0.000000000000012345", "100000"),
            ("1000000000", 1, "1000000000", "10"),
            ("123.4567890123456789012345678901234567890", 0, "123456789012.34567890123456789", "1000000000"),
        ] {
            assert_eq!(told(dollars, decimals), Some((usd.to_owned(), raw.to_owned())), "{dollars}");
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        let long = format!("0.{}", "3".repeat(200));
        for dollars in [
            "",
            "0",
            "0.0",
            "-1",
            "-0.5",
            "+1",
            "1,5",
            "1.2.3",
            ".5",
            "NaN",
            "inf",
            "Infinity",
            "1e99",
            "1e9999999999",
            "1000000000.01",
            "1e10",
            "1e30",
            "usd_price_example",
            " 1",
            "0x10",
            "1e",
            "null",
            &long,
        ] {
            assert_eq!(told(dollars, 6), None, "{dollars:?}");
        }
        assert_eq!(told("1", 78), None, "no amount has so many decimals");
        assert_eq!(told("1e-80", 18), None, "no quantity is worth a unit of it");
    }

    #[test]
    fn a_price_follows_from_what_a_balance_is_worth() {
        let price = ToldPrice::of_balance("12.5", Raw::from(500)).unwrap();
        assert_eq!((price.usd.to_string(), price.raw), ("12.5".to_owned(), Raw::from(500)));
        for (dollars, raw) in [("12.5", 0_u64), ("0", 500), ("-1", 500), ("1000000000001", 500)] {
            assert_eq!(ToldPrice::of_balance(dollars, Raw::from(raw)), None, "{dollars} {raw}");
        }
    }
}
