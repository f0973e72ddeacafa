//! DODO: proactive market makers.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;

/// `DODOSwap(address fromToken, address toToken, uint256 fromAmount, uint256 toAmount, address trader,
/// address receiver)`.
pub const DODO_V2: Venue =
    Venue::anywhere("dodo-v2", "DODOSwap(address,address,uint256,uint256,address,address)", read);

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let [from, to, sold, bought, _trader, receiver] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Named { sold: (hex::word_address(from)?, sold), bought: (hex::word_address(to)?, bought) };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::word_address(receiver)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::{Address, U256};

    #[test]
    fn everything_stands_in_the_data() {
        let event = log(&DODO_V2, 0, &[1, 2, 10, 20, 3, 4]).unwrap();
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        assert_eq!(event.claim, Claim::Named { sold: side(1, 10), bought: side(2, 20) });
        assert_eq!(event.recipient, Some(Address::with_last_byte(4)));
        assert_eq!(log(&DODO_V2, 0, &[1, 2, 10, 20, 3]), None);
    }
}
