//! Encodes rows in the binary format of COPY, so that the server neither searches text for escapes nor parses numbers.
//!
//! A field is its length and its bytes.

use crate::adapters::postgres::numeric::append_numeric;
use std::fmt::{Display, Write};

const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL_LENGTH: i32 = -1;
/// The server's type id of `text`, which an array names as the type of its items.
const TEXT_OID: u32 = 25;

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
        append_numeric(&mut self.bytes, &formatted);
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

fn to_i32(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
