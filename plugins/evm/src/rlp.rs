//! Appends what a node writes in hex to an RLP encoding.

use crate::hex;
use crate::rpc::Text;
use alloy_rlp::{EMPTY_STRING_CODE, Encodable};

/// A single byte that RLP encodes as itself.
pub(crate) fn is_alone(text: Text<'_>) -> bool {
    text.len() == 4 && hex::quantity(text).is_some_and(|byte| byte < u64::from(EMPTY_STRING_CODE))
}

/// Appends bytes as an RLP string.
pub(crate) fn put_bytes(text: Text<'_>, out: &mut Vec<u8>) -> Option<()> {
    if !is_alone(text) {
        put_header(false, text.len().checked_sub(2)? / 2, out);
    }
    hex::append(text, out)
}

/// Appends a number as an RLP string without leading zeros.
pub(crate) fn put_quantity(text: Text<'_>, out: &mut Vec<u8>) -> Option<()> {
    match hex::quantity(text) {
        Some(small) => small.encode(out),
        None => hex::quantity_u256(text)?.encode(out),
    }
    Some(())
}

/// Appends the header of a list or a string of that many bytes.
pub(crate) fn put_header(list: bool, payload_length: usize, out: &mut Vec<u8>) {
    alloy_rlp::Header { list, payload_length }.encode(out);
}
