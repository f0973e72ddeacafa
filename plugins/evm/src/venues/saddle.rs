//! Saddle and its forks (Synapse, Nerve, iron swaps): pools of several coins, named in events by their numbers.

use crate::hex;
use crate::model::{Claim, CoinGetter, CoinNumbers, PoolId, SwapEvent, Venue};
use crate::rpc::Log;

/// `TokenSwap(address indexed buyer, uint256 tokensSold, uint256 tokensBought, uint128 soldId, uint128 boughtId)`.
pub const SADDLE: Venue = Venue::anywhere("saddle-like", "TokenSwap(address,uint256,uint256,uint128,uint128)", read);

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, buyer] = log.topics.as_slice() else { return None };
    let [sold, bought, sold_id, bought_id] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Unnamed { sold, bought, coins: CoinNumbers::new(CoinGetter::Saddle, [sold_id, bought_id]) };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(buyer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::U256;

    #[test]
    fn coins_have_numbers() {
        let event = log(&SADDLE, 1, &[10, 20, 3, 1]).unwrap();
        let coins = Some(CoinNumbers { getter: CoinGetter::Saddle, sold: 3, bought: 1 });
        assert_eq!(event.claim, Claim::Unnamed { sold: U256::from(10), bought: U256::from(20), coins });
        assert_eq!(log(&SADDLE, 1, &[10, 20, 0]), None);
    }
}
