//! Pools in the manner of Uniswap V2: reserves of two tokens, their product kept; and Solidly's, which Velodrome and
//! Aerodrome took over, stable or volatile.

use crate::hex;
use crate::model::{Claim, Moved, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// Uniswap V2, Sushi, Pancake, Camelot and hundreds more.
pub const UNISWAP_V2: Venue = Venue::anywhere("v2-like", "Swap(address,uint256,uint256,uint256,uint256,address)", read);

/// Velodrome V2, Aerodrome: the same words, with both addresses in front.
pub const SOLIDLY: Venue =
    Venue::anywhere("solidly-like", "Swap(address,address,uint256,uint256,uint256,uint256)", read);

/// KyberSwap Classic (KYBERSWAP_CLASSIC): the fee is added at the end, and whom it paid is a topic as well.
pub const KYBERSWAP_CLASSIC: Venue = Venue::anywhere(
    "kyberswap-classic",
    "Swap(address,uint256,uint256,uint256,uint256,address,uint256)",
    read_with_fee,
);

/// `amount0In, amount1In, amount0Out, amount1Out`, with sender and recipient as topics.
fn read(log: &Log<'_>) -> Option<SwapEvent> {
    of_words(log, hex::words(log.data)?)
}

fn read_with_fee(log: &Log<'_>) -> Option<SwapEvent> {
    let [into0, into1, out0, out1, _fee] = hex::words(log.data)?;
    of_words(log, [into0, into1, out0, out1])
}

fn of_words(log: &Log<'_>, [into0, into1, out0, out1]: [U256; 4]) -> Option<SwapEvent> {
    let &[_, _sender, recipient] = log.topics.as_slice() else { return None };
    let moved = [Moved { into: into0, out: out0 }, Moved { into: into1, out: out1 }];
    let pool = hex::address(log.address)?;
    Some(SwapEvent::new(PoolId::Contract(pool), pool, Claim::Pair(moved)).to(hex::padded_address(recipient)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn amounts_come_in_the_order_of_the_signature() {
        let event = log(&UNISWAP_V2, 2, &[10, 0, 3, 20]).unwrap();
        let numbers = [(10, 3), (0, 20)].map(|(into, out)| Moved { into: U256::from(into), out: U256::from(out) });
        assert_eq!(event.claim, Claim::Pair(numbers));
        assert_eq!(log(&SOLIDLY, 2, &[10, 0, 3, 20]), Some(event));
        assert_eq!(log(&KYBERSWAP_CLASSIC, 2, &[10, 0, 3, 20, 9]), Some(event));
        assert_eq!(log(&KYBERSWAP_CLASSIC, 2, &[10, 0, 3, 20]), None);
        assert_eq!(log(&UNISWAP_V2, 2, &[10, 0, 3]), None);
        assert_eq!(log(&UNISWAP_V2, 1, &[10, 0, 3, 20]), None);
    }
}
