//! Exact numbers in the binary form of a `numeric`, so that the server parses no text.
//!
//! A `numeric` is its sign, its scale and its digits to the base of 10,000.

use sqlx::Postgres;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo};
use sqlx::types::Type;
use std::fmt::Display;

/// The server's type ids of `numeric` and of `numeric[]`.
const NUMERIC_OID: Oid = Oid(1700);
const NUMERIC_ARRAY_OID: Oid = Oid(1231);
/// Decimal digits in one digit of a `numeric`.
const DIGITS_PER_GROUP: usize = 4;
const NEGATIVE_SIGN: u16 = 0x4000;

/// A number to be bound as a `numeric`; it must be formatted as digits with an optional sign and point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numeric<V>(pub(super) V);

impl<V> Type<Postgres> for Numeric<V> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC_OID)
    }
}

impl<V> PgHasArrayType for Numeric<V> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(NUMERIC_ARRAY_OID)
    }
}

impl<V: Display> Encode<'_, Postgres> for Numeric<V> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        append_numeric(buffer, &self.0.to_string());
        Ok(IsNull::No)
    }
}

/// Appends a number without its length.
pub(super) fn append_numeric(bytes: &mut Vec<u8>, formatted: &str) {
    let (sign, plain) = formatted.strip_prefix('-').map_or((0, formatted), |plain| (NEGATIVE_SIGN, plain));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let at = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    // Groups do not cross the decimal point: the first may have fewer digits in front, the last fewer at its end.
    let groups = whole.as_bytes().rchunks(DIGITS_PER_GROUP).rev().map(|group| group_value(group, group.len()));
    let groups =
        groups.chain(fraction.as_bytes().chunks(DIGITS_PER_GROUP).map(|group| group_value(group, DIGITS_PER_GROUP)));
    let (mut weight, mut count, mut end) = (to_i16(whole.len().div_ceil(DIGITS_PER_GROUP)) - 1, 0_i16, bytes.len());
    for group in groups {
        if group == 0 && count == 0 {
            weight -= 1;
            continue;
        }
        count += 1;
        bytes.extend_from_slice(&group.to_be_bytes());
        if group != 0 {
            end = bytes.len();
        }
    }
    // Groups of zeros at either end are left out.
    bytes.truncate(end);
    let count = to_i16((end - at - 8) / 2);
    let weight = if count == 0 { 0 } else { weight };
    let sign = if count == 0 { 0 } else { sign };
    let scale = to_i16(fraction.len());
    let head = [count.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()];
    bytes[at..at + 8].copy_from_slice(head.as_flattened());
}

/// The number that a group of decimal digits stands for, with zeros appended up to `digits` of them.
fn group_value(group: &[u8], digits: usize) -> i16 {
    let read = group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    (group.len()..digits).fold(read, |sum, _| sum * 10)
}

fn to_i16(len: usize) -> i16 {
    i16::try_from(len).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, weight, sign, scale, digits: as the server's own `numeric_send` writes them.
    fn number(formatted: &str) -> Vec<i16> {
        let mut bytes = vec![];
        append_numeric(&mut bytes, formatted);
        bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
    }

    #[test]
    fn numbers_are_what_the_server_would_send() {
        for (formatted, sent) in [
            ("0", &[0, 0, 0, 0][..]),
            ("0.00", &[0, 0, 0, 2]),
            ("-0.0", &[0, 0, 0, 1]),
            ("7", &[1, 0, 0, 0, 7]),
            ("10000", &[1, 1, 0, 0, 1]),
            ("12345", &[2, 1, 0, 0, 1, 2345]),
            ("123456789.5", &[4, 2, 0, 1, 1, 2345, 6789, 5000]),
            ("-1.05", &[2, 0, 0x4000, 2, 1, 500]),
            ("0.00001234", &[1, -2, 0, 8, 1234]),
            ("0.0001", &[1, -1, 0, 4, 1]),
            ("100000000.00010", &[4, 2, 0, 5, 1, 0, 0, 1]),
        ] {
            assert_eq!(number(formatted), sent, "{formatted}");
        }
    }
}
