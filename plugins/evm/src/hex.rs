//! Reads numbers and bytes from the node's hex strings, and writes them.

mod digits;

use alloy_primitives::{Address, B256, U256, hex};

/// The digits behind the prefix.
#[inline]
fn digits(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"0x")
}

/// Whether two texts are the same but for the case of their letters; most nodes use lower case, none has to.
#[inline]
pub fn same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && (is_equal(one, two) || one.eq_ignore_ascii_case(two))
}

/// Equality word by word, of texts that are equally long: in WebAssembly slices are compared byte by byte.
#[inline]
fn is_equal(one: &[u8], two: &[u8]) -> bool {
    let ((words, _), (others, _)) = (one.as_chunks::<8>(), two.as_chunks::<8>());
    match (one.last_chunk::<8>(), two.last_chunk::<8>()) {
        (Some(last), Some(other)) => {
            let differs = |(word, other): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
            words.iter().zip(others).chain([(last, other)]).fold(0, |all, pair| all | differs(pair)) == 0
        }
        _ => one == two,
    }
}

/// Exactly `N` bytes.
#[inline]
pub fn fixed<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
    let digits = digits(text.as_ref())?;
    let mut bytes = [0; N];
    digits::fill(digits, &mut bytes)?;
    Some(bytes)
}

/// An address.
#[inline]
pub fn address(text: impl AsRef<[u8]>) -> Option<Address> {
    fixed(text).map(Address::new)
}

/// A hash.
#[inline]
pub fn hash(text: impl AsRef<[u8]>) -> Option<B256> {
    fixed(text).map(B256::new)
}

/// Appends bytes of any length.
#[inline]
pub fn append(text: impl AsRef<[u8]>, out: &mut Vec<u8>) -> Option<()> {
    let digits = digits(text.as_ref())?;
    digits::append(digits, out)
}

/// A quantity: hex digits, as few as needed.
#[inline]
pub fn quantity(text: impl AsRef<[u8]>) -> Option<u64> {
    let digits = digits(text.as_ref())?;
    let mut value: u64 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16)?;
        value = value.checked_mul(16)? | u64::from(digit);
    }
    (!digits.is_empty()).then_some(value)
}

/// A quantity of up to 256 bits.
pub fn quantity_u256(text: impl AsRef<[u8]>) -> Option<U256> {
    let digits = std::str::from_utf8(digits(text.as_ref())?).ok()?;
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| U256::from_str_radix(digits, 16).ok())?
}

/// The words of an ABI-encoded answer or log, exactly `N` of them.
#[inline]
pub fn words<const N: usize>(text: impl AsRef<[u8]>) -> Option<[U256; N]> {
    let digits = digits(text.as_ref())?;
    if digits.len() != 64 * N {
        return None;
    }
    first_words(text)
}

/// The first `N` words of ABI-encoded data that may be longer.
#[inline]
pub fn first_words<const N: usize>(text: impl AsRef<[u8]>) -> Option<[U256; N]> {
    let digits = digits(text.as_ref())?;
    let mut words = [U256::ZERO; N];
    for (word, digits) in words.iter_mut().zip(digits.get(..64 * N)?.chunks_exact(64)) {
        let mut bytes = [0; 32];
        digits::fill(digits, &mut bytes)?;
        *word = U256::from_be_bytes(bytes);
    }
    Some(words)
}

/// The address in a 32-byte topic or word.
#[inline]
pub fn padded_address(text: impl AsRef<[u8]>) -> Option<Address> {
    const ZEROS: [u8; 24] = [b'0'; 24];
    let (zeros, address): (&[u8; ZEROS.len()], _) = digits(text.as_ref())?.split_first_chunk()?;
    let mut bytes = [0; 20];
    digits::fill(address, &mut bytes)?;
    is_equal(zeros, &ZEROS).then_some(Address::new(bytes))
}

/// The address in a word of an event's data.
pub fn word_address(word: U256) -> Option<Address> {
    let bytes: [u8; 32] = word.to_be_bytes();
    let (zeros, address) = bytes.split_at(12);
    zeros.iter().all(|byte| *byte == 0).then(|| Address::from_slice(address))
}

/// Text for an error message.
pub fn for_message(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(100)]).into_owned()
}

/// Lower case, with prefix.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_and_prefixed_digits_count() {
        assert_eq!(fixed::<2>("0x0aFF"), Some([0x0a, 0xff]));
        assert_eq!(fixed::<2>("0x0aF"), None);
        assert_eq!(fixed::<2>("0aff"), None);
        assert_eq!(fixed::<1>("0xéa"), None);
        assert_eq!(quantity("0x1f"), Some(31));
        assert_eq!(quantity("0x+1"), None);
        assert_eq!(quantity("0x1ffffffffffffffff"), None);
        assert_eq!(quantity_u256("0x"), None);
        let mut out = vec![9];
        assert_eq!(append("0x", &mut out), Some(()));
        assert_eq!(append("0x0102", &mut out), Some(()));
        assert_eq!(append("0x1", &mut out), None);
        assert_eq!(words::<1>(&format!("0x{}1", "0".repeat(63))), Some([U256::from(1)]));
        assert_eq!(words::<1>(&format!("0x{}é", "0".repeat(62))), None);
    }

    #[test]
    fn case_alone_makes_no_difference() {
        for length in (0..20).chain([66, 514]) {
            let text: Vec<u8> = (0..length).map(|at| b"0123456789abcdef"[at % 16]).collect();
            assert!(same(&text, &text) && same(&text, &text.to_ascii_uppercase()));
            assert!(!same(&text, &[&text[..], b"0"].concat()));
            for at in 0..length {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(!same(&text, &other) && !same(&text.to_ascii_uppercase(), &other), "{at} of {length}");
            }
        }
    }

    #[test]
    fn an_address_has_twelve_zero_bytes_before_it() {
        let dirty = format!("0x{}{}", "1".repeat(24), "2".repeat(40));
        let clean = format!("0x{}{}", "0".repeat(24), "2".repeat(40));
        assert_eq!(padded_address(&dirty), None);
        assert_eq!(padded_address(&clean), Some(Address::repeat_byte(0x22)));
    }
}
