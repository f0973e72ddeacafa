//! Balancer: vaults that hold the tokens of all pools, and the first version, whose pools hold their own.
//!
//! The events of Balancer's own vaults need no transfer beside them: between two pools of a vault nothing moves. Those of
//! another vault count as far as its tokens moved.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `LOG_SWAP(address indexed caller, address indexed tokenIn, address indexed tokenOut, uint256 tokenAmountIn,
/// uint256 tokenAmountOut)`.
pub const BALANCER_V1: Venue =
    Venue::anywhere("balancer-v1", "LOG_SWAP(address,address,address,uint256,uint256)", read_v1);

/// `Swap(bytes32 indexed poolId, address indexed tokenIn, address indexed tokenOut, uint256 amountIn,
/// uint256 amountOut)`.
pub const BALANCER_V2: Venue = Venue {
    emitters: &[address!("ba12222222228d8ba445958a75a0704d566bf2c8")],
    ..Venue::anywhere("balancer-v2", "Swap(bytes32,address,address,uint256,uint256)", read_v2)
};

/// `Swap(address indexed pool, address indexed tokenIn, address indexed tokenOut, uint256 amountIn, uint256 amountOut,
/// uint256 swapFeePercentage, uint256 swapFeeAmount)`.
pub const BALANCER_V3: Venue = Venue {
    emitters: &[address!("ba1333333333a1ba1108e8412f11850a5c319ba9")],
    ..Venue::anywhere("balancer-v3", "Swap(address,address,address,uint256,uint256,uint256,uint256)", read_v3)
};

fn read_v1(log: &Log<'_>) -> Option<SwapEvent> {
    let pool = hex::address(log.address)?;
    read(log, PoolId::Contract(pool), hex::words::<2>(log.data)?)
}

/// The first twenty bytes of a pool's id are its contract.
fn read_v2(log: &Log<'_>) -> Option<SwapEvent> {
    let id = hex::hash(log.topics.as_slice().get(1)?)?;
    read(log, PoolId::Contract(Address::from_slice(&id[..20])), hex::words::<2>(log.data)?)
}

fn read_v3(log: &Log<'_>) -> Option<SwapEvent> {
    let pool = hex::padded_address(log.topics.as_slice().get(1)?)?;
    let [sold, bought, ..] = hex::words::<4>(log.data)?;
    read(log, PoolId::Contract(pool), [sold, bought])
}

fn read(log: &Log<'_>, pool: PoolId, [sold, bought]: [U256; 2]) -> Option<SwapEvent> {
    let &[_, _, token_in, token_out] = log.topics.as_slice() else { return None };
    let claim = Claim::Named {
        sold: (hex::padded_address(token_in)?, sold),
        bought: (hex::padded_address(token_out)?, bought),
    };
    Some(SwapEvent::new(pool, hex::address(log.address)?, claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn tokens_are_topics_in_all_three() {
        let claim = |venue, words: &[u64]| log(venue, 3, words).map(|event| event.claim);
        let expected = claim(&BALANCER_V1, &[10, 20]);
        assert!(matches!(expected, Some(Claim::Named { sold: (_, raw), .. }) if raw == U256::from(10)));
        assert_eq!(claim(&BALANCER_V2, &[10, 20]), expected);
        assert_eq!(claim(&BALANCER_V3, &[10, 20, 1, 1]), expected);
        assert_eq!(claim(&BALANCER_V2, &[10]), None);
    }
}
