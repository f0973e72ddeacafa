//! Numbers of a node's JSON: most nodes write them as numbers, some as text.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// A whole number that may be written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number<T>(pub(crate) T);

impl<'de, T: TryFrom<i128> + FromStr> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<T: TryFrom<i128> + FromStr> Visitor<'_> for Either<T> {
            type Value = Number<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, as a number or as text")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                let out_of_range = |_| de::Error::custom(format!("{number} is out of range"));
                T::try_from(i128::from(number)).map(Number).map_err(out_of_range)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                let out_of_range = |_| de::Error::custom(format!("{number} is out of range"));
                T::try_from(i128::from(number)).map(Number).map_err(out_of_range)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Number).map_err(|_| de::Error::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A whole number.
pub(crate) fn number<'de, D: Deserializer<'de>, T: TryFrom<i128> + FromStr>(deserializer: D) -> Result<T, D::Error> {
    Number::deserialize(deserializer).map(|Number(number)| number)
}

/// A whole number that may be null.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: TryFrom<i128> + FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Number<T>>::deserialize(deserializer)?.map(|Number(number)| number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_text_and_stays_in_range() {
        let table = [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("\"007\"", Some(7)),
            ("255", Some(255)),
            ("256", None),
            ("\"256\"", None),
            ("-1", None),
            ("7.0", None),
            ("\"\"", None),
            ("\"7 \"", None),
            ("true", None),
            ("null", None),
            ("[7]", None),
        ];
        for (json, expected) in table {
            assert_eq!(serde_json::from_str::<Number<u8>>(json).ok().map(|number| number.0), expected, "{json}");
        }
        let largest = serde_json::from_str::<Number<u64>>("18446744073709551615");
        assert_eq!(largest.ok(), Some(Number(u64::MAX)));
        assert_eq!(serde_json::from_str::<Number<i64>>("\"-5\"").ok(), Some(Number(-5)));
    }
}
