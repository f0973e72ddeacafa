//! Rows in the binary format of COPY: the server neither looks for escapes in them nor reads numbers from text.
//!
//! A field is its length and its bytes; a number is its sign, its scale and its digits to the base of 10,000.

use std::fmt::{Display, Write};

const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
/// What the server calls `text` where an array says what it is made of.
const TEXT: u32 = 25;
/// Decimal digits in one digit of a number.
const GROUP: usize = 4;
const NEGATIVE: u16 = 0x4000;

/// Rows of so many columns.
pub(super) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
    shown: String,
}

impl Rows {
    /// No rows yet, with room for so many bytes.
    pub(super) fn new(columns: i16, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend_from_slice(HEAD);
        Self { bytes, columns, shown: String::new() }
    }

    /// No row follows.
    pub(super) fn end(&mut self) {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    }

    /// What was written since the last [`Self::clear`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much that is.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what was written: it is sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// A row begins: its fields follow.
    pub(super) fn row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    /// A `bigint`.
    pub(super) fn int(&mut self, value: i64) {
        self.field(&value.to_be_bytes());
    }

    /// A `bigint` or nothing.
    pub(super) fn int_or_null(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int(value),
            None => self.bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
    }

    /// A `boolean`.
    pub(super) fn flag(&mut self, value: bool) {
        self.field(&[value.into()]);
    }

    /// A `text`.
    pub(super) fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    /// A `text` or nothing.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
    }

    /// A `text[]`.
    pub(super) fn texts<T: AsRef<str>>(&mut self, items: &[T]) {
        let at = self.open();
        let dimensions = i32::from(!items.is_empty());
        self.bytes.extend_from_slice(&dimensions.to_be_bytes());
        // None of them is null.
        self.bytes.extend_from_slice(&0_i32.to_be_bytes());
        self.bytes.extend_from_slice(&TEXT.to_be_bytes());
        if dimensions == 1 {
            self.bytes.extend_from_slice(&size(items.len()).to_be_bytes());
            // They are counted from one.
            self.bytes.extend_from_slice(&1_i32.to_be_bytes());
        }
        for item in items {
            self.text(item.as_ref());
        }
        self.close(at);
    }

    /// A `numeric`, as the value shows itself: digits, perhaps with a sign and a point.
    pub(super) fn number(&mut self, value: impl Display) {
        self.shown.clear();
        // Writing to a string does not fail.
        let _ = write!(self.shown, "{value}");
        let shown = std::mem::take(&mut self.shown);
        let at = self.open();
        self.digits(&shown);
        self.close(at);
        self.shown = shown;
    }

    /// A `numeric` or nothing.
    pub(super) fn number_or_null(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.number(value),
            None => self.bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
    }

    fn digits(&mut self, shown: &str) {
        let (sign, plain) = shown.strip_prefix('-').map_or((0, shown), |plain| (NEGATIVE, plain));
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        // The point lies between two groups: the first may lack digits in front, the last at its end.
        let groups = whole.as_bytes().rchunks(GROUP).rev().map(|group| value(group, group.len()));
        let groups = groups.chain(fraction.as_bytes().chunks(GROUP).map(|group| value(group, GROUP)));
        let (mut weight, mut count, mut end) = (short(whole.len().div_ceil(GROUP)) - 1, 0_i16, self.bytes.len());
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
        // Groups of zeros at either end are not written.
        self.bytes.truncate(end);
        let count = short((end - at - 8) / 2);
        let weight = if count == 0 { 0 } else { weight };
        let sign = if count == 0 { 0 } else { sign };
        let scale = short(fraction.len());
        let head = [count.to_be_bytes(), weight.to_be_bytes(), sign.to_be_bytes(), scale.to_be_bytes()];
        self.bytes[at..at + 8].copy_from_slice(head.as_flattened());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(&size(bytes.len()).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// A field begins whose length is not known yet.
    fn open(&mut self) -> usize {
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.len()
    }

    fn close(&mut self, at: usize) {
        let length = size(self.bytes.len() - at);
        self.bytes[at - 4..at].copy_from_slice(&length.to_be_bytes());
    }
}

/// A group of decimal digits as one number, filled up to `digits` of them with zeros.
fn value(group: &[u8], digits: usize) -> i16 {
    let read = group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    (group.len()..digits).fold(read, |sum, _| sum * 10)
}

fn size(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

fn short(len: usize) -> i16 {
    i16::try_from(len).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, weight, sign, scale, digits: as the server's own `numeric_send` writes them.
    fn number(shown: &str) -> Vec<i16> {
        let mut rows = Rows::new(1, 0);
        rows.number(shown);
        let (length, field) = rows.bytes[HEAD.len()..].split_at(4);
        assert_eq!(length, size(field.len()).to_be_bytes());
        field.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
    }

    #[test]
    fn numbers_are_what_the_server_would_send() {
        for (shown, sent) in [
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
            assert_eq!(number(shown), sent, "{shown}");
        }
    }

    #[test]
    fn fields_carry_their_length_and_the_rest_is_framed() {
        let mut rows = Rows::new(5, 0);
        rows.row();
        rows.int(-2);
        rows.flag(true);
        rows.text_or_null(None);
        rows.texts(&["v\"3", "é"]);
        rows.texts::<&str>(&[]);
        let mut expected = HEAD.to_vec();
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
