//! Texts that are never printed, and the files that hold them.

use std::fmt;

/// A text that is never printed: keys, passwords, addresses that hold them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The secret that a file holds: its text without line breaks at the end, which editors add. An error reads after
/// "which".
pub(crate) fn read_file(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|why| format!("cannot be read: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "is no text in UTF-8".to_owned())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}
