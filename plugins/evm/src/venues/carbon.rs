//! Carbon: strategies of makers, held by one controller, which names both tokens.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `TokensTraded(address indexed trader, address indexed sourceToken, address indexed targetToken,
/// uint256 sourceAmount, uint256 targetAmount, uint128 tradingFeeAmount, bool byTargetAmount)`.
pub const CARBON: Venue =
    Venue::anywhere("carbon", "TokensTraded(address,address,address,uint256,uint256,uint128,bool)", read);

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, trader, from, to] = log.topics.as_slice() else { return None };
    let [sold, bought, _fee, _by_target]: [U256; 4] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Named { sold: (hex::padded_address(from)?, sold), bought: (hex::padded_address(to)?, bought) };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(trader)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::Address;

    #[test]
    fn tokens_are_topics() {
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        let event = log(&CARBON, 3, &[10, 20, 1, 0]).unwrap();
        assert_eq!(event.claim, Claim::Named { sold: side(2, 10), bought: side(3, 20) });
        assert_eq!(log(&CARBON, 3, &[10, 20, 1]), None);
    }
}
