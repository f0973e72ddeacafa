//! Liquidity Book (Trader Joe V2.1 and V2.2, Merchant Moe): liquidity in bins of one price each.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `Swap(address indexed sender, address indexed to, uint24 id, bytes32 amountsIn, bytes32 amountsOut,
/// uint24 volatilityAccumulator, bytes32 totalFees, bytes32 protocolFees)`. One event for each bin that was crossed.
pub const LIQUIDITY_BOOK: Venue =
    Venue::anywhere("liquidity-book", "Swap(address,address,uint24,bytes32,bytes32,uint24,bytes32,bytes32)", read);

/// Two amounts share a word: of the second token in front, of the first behind. One of them is zero, and the transfers
/// show which token it is.
fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _sender, to] = log.topics.as_slice() else { return None };
    let [_bin, into, out, ..]: [U256; 6] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Unnamed { sold: only(into)?, bought: only(out)? };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(to)?))
}

/// The one amount in a word of two.
fn only(word: U256) -> Option<U256> {
    let (second, first): (U256, U256) = (word >> 128, word & U256::from(u128::MAX));
    match (first.is_zero(), second.is_zero()) {
        (false, true) => Some(first),
        (true, false) => Some(second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn an_amount_stands_in_either_half() {
        let event = log(&LIQUIDITY_BOOK, 2, &[1, 10, 20, 0, 0, 0]).unwrap();
        assert_eq!(event.claim, Claim::Unnamed { sold: U256::from(10), bought: U256::from(20) });
        assert_eq!(only(U256::from(7) << 128), Some(U256::from(7)));
        assert_eq!(only((U256::from(7) << 128) | U256::from(1)), None);
        assert_eq!(log(&LIQUIDITY_BOOK, 2, &[1, 0, 20, 0, 0, 0]), None);
    }
}
