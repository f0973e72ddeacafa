//! Uniswap V1: exchanges of one token for native coin, which leaves no log.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `TokenPurchase(address indexed buyer, uint256 indexed eth_sold, uint256 indexed tokens_bought)`.
pub const UNISWAP_V1_BUY: Venue = Venue::anywhere("uniswap-v1", "TokenPurchase(address,uint256,uint256)", read);

/// `EthPurchase(address indexed buyer, uint256 indexed tokens_sold, uint256 indexed eth_bought)`.
pub const UNISWAP_V1_SELL: Venue = Venue::anywhere("uniswap-v1", "EthPurchase(address,uint256,uint256)", read);

/// The transfers show which of the two is native coin: the other one moved.
fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _buyer, sold, bought] = log.topics.as_slice() else { return None };
    let word = |topic: &[u8]| hex::words::<1>(topic).map(|[word]: [U256; 1]| word);
    let claim = Claim::Unnamed { sold: word(sold)?, bought: word(bought)?, coins: None };
    let pool = hex::address(log.address)?;
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn amounts_are_topics() {
        for venue in [UNISWAP_V1_BUY, UNISWAP_V1_SELL] {
            let event = log(&venue, 3, &[]).unwrap();
            assert_eq!(event.claim, Claim::Unnamed { sold: U256::from(2), bought: U256::from(3), coins: None });
            assert_eq!(log(&venue, 2, &[]), None);
        }
    }
}
