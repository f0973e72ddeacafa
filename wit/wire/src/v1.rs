//! Version 1 of every payload, one file each. Unknown fields are ignored; every list of words but that of `status` is open: readers accept words they do not know.

pub mod trade;
pub mod progress;
pub mod journal;
pub mod metrics;
pub mod portfolio;

use crate::check::Invalid;
use serde::{Deserialize, Serialize};

/// Serializing our own structs of text and integers into memory cannot fail; an empty body would be refused by every
/// reader, so nothing is lost silently.
fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Invalid> {
    serde_json::from_slice(bytes).map_err(|e| Invalid::Shape(e.to_string()))
}
