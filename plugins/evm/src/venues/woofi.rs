//! WOOFi: pools that quote by their own oracle.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `WooSwap(address indexed fromToken, address indexed toToken, uint256 fromAmount, uint256 toAmount, address from,
/// address indexed to, address rebateTo, uint256 swapVol, uint256 swapFee)`.
pub const WOOFI: Venue =
    Venue::anywhere("woofi", "WooSwap(address,address,uint256,uint256,address,address,address,uint256,uint256)", read);

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, from, to, receiver] = log.topics.as_slice() else { return None };
    let [sold, bought, sender, ..]: [U256; 6] = hex::words(log.data)?;
    hex::word_address(sender)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Named { sold: (hex::padded_address(from)?, sold), bought: (hex::padded_address(to)?, bought) };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(receiver)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::Address;

    #[test]
    fn tokens_are_topics_and_amounts_come_first() {
        let event = log(&WOOFI, 3, &[10, 20, 5, 0, 1, 1]).unwrap();
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        assert_eq!(event.claim, Claim::Named { sold: side(1, 10), bought: side(2, 20) });
        assert_eq!(event.recipient, Some(Address::with_last_byte(3)));
        assert_eq!(log(&WOOFI, 3, &[10, 20, 5, 0, 1]), None);
    }
}
