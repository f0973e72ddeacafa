//! 0x V4: quotes and limit orders, filled from their maker's account. The event names both tokens and both amounts.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// `RfqOrderFilled(bytes32 orderHash, address maker, address taker, address makerToken, address takerToken,
/// uint128 takerTokenFilledAmount, uint128 makerTokenFilledAmount, bytes32 pool)`.
pub const ZEROX_RFQ: Venue = Venue::anywhere(
    "0x-rfq",
    "RfqOrderFilled(bytes32,address,address,address,address,uint128,uint128,bytes32)",
    |log| read::<8>(log, [1, 4, 5, 3, 6]),
);

/// `OtcOrderFilled(bytes32 orderHash, address maker, address taker, address makerToken, address takerToken,
/// uint128 makerTokenFilledAmount, uint128 takerTokenFilledAmount)`.
pub const ZEROX_OTC: Venue =
    Venue::anywhere("0x-otc", "OtcOrderFilled(bytes32,address,address,address,address,uint128,uint128)", |log| {
        read::<7>(log, [1, 4, 6, 3, 5])
    });

/// `LimitOrderFilled(bytes32 orderHash, address maker, address taker, address feeRecipient, address makerToken,
/// address takerToken, uint128 takerTokenFilledAmount, uint128 makerTokenFilledAmount,
/// uint128 takerTokenFeeFilledAmount, uint256 protocolFeePaid, bytes32 pool)`.
pub const ZEROX_LIMIT: Venue = Venue::anywhere(
    "0x-limit",
    "LimitOrderFilled(bytes32,address,address,address,address,address,uint128,uint128,uint128,uint256,bytes32)",
    |log| read::<11>(log, [1, 5, 6, 4, 7]),
);

/// Where stand the maker, the token that it got and how much, the token that it gave and how much. The maker is who holds
/// what is traded, so it stands for the pool.
fn read<const WORDS: usize>(log: &Log<'_>, [maker, got, got_raw, gave, gave_raw]: [usize; 5]) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let maker = hex::word_address(words[maker])?;
    let claim = Claim::Named {
        sold: (hex::word_address(words[got])?, words[got_raw]),
        bought: (hex::word_address(words[gave])?, words[gave_raw]),
    };
    Some(SwapEvent::new(PoolId::Contract(maker), maker, claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use alloy_primitives::Address;

    #[test]
    fn the_maker_gets_what_the_taker_gives() {
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        let expected = Claim::Named { sold: side(4, 10), bought: side(3, 20) };
        for (venue, words) in [
            (ZEROX_RFQ, &[9, 1, 2, 3, 4, 10, 20, 0][..]),
            (ZEROX_OTC, &[9, 1, 2, 3, 4, 20, 10]),
            (ZEROX_LIMIT, &[9, 1, 2, 7, 3, 4, 10, 20, 0, 0, 0]),
        ] {
            let event = log(&venue, 0, words).unwrap();
            assert_eq!((event.claim, event.holder), (expected, Address::with_last_byte(1)));
            assert_eq!(log(&venue, 0, &words[1..]), None);
            assert_eq!(log(&venue, 1, words), None);
        }
    }
}
