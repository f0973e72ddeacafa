//! Clober V2: order books in one manager. What is taken from a book is told in units of an asset that only the book's key names, at a
//! tick for each event, so the event is no leg: what the sender exchanged in the transaction is the trade.

use crate::hex;
use crate::model::{Claim, Moved, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{B256, U256, address};

/// `Take(uint192 indexed bookId, address indexed user, int24 tick, uint64 unit)`. One event for each tick.
pub const CLOBER_V2: Venue = Venue {
    emitters: &[
        // Base.
        address!("382ccccbd3b142d7da063bf68cd0c89634767f76"),
        // Monad.
        address!("6657d192273731c3cac646cc82d5f28d0cbe8ccc"),
        // zkSync Era.
        address!("aaa0e933e1ecc812fc075a81c116aa0a82a5bbb8"),
    ],
    ..Venue::anywhere("clober-v2", "Take(uint192,address,int24,uint64)", read)
};

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, book, _user] = log.topics.as_slice() else { return None };
    let [_tick, units]: [U256; 2] = hex::words(log.data)?;
    let book: B256 = hex::hash(book)?;
    let has_units = !units.is_zero() && units <= U256::from(u64::MAX);
    // Amounts of nothing, which no transfer can be of.
    let untold = Claim::Pair([Moved::default(); 2]);
    has_units.then_some(SwapEvent::new(PoolId::Key(book), hex::address(log.address)?, untold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn a_book_is_named_and_its_assets_are_not() {
        let event = log(&CLOBER_V2, 2, &[7, 1_000]).unwrap();
        assert_eq!(event.claim, Claim::Pair([Moved::default(); 2]));
        assert!(matches!(event.pool, PoolId::Key(_)));
        assert_eq!(log(&CLOBER_V2, 2, &[7, 0]), None);
        assert_eq!(log(&CLOBER_V2, 1, &[7, 1_000]), None);
    }
}
