//! Pools in the manner of Uniswap V3: liquidity in ranges of price.

use super::{Event, Venue};
use crate::hex;
use crate::rpc::Log;
use crate::transfers::Moved;
use alloy_primitives::{I256, U256};

/// `Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96,
/// uint128 liquidity, int24 tick)`.
pub const VENUE: Venue =
    Venue { name: "v3-like", topic: "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67", read };

fn read(log: &Log<'_>) -> Option<Event> {
    let &[_, _sender, recipient] = log.topics.as_slice() else { return None };
    let [amount0, amount1, _price, _liquidity, _tick] = hex::words(log.data)?;
    Some(Event { recipient: hex::padded_address(recipient)?, moved: [moved(amount0), moved(amount1)] })
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
    use alloy_primitives::keccak256;

    #[test]
    fn the_topic_is_the_hash_of_the_signature() {
        let signature = "Swap(address,address,int256,int256,uint160,uint128,int24)";
        assert_eq!(VENUE.topic, format!("{:#x}", keccak256(signature)));
    }

    #[test]
    fn the_sign_tells_the_direction_even_at_the_limits() {
        assert_eq!(moved(U256::from(5)), Moved { into: U256::from(5), out: U256::ZERO });
        assert_eq!(moved(U256::MAX), Moved { into: U256::ZERO, out: U256::from(1) });
        assert_eq!(moved(U256::from(1) << 255).out, U256::from(1) << 255);
    }
}
