//! The checks that a payload passes before it is published and when it is decoded, and the refusal that names the field.

use std::fmt::Display;
use tape::Raw;

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not JSON of the expected shape; the text names line, column and field.
    #[error("not a valid payload: {0}")]
    Shape(String),
    /// One field breaks a rule.
    #[error("field `{field}` {rule}")]
    Field {
        /// Dotted path, such as `legs[3].sold.raw`.
        field: String,
        /// What it breaks, in words: "must not be empty".
        rule: String,
    },
}

/// Longest text in an identity field, bytes.
pub const MAX_ID_BYTES: usize = 256;
/// Largest event, bytes.
pub const MAX_EVENT_BYTES: usize = 512 * 1024;

impl Invalid {
    /// The same refusal, of a field inside another: `raw` of `legs[3].sold` is `legs[3].sold.raw`.
    #[must_use]
    pub(crate) fn within(self, parent: impl Display) -> Self {
        match self {
            Self::Field { field, rule } => Self::Field { field: format!("{parent}.{field}"), rule },
            shape @ Self::Shape(_) => shape,
        }
    }
}

pub(crate) fn broken(field: &str, rule: impl Into<String>) -> Invalid {
    Invalid::Field { field: field.to_owned(), rule: rule.into() }
}

/// A text that identifies something: not empty, not oversized, no characters that are not seen or that change how others
/// are. It cannot be cleaned, because another text identifies another thing.
pub fn id(field: &str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(broken(field, "must not be empty"));
    }
    if text.len() > MAX_ID_BYTES {
        return Err(broken(field, format!("has {} bytes, more than {MAX_ID_BYTES}", text.len())));
    }
    let printable = |byte: u8| (b' '..=b'~').contains(&byte);
    if !text.bytes().all(printable) && text.chars().any(tape::is_hidden) {
        return Err(broken(field, "holds control characters, invisible ones or marks that change the text direction"));
    }
    Ok(())
}

/// A raw amount: decimal digits, at most 78 of them, below 2^256.
pub fn raw(field: &str, text: &str) -> Result<Raw, Invalid> {
    if text.is_empty() || text.len() > 78 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(broken(field, "must be a non-negative decimal integer of at most 78 digits"));
    }
    if text.len() <= 19 {
        let small = text.bytes().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        return Ok(Raw::from(small));
    }
    Raw::from_str_radix(text, 10).map_err(|_| broken(field, "must be below 2^256"))
}

/// At most so many items.
pub fn count(field: &str, count: usize, max: usize) -> Result<(), Invalid> {
    if count > max { Err(broken(field, format!("has {count} items, more than {max}"))) } else { Ok(()) }
}
