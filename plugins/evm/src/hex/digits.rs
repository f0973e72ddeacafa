//! Bytes from hex digits, sixteen at a time and without branches, so that a compiler makes vectors of it.
//!
//! ## Decisions
//!
//! - 2026-11-27: our own loop instead of `const-hex`. In WebAssembly the library took a tenth of a scan: a call for each
//!   word, digit by digit behind the last whole block, and room that is zeroed by a call out of the instance. Price: these
//!   lines, held to the library by a property.

/// Digits of a block.
const BLOCK: usize = 32;

/// A byte from its two digits, and whether one of them is no hex digit.
#[inline]
fn byte([high, low]: [u8; 2]) -> (u8, bool) {
    let (high, low) = (half(high), half(low));
    ((high.0 << 4) | low.0, high.1 | low.1)
}

#[inline]
fn half(digit: u8) -> (u8, bool) {
    let (number, letter) = (digit.wrapping_sub(b'0'), (digit | 0x20).wrapping_sub(b'a'));
    let is_number = number < 10;
    (if is_number { number } else { letter.wrapping_add(10) }, !is_number && letter >= 6)
}

#[inline]
fn block(digits: &[u8; BLOCK]) -> ([u8; BLOCK / 2], bool) {
    let mut bytes = [0; BLOCK / 2];
    let mut is_bad = false;
    for (out, pair) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let (byte, is_none) = byte(*pair);
        *out = byte;
        is_bad |= is_none;
    }
    (bytes, is_bad)
}

/// Fills `out` from twice as many digits.
#[inline]
pub(super) fn fill(digits: &[u8], out: &mut [u8]) -> Option<()> {
    if digits.len() != 2 * out.len() {
        return None;
    }
    let mut is_bad = false;
    if let Some(last) = digits.last_chunk::<BLOCK>() {
        for (out, digits) in out.as_chunks_mut().0.iter_mut().zip(digits.as_chunks().0) {
            let (bytes, is_none) = block(digits);
            *out = bytes;
            is_bad |= is_none;
        }
        // What is left over is the end of the last block, wherever that begins.
        let (bytes, is_none) = block(last);
        *out.last_chunk_mut()? = bytes;
        is_bad |= is_none;
    } else {
        for (out, pair) in out.iter_mut().zip(digits.as_chunks().0) {
            let (byte, is_none) = byte(*pair);
            *out = byte;
            is_bad |= is_none;
        }
    }
    (!is_bad).then_some(())
}

/// Appends bytes; what stands behind the old end is of no use where it fails.
#[inline]
pub(super) fn append(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (blocks, rest) = digits.as_chunks::<BLOCK>();
    out.reserve(digits.len() / 2 + BLOCK / 2);
    let mut is_bad = false;
    for digits in blocks {
        let (bytes, is_none) = block(digits);
        out.extend_from_slice(&bytes);
        is_bad |= is_none;
    }
    if !rest.is_empty() {
        // As long as a whole block, and then cut off: a copy of unknown length would be a call.
        let mut padded = [b'0'; BLOCK];
        for (padded, digit) in padded.iter_mut().zip(rest) {
            *padded = *digit;
        }
        let (bytes, is_none) = block(&padded);
        out.extend_from_slice(&bytes);
        out.truncate(out.len() - (BLOCK - rest.len()) / 2);
        is_bad |= is_none;
    }
    (!is_bad && rest.len().is_multiple_of(2)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    fn check(digits: &[u8]) {
        let expected = hex::decode(digits).ok().filter(|_| !digits.starts_with(b"0x"));
        let mut filled = vec![0; digits.len() / 2];
        assert_eq!(fill(digits, &mut filled).map(|()| filled), expected, "{digits:?}");
        let mut appended = vec![7; 3];
        assert_eq!(append(digits, &mut appended).map(|()| &appended[3..]), expected.as_deref(), "{digits:?}");
        assert_eq!(appended[..3], [7; 3]);
    }

    /// Every byte is a digit or none, wherever it stands.
    #[test]
    fn every_byte_is_told() {
        for length in [2, 30, 32, 34, 40, 64, 80] {
            for at in [0, 1, length / 2, length - 2, length - 1] {
                for byte in 0..=255 {
                    let mut digits = vec![b'7'; length];
                    digits[at] = byte;
                    check(&digits);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_digits_are_the_bytes_that_the_library_gives(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0..2_usize) {
            let digits = hex::encode(&bytes);
            check(&digits.as_bytes()[cut.min(digits.len())..]);
            check(digits.to_uppercase().as_bytes());
        }
    }
}
