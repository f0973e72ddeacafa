//! Liquidity Book (Trader Joe V2.1 and V2.2, Merchant Moe): liquidity in bins of one price each.

use crate::hex;
use crate::model::{Claim, CoinGetter, CoinNumbers, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `Swap(address indexed sender, address indexed to, uint24 id, bytes32 amountsIn, bytes32 amountsOut,
/// uint24 volatilityAccumulator, bytes32 totalFees, bytes32 protocolFees)`. One event for each bin that was crossed.
pub const LIQUIDITY_BOOK: Venue =
    Venue::anywhere("liquidity-book", "Swap(address,address,uint24,bytes32,bytes32,uint24,bytes32,bytes32)", read);

/// Two amounts share a word: of the second token in front, of the first behind. One of them is zero.
fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _sender, to] = log.topics.as_slice() else { return None };
    let [_bin, into, out, ..]: [U256; 6] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let ((sold, is_first_sold), (bought, is_first_bought)) = (only(into)?, only(out)?);
    if is_first_sold == is_first_bought {
        return None;
    }
    let coins = Some(CoinNumbers::of_two(CoinGetter::LiquidityBook, is_first_sold));
    let claim = Claim::Unnamed { sold, bought, coins };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(to)?))
}

/// The one amount in a word of two, and whether it is of the first token.
fn only(word: U256) -> Option<(U256, bool)> {
    let (second, first): (U256, U256) = (word >> 128, word & U256::from(u128::MAX));
    match (first.is_zero(), second.is_zero()) {
        (false, true) => Some((first, true)),
        (true, false) => Some((second, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log_of_words;

    fn swap(into: U256, out: U256) -> Option<SwapEvent> {
        let words = [U256::from(1), into, out, U256::ZERO, U256::ZERO, U256::ZERO];
        log_of_words(&LIQUIDITY_BOOK, 2, &words)
    }

    #[test]
    fn an_amount_stands_in_either_half() {
        let (first, second) = (U256::from(10), U256::from(20) << 128);
        let claim = |sold: u64, bought: u64, is_first_sold| Claim::Unnamed {
            sold: U256::from(sold),
            bought: U256::from(bought),
            coins: Some(CoinNumbers::of_two(CoinGetter::LiquidityBook, is_first_sold)),
        };
        assert_eq!(swap(first, second).unwrap().claim, claim(10, 20, true));
        assert_eq!(swap(second, first).unwrap().claim, claim(20, 10, false));
        for (into, out) in [(first, first), (second, second), (first | second, first), (U256::ZERO, first)] {
            assert_eq!(swap(into, out), None);
        }
    }
}
