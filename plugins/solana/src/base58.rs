//! Base58, the text encoding of Solana's keys, hashes and instruction data.
//!
//! Ten digits at a time fit into one machine word, which makes decoding a long event ten times cheaper than digit by
//! digit.

const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The value of a byte that is no digit.
const NO_DIGIT: u8 = 0xff;
/// Longer texts are refused: no instruction has as much data, and the work grows with the square of the length.
const MAX_TEXT_BYTES: usize = 16_384;

/// How many numbers ten digits can write.
const TEN_DIGITS: u128 = 58_u128.pow(10);

const DIGIT_VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < 58 {
        #[expect(clippy::cast_possible_truncation, reason = "58 digits")]
        let value = at as u8;
        values[DIGITS[at] as usize] = value;
        at += 1;
    }
    values
};

/// The bytes that a text encodes; none where it is no base58.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let zeros = text.bytes().take_while(|digit| *digit == b'1').count();
    let digits = &text.as_bytes()[zeros..];
    // Limbs of 32 bits, least significant first.
    let mut limbs: Vec<u32> = Vec::with_capacity(digits.len() / 5 + 1);
    for chunk in digits.chunks(10) {
        let (mut value, mut scale) = (0_u64, 1_u64);
        for digit in chunk {
            let digit = DIGIT_VALUES[usize::from(*digit)];
            if digit == NO_DIGIT {
                return None;
            }
            value = value * 58 + u64::from(digit);
            scale *= 58;
        }
        let mut carry = u128::from(value);
        for limb in &mut limbs {
            carry += u128::from(*limb) * u128::from(scale);
            *limb = low(carry);
            carry >>= 32;
        }
        while carry > 0 {
            limbs.push(low(carry));
            carry >>= 32;
        }
    }
    let mut bytes = vec![0; zeros];
    let significant = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).skip_while(|byte| *byte == 0);
    bytes.extend(significant);
    Some(bytes)
}

/// The text that encodes bytes.
pub fn encode(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Limbs of ten digits, least significant first.
    let mut limbs: Vec<u64> = Vec::with_capacity(bytes.len() / 7 + 1);
    for chunk in bytes[zeros..].chunks(4) {
        let mut carry = 0_u128;
        for byte in chunk {
            carry = (carry << 8) | u128::from(*byte);
        }
        let shift = 8 * chunk.len();
        for limb in &mut limbs {
            carry += u128::from(*limb) << shift;
            *limb = last_digits(carry);
            carry /= TEN_DIGITS;
        }
        while carry > 0 {
            limbs.push(last_digits(carry));
            carry /= TEN_DIGITS;
        }
    }
    let mut digits = Vec::with_capacity(zeros + 10 * limbs.len());
    for limb in &mut limbs {
        for _ in 0..10 {
            digits.push(DIGITS[usize::try_from(*limb % 58).unwrap_or_default()]);
            *limb /= 58;
        }
    }
    while digits.last() == Some(&b'1') {
        digits.pop();
    }
    digits.extend(std::iter::repeat_n(b'1', zeros));
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "only the low limb is wanted")]
fn low(value: u128) -> u32 {
    value as u32
}

fn last_digits(value: u128) -> u64 {
    (value % TEN_DIGITS) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts() {
        assert_eq!(decode("2NEpo7TZRRrLZSi2U").unwrap(), b"Hello World!");
        assert_eq!(encode(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(encode(&[0; 32]), "1".repeat(32));
        assert_eq!(decode("").unwrap(), Vec::<u8>::new());
        assert_eq!(decode("0"), None);
        assert_eq!(decode(&"z".repeat(MAX_TEXT_BYTES + 1)), None);
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
