//! DODO: proactive market makers.

use super::{Claim, Event, PoolId, Venue, named};
use crate::hex;
use crate::rpc::Log;

/// `DODOSwap(address fromToken, address toToken, uint256 fromAmount, uint256 toAmount, address trader,
/// address receiver)`.
pub const VENUE: Venue = Venue::anywhere("dodo-v2", "DODOSwap(address,address,uint256,uint256,address,address)", read);

fn read(log: &Log<'_>) -> Option<Event> {
    let &[_] = log.topics.as_slice() else { return None };
    let [from, to, sold, bought, _trader, receiver] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Named { sold: (named(from)?, sold), bought: (named(to)?, bought) };
    Some(Event::new(PoolId::Contract(pool), pool, claim).to(named(receiver)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::example::log;
    use alloy_primitives::{Address, U256};

    #[test]
    fn everything_stands_in_the_data() {
        let event = log(&VENUE, 0, &[1, 2, 10, 20, 3, 4]).unwrap();
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        assert_eq!(event.claim, Claim::Named { sold: side(1, 10), bought: side(2, 20) });
        assert_eq!(event.recipient, Some(Address::with_last_byte(4)));
        assert_eq!(log(&VENUE, 0, &[1, 2, 10, 20, 3]), None);
    }
}
