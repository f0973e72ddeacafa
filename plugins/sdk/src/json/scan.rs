//! Finds the end of a JSON string, sixteen bytes at a time.

/// The first quote or backslash from `at` on.
#[inline]
pub(super) fn quote_or_escape(bytes: &[u8], at: usize) -> Option<usize> {
    // Most names and numbers end within the first block and need no loop, whose every round costs fuel in a metered host.
    let Some(block) = bytes.get(at..)?.first_chunk::<16>() else { return byte_by_byte(bytes, at) };
    match marks(block) {
        0 => in_longer_string(bytes, at + 16),
        hits => Some(at + hits.trailing_zeros() as usize),
    }
}

/// The same for longer strings, two blocks at a time.
#[inline]
fn in_longer_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(blocks) = bytes.get(at..).and_then(|rest| rest.first_chunk::<32>())
        && let (Some(first), Some(second)) = (blocks.first_chunk(), blocks.last_chunk())
    {
        let hits = marks(first) | (marks(second) << 16);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize);
        }
        at += 32;
    }
    byte_by_byte(bytes, at)
}

/// The same for the last bytes, which fill no block.
fn byte_by_byte(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    found.map(|found| at + found)
}

/// One bit per byte that is a quote or a backslash.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[expect(unsafe_code, reason = "loads of a whole block have no safe form")]
#[inline]
fn marks(block: &[u8; 16]) -> u32 {
    use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, i8x16_splat, v128_load, v128_or};
    // SAFETY: the block is as long as what is loaded; the load needs no alignment.
    let block = unsafe { v128_load(block.as_ptr().cast()) };
    let quotes = i8x16_eq(block, i8x16_splat(0x22));
    let escapes = i8x16_eq(block, i8x16_splat(0x5c));
    u32::from(i8x16_bitmask(v128_or(quotes, escapes)))
}

/// One bit per byte that is a quote or a backslash.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the intrinsics are unsafe to call without a target feature of their caller")]
#[inline]
fn marks(block: &[u8; 16]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    // SAFETY: every x86-64 processor has these instructions; the block is as long as what is loaded, and the load needs no
    // alignment.
    unsafe {
        let block = _mm_loadu_si128(block.as_ptr().cast());
        let quotes = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x22));
        let escapes = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x5c));
        _mm_movemask_epi8(_mm_or_si128(quotes, escapes)).cast_unsigned()
    }
}

/// One bit per byte that is a quote or a backslash.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
#[inline]
fn marks(block: &[u8; 16]) -> u32 {
    (0..).zip(block).fold(0, |marks, (at, byte)| marks | (u32::from(matches!(byte, b'"' | b'\\')) << at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mark_is_found_at_any_offset() {
        for length in 0..70 {
            for mark in [b'"', b'\\'] {
                let mut bytes = vec![b'x'; length];
                assert_eq!(quote_or_escape(&bytes, 0), None);
                bytes.push(mark);
                bytes.extend([b'"'; 20]);
                assert_eq!(quote_or_escape(&bytes, 0), Some(length));
                assert_eq!(quote_or_escape(&bytes, length + 1), Some(length + 1));
            }
        }
        assert_eq!(quote_or_escape(b"abc", 9), None);
    }
}
