//! Pools in the manner of Uniswap V3: liquidity in ranges of price. Slipstream and Algebra's first pools send the same
//! event; Pancake's and Algebra's newer ones add words at its end.

use crate::hex;
use crate::model::{Claim, Moved, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{I256, U256};

/// Uniswap V3, Sushi V3, Slipstream, Camelot V3, QuickSwap V3 and other pools of Algebra 1.
pub const UNISWAP_V3: Venue =
    Venue::anywhere("v3-like", "Swap(address,address,int256,int256,uint160,uint128,int24)", read::<5>);

/// Pancake V3: the protocol's fees are added.
pub const PANCAKE_V3: Venue = Venue::anywhere(
    "pancakeswap-v3",
    "Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)",
    read::<7>,
);

/// Algebra Integral: the fees that plugins ask for are added.
pub const ALGEBRA_INTEGRAL: Venue = Venue::anywhere(
    "algebra-like",
    "Swap(address,address,int256,int256,uint160,uint128,int24,uint24,uint24)",
    read::<7>,
);

/// `amount0, amount1` and more, with sender and recipient as topics.
fn read<const WORDS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _sender, recipient] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Pair([moved(words[0]), moved(words[1])]);
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(recipient)?))
}

/// Positive is what the pool received.
pub fn moved(amount: U256) -> Moved {
    let amount = I256::from_raw(amount);
    let size = amount.unsigned_abs();
    if amount.is_negative() { Moved { into: U256::ZERO, out: size } } else { Moved { into: size, out: U256::ZERO } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn the_sign_tells_the_direction_even_at_the_limits() {
        assert_eq!(moved(U256::from(5)), Moved { into: U256::from(5), out: U256::ZERO });
        assert_eq!(moved(U256::MAX), Moved { into: U256::ZERO, out: U256::from(1) });
        assert_eq!(moved(U256::from(1) << 255).out, U256::from(1) << 255);
    }

    #[test]
    fn wider_events_say_the_same_first() {
        let event = log(&UNISWAP_V3, 2, &[7, 8, 1, 1, 1]).unwrap();
        assert_eq!(event.claim, Claim::Pair([moved(U256::from(7)), moved(U256::from(8))]));
        assert_eq!(log(&PANCAKE_V3, 2, &[7, 8, 1, 1, 1, 0, 0]), Some(event));
        assert_eq!(log(&ALGEBRA_INTEGRAL, 2, &[7, 8, 1, 1, 1, 0, 0]), Some(event));
        assert_eq!(log(&UNISWAP_V3, 2, &[7, 8, 1, 1, 1, 0, 0]), None);
    }
}
