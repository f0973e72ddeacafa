//! Facts about the coins of a pool whose events name them by number: which token each is, by the pool's own answer.

use crate::hex;
use crate::model::{CoinGetter, NumberedCoin};
use alloy_primitives::Address;

/// `coins(uint256)`, and `coins(int128)` of the first pools.
const CURVE: [&str; 2] = ["0xc6610657", "0x23746eb8"];

/// `getToken(uint8)`.
const SADDLE: &str = "0x82b86600";

/// `getTokenX()`, `getTokenY()`.
const LIQUIDITY_BOOK: [&str; 2] = ["0x05e8746d", "0xda10610c"];

/// `tokenA()`, `tokenB()`.
const MAVERICK: [&str; 2] = ["0x0fc63d10", "0x5f64b55b"];

/// The calls of which a pool answers at least one with the token of this coin.
pub(crate) fn coin_calls(coin: &NumberedCoin) -> Vec<String> {
    let numbered = |selector: &str| format!("{selector}{:064x}", coin.number);
    let of_two = |selectors: [&str; 2]| selectors.get(usize::from(coin.number)).map(|call| (*call).to_owned());
    match coin.getter {
        CoinGetter::Curve => CURVE.map(numbered).to_vec(),
        CoinGetter::Saddle => vec![numbered(SADDLE)],
        CoinGetter::LiquidityBook => of_two(LIQUIDITY_BOOK).into_iter().collect(),
        CoinGetter::Maverick => of_two(MAVERICK).into_iter().collect(),
    }
}

/// The token of a coin, by the first answer that names one.
pub(crate) fn read_coin<'a>(answers: impl IntoIterator<Item = Option<&'a str>>) -> Option<Address> {
    answers.into_iter().flatten().filter_map(hex::padded_address).find(|token| !token.is_zero())
}

/// What names a coin in the host's memory, beside its pool.
pub(crate) fn place(coin: &NumberedCoin) -> String {
    let getter = match coin.getter {
        CoinGetter::Curve => "curve",
        CoinGetter::Saddle => "saddle",
        CoinGetter::LiquidityBook => "book",
        CoinGetter::Maverick => "maverick",
    };
    format!("/{getter}/{}", coin.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    fn calls(getter: CoinGetter, number: u8) -> Vec<String> {
        coin_calls(&NumberedCoin { pool: Address::repeat_byte(1), getter, number })
    }

    #[test]
    fn the_calls_are_the_hashes_of_their_names_and_the_number() {
        let call = |name: &str| hex::encode(&keccak256(name)[..4]);
        let numbered = |name: &str| format!("{}{:064x}", call(name), 3);
        assert_eq!(calls(CoinGetter::Curve, 3), ["coins(uint256)", "coins(int128)"].map(numbered));
        assert_eq!(calls(CoinGetter::Saddle, 3), ["getToken(uint8)"].map(numbered));
        assert_eq!(calls(CoinGetter::LiquidityBook, 0), [call("getTokenX()")]);
        assert_eq!(calls(CoinGetter::LiquidityBook, 1), [call("getTokenY()")]);
        assert_eq!(calls(CoinGetter::Maverick, 0), [call("tokenA()")]);
        assert_eq!(calls(CoinGetter::Maverick, 1), [call("tokenB()")]);
        assert!(calls(CoinGetter::Maverick, 2).is_empty());
    }

    #[test]
    fn the_first_answer_that_names_a_token_counts() {
        let word = |byte: u8| format!("0x{}{}", "00".repeat(12), format!("{byte:02x}").repeat(20));
        let (zero, one, two) = (word(0), word(1), word(2));
        assert_eq!(read_coin([Some("0x"), Some(one.as_str())]), Some(Address::repeat_byte(1)));
        assert_eq!(read_coin([Some(two.as_str()), Some(one.as_str())]), Some(Address::repeat_byte(2)));
        assert_eq!(read_coin([None, Some(zero.as_str())]), None);
        assert_eq!(read_coin([]), None);
    }
}
