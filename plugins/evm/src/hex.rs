//! Numbers and bytes straight from the node's hex strings.

use alloy_primitives::{Address, B256, U256, hex};

/// Exactly `N` bytes.
pub fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?;
    let mut bytes = [0; N];
    (digits.len() == 2 * N).then(|| hex::decode_to_slice(digits, &mut bytes).ok())??;
    Some(bytes)
}

/// An address.
pub fn address(text: &str) -> Option<Address> {
    fixed(text).map(Address::new)
}

/// A hash.
pub fn hash(text: &str) -> Option<B256> {
    fixed(text).map(B256::new)
}

/// Appends bytes of any length.
pub fn append(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix("0x")?;
    let start = out.len();
    out.resize(start + digits.len() / 2, 0);
    (digits.len() % 2 == 0).then(|| hex::decode_to_slice(digits, &mut out[start..]).ok())?
}

/// A quantity: hex digits, as few as needed.
pub fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    (!digits.starts_with('+')).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// A quantity of up to 256 bits.
pub fn big(text: &str) -> Option<U256> {
    let digits = text.strip_prefix("0x")?;
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| U256::from_str_radix(digits, 16).ok())?
}

/// The words of an ABI-encoded answer or log, exactly `N` of them.
pub fn words<const N: usize>(text: &str) -> Option<[U256; N]> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() != 64 * N || !digits.is_ascii() {
        return None;
    }
    let mut words = [U256::ZERO; N];
    for (at, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&digits[64 * at..64 * (at + 1)], &mut bytes).ok()?;
        *word = U256::from_be_bytes(bytes);
    }
    Some(words)
}

/// The address in a 32-byte topic or word.
pub fn padded_address(text: &str) -> Option<Address> {
    let bytes: [u8; 32] = fixed(text)?;
    let (zeros, address) = bytes.split_at(12);
    zeros.iter().all(|byte| *byte == 0).then(|| Address::from_slice(address))
}

/// Lower case, with prefix.
pub fn spell(bytes: impl AsRef<[u8]>) -> String {
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
        assert_eq!(big("0x"), None);
        let mut out = vec![9];
        assert_eq!(append("0x", &mut out), Some(()));
        assert_eq!(append("0x0102", &mut out), Some(()));
        assert_eq!(append("0x1", &mut out), None);
        assert_eq!(words::<1>(&format!("0x{}1", "0".repeat(63))), Some([U256::from(1)]));
        assert_eq!(words::<1>(&format!("0x{}é", "0".repeat(62))), None);
    }

    #[test]
    fn an_address_has_twelve_zero_bytes_before_it() {
        let dirty = format!("0x{}{}", "1".repeat(24), "2".repeat(40));
        let clean = format!("0x{}{}", "0".repeat(24), "2".repeat(40));
        assert_eq!(padded_address(&dirty), None);
        assert_eq!(padded_address(&clean), Some(Address::repeat_byte(0x22)));
    }
}
