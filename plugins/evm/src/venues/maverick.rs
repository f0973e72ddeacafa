//! Maverick: liquidity that moves with the price. Events say which of the pool's two tokens came in.

use crate::hex;
use crate::model::{Claim, CoinGetter, CoinNumbers, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `Swap(address sender, address recipient, bool tokenAIn, bool exactOutput, uint256 amountIn, uint256 amountOut,
/// int32 activeTick)`.
pub const MAVERICK_V1: Venue =
    Venue::anywhere("maverick-v1", "Swap(address,address,bool,bool,uint256,uint256,int32)", read::<7, 2, 4>);

/// `PoolSwap(address sender, address recipient, (uint256 amount, bool tokenAIn, bool exactOutput, int32 tickLimit),
/// uint256 amountIn, uint256 amountOut)`.
pub const MAVERICK_V2: Venue = Venue::anywhere(
    "maverick-v2",
    "PoolSwap(address,address,(uint256,bool,bool,int32),uint256,uint256)",
    read::<8, 3, 6>,
);

fn read<const WORDS: usize, const IS_A_IN: usize, const AMOUNTS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let coins = Some(CoinNumbers::of_two(CoinGetter::Maverick, !words[IS_A_IN].is_zero()));
    let claim = Claim::Unnamed { sold: words[AMOUNTS], bought: words[AMOUNTS + 1], coins };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::word_address(words[1])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn amounts_come_late() {
        for is_a_in in [true, false] {
            let coins = Some(CoinNumbers::of_two(CoinGetter::Maverick, is_a_in));
            let expected = Claim::Unnamed { sold: U256::from(10), bought: U256::from(20), coins };
            let flag = u64::from(is_a_in);
            assert_eq!(log(&MAVERICK_V1, 0, &[1, 2, flag, 0, 10, 20, 7]).unwrap().claim, expected);
            assert_eq!(log(&MAVERICK_V2, 0, &[1, 2, 9, flag, 0, 7, 10, 20]).unwrap().claim, expected);
        }
    }
}
