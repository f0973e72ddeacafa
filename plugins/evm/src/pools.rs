//! Facts about a pool, by its own answers: its two tokens and the factory that made it.

use crate::hex;
use alloy_primitives::Address;

/// The calls that a pool answers: `token0()`, `token1()`, `factory()`.
pub(crate) const POOL_CALLS: [&str; 3] = ["0x0dfe1681", "0xd21220a7", "0xc45a0155"];

/// A pool of two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    /// In the pool's own order.
    pub tokens: [Address; 2],
    /// The factory that made it, if the pool names one.
    pub factory: Option<Address>,
}

impl Pool {
    /// Reads the answers to [`POOL_CALLS`]; none when what answered is no pool.
    pub(crate) fn read(answers: [Option<&str>; 3]) -> Option<Self> {
        let [first, second, factory] =
            answers.map(|answer| answer.and_then(hex::padded_address).filter(|address| !address.is_zero()));
        let tokens = [first?, second?];
        (tokens[0] != tokens[1]).then_some(Self { tokens, factory })
    }

    /// As bytes for the host to keep.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let [first, second] = self.tokens;
        [first, second, self.factory.unwrap_or_default()].concat()
    }

    /// From the bytes that the host kept.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 60] = bytes.try_into().ok()?;
        let part = |at: usize| Address::from_slice(&bytes[20 * at..20 * (at + 1)]);
        Some(Self { tokens: [part(0), part(1)], factory: Some(part(2)).filter(|factory| !factory.is_zero()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn the_calls_are_the_hashes_of_their_names() {
        let hashes = ["token0()", "token1()", "factory()"].map(|name| hex::encode(&keccak256(name)[..4]));
        assert_eq!(POOL_CALLS.map(str::to_owned), hashes);
    }

    #[test]
    fn a_pool_has_two_different_tokens_and_may_hide_its_factory() {
        let word = |byte: u8| format!("0x{}{}", "00".repeat(12), format!("{byte:02x}").repeat(20));
        let (one, two, none) = (word(1), word(2), word(0));
        let pool = Pool::read([Some(&one), Some(&two), None]).unwrap();
        assert_eq!(Pool::unpack(&pool.pack()), Some(pool));
        assert_eq!(Pool::read([Some(&one), Some(&one), None]), None);
        assert_eq!(Pool::read([Some(&one), Some(&none), Some(&two)]), None);
        assert_eq!(Pool::read([Some("0x"), Some(&two), Some(&two)]), None);
    }
}
