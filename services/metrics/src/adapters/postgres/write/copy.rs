//! Encodes rows in the binary format of COPY, so that the server neither searches text for escapes nor parses numbers.
//!
//! A field is its length and its bytes. A `numeric` is its sign, its scale and its digits to the base of 10,000.

use std::fmt::{Display, Write};

const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL_LENGTH: i32 = -1;
/// The server's type id of `text`, which an array names as the type of its items.
const TEXT_OID: u32 = 25;
/// Decimal digits in one digit of a `numeric`.
const DIGITS_PER_GROUP: usize = 4;
const NEGATIVE_SIGN: u16 = 0x4000;

/// A buffer of encoded rows.
pub(super) struct CopyRows {
    bytes: Vec<u8>,
    columns: i16,
    formatted: String,
}

impl CopyRows {
    /// An empty buffer for rows with this number of columns, with room for `room` bytes.
    pub(super) fn new(columns: i16, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend_from_slice(COPY_HEADER);
        Self { bytes, columns, formatted: String::new() }
    }

    /// Writes the end of the data: no row follows.
    pub(super) fn end(&mut self) {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    }

    /// The bytes written since the last [`Self::clear`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of those bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Empties the buffer after its bytes were sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Begins a row; its fields follow.
    pub(super) fn begin_row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    /// Writes a `bigint`.
    pub(super) fn int(&mut self, value: i64) {
        self.field(&value.to_be_bytes());
    }

    /// Writes a `bigint` or null.
    pub(super) fn int_or_null(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int(value),
            None => self.bytes.extend_from_slice(&NULL_LENGTH.to_be_bytes()),
        }
    }

    /// Writes a `boolean`.
    pub(super) fn flag(&mut self, value: bool) {
        self.field(&[value.into()]);
    }

    /// Writes a `text`.
    pub(super) fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    /// Writes a `text` or null.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.bytes.extend_from_slice(&NULL_LENGTH.to_be_bytes()),
        }
    }

    /// Writes a `text[]`.
    pub(super) fn texts<T: AsRef<str>>(&mut self, items: &[T]) {
        let at = self.open_field();
        let dimensions = i32::from(!items.is_empty());
        self.bytes.extend_from_slice(&dimensions.to_be_bytes());
        // No item is null.
        self.bytes.extend_from_slice(&0_i32.to_be_bytes());
        self.bytes.extend_from_slice(&TEXT_OID.to_be_bytes());
        if dimensions == 1 {
            self.bytes.extend_from_slice(&to_i32(items.len()).to_be_bytes());
            // Items are numbered from one.
            self.bytes.extend_from_slice(&1_i32.to_be_bytes());
        }
        for item in items {
            self.text(item.as_ref());
        }
        self.close_field(at);
    }

    /// Writes a `numeric`: the value must be formatted as digits with an optional sign and point.
    pub(super) fn number(&mut self, value: impl Display) {
        self.formatted.clear();
        // Writing to a string does not fail.
        let _ = write!(self.formatted, "{value}");
        let formatted = std::mem::take(&mut self.formatted);
        let at = self.open_field();
        self.numeric_digits(&formatted);
        self.close_field(at);
        self.formatted = formatted;
    }

    /// Writes a `numeric` or null.
    pub(super) fn number_or_null(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.number(value),
            None => self.bytes.extend_from_slice(&NULL_LENGTH.to_be_bytes()),
        }
    }

    fn numeric_digits(&mut self, formatted: &str) {
        let (sign, plain) = formatted.strip_prefix('-').map_or((0, formatted), |plain| (NEGATIVE_SIGN, plain));
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        // Groups do not cross the decimal point: the first may have fewer digits in front, the last fewer at its end.
        let groups = whole.as_bytes().rchunks(DIGITS_PER_GROUP).rev().map(|group| group_value(group, group.len()));
        let groups = groups
            .chain(fraction.as_bytes().chunks(DIGITS_PER_GROUP).map(|group| group_value(group, DIGITS_PER_GROUP)));
        let (mut weight, mut count, mut end) =
            (to_i16(whole.len().div_ceil(DIGITS_PER_GROUP)) - 1, 0_i16, self.bytes.len());
        for group in groups {
            if group == 0 && count == 0 {
                weight -= 1;
                continue;
            }
            count += 1;
            self.bytes.extend_from_slice(&group.to_be_bytes());
            if group != 0 {
                end = self.bytes.len();
            }
        }
        // Groups of zeros at either end are left out.
        self.bytes.truncate(end);
        let count = to_i16((end - at - 8) / 2);
        let weight = if count == 0 { 0 } else { weight };
        let sign = if count == 0 { 0 } else { sign };
        let scale = to_i16(fraction.len());
        let head = [count.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()];
        self.bytes[at..at + 8].copy_from_slice(head.as_flattened());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&to_i32(bytes.len()).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// Begins a field whose length is not known yet.
    fn open_field(&mut self) -> usize {
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.len()
    }

    fn close_field(&mut self, at: usize) {
        let length = to_i32(self.bytes.len() - at);
        self.bytes[at - 4..at].copy_from_slice(&length.to_be_bytes());
    }
}

/// The number that a group of decimal digits stands for, with zeros appended up to `digits` of them.
fn group_value(group: &[u8], digits: usize) -> i16 {
    let read = group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    (group.len()..digits).fold(read, |sum, _| sum * 10)
}

fn to_i32(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

fn to_i16(len: usize) -> i16 {
    i16::try_from(len).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, weight, sign, scale, digits: as the server's own `numeric_send` writes them.
    fn number(formatted: &str) -> Vec<i16> {
        let mut rows = CopyRows::new(1, 0);
        rows.number(formatted);
        let (length, field) = rows.bytes[COPY_HEADER.len()..].split_at(4);
        assert_eq!(length, to_i32(field.len()).to_be_bytes());
        field.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
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

    #[test]
    fn fields_carry_their_length_and_the_rest_is_framed() {
        let mut rows = CopyRows::new(5, 0);
        rows.begin_row();
        rows.int(-2);
        rows.flag(true);
        rows.text_or_null(None);
        rows.texts(&["v\"3", "é"]);
        rows.texts::<&str>(&[]);
        let mut expected = COPY_HEADER.to_vec();
        expected.extend([0, 5]);
        expected.extend([0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]);
        expected.extend([0, 0, 0, 1, 1]);
        expected.extend([255; 4]);
        expected.extend([0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1]);
        expected.extend([0, 0, 0, 3, b'v', b'"', b'3', 0, 0, 0, 2, 0xc3, 0xa9]);
        expected.extend([0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]);
        expected.extend([255, 255]);
        rows.end();
        assert_eq!(rows.bytes(), expected);
    }
}
