//! iZiSwap: liquidity in ranges of price, with limit orders in the pool.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `Swap(address indexed tokenX, address indexed tokenY, uint24 indexed fee, bool sellXEarnY, uint256 amountX,
/// uint256 amountY, int24 currentPoint)`.
pub const IZISWAP: Venue = Venue::anywhere("iziswap", "Swap(address,address,uint24,bool,uint256,uint256,int24)", read);

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, first, second, _fee] = log.topics.as_slice() else { return None };
    let [sells_first, first_raw, second_raw, _point] = hex::words(log.data)?;
    let (first, second) = ((hex::padded_address(first)?, first_raw), (hex::padded_address(second)?, second_raw));
    let claim = match sells_first {
        U256::ZERO => Claim::Named { sold: second, bought: first },
        U256::ONE => Claim::Named { sold: first, bought: second },
        _ => return None,
    };
    let pool = hex::address(log.address)?;
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::Address;

    #[test]
    fn a_flag_tells_the_direction() {
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        let claim = |flag| log(&IZISWAP, 3, &[flag, 10, 20, 7]).map(|event| event.claim);
        assert_eq!(claim(1), Some(Claim::Named { sold: side(1, 10), bought: side(2, 20) }));
        assert_eq!(claim(0), Some(Claim::Named { sold: side(2, 20), bought: side(1, 10) }));
        assert_eq!(claim(2), None);
    }
}
