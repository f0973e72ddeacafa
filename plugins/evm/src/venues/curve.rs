//! Curve: pools of several coins, named in events by their indices. The transfers show which tokens those are.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// Classic and stable-ng pools.
pub const CURVE_STABLE: Venue =
    Venue::anywhere("curve-stable", "TokenExchange(address,int128,uint256,int128,uint256)", read::<4>);

/// Metapools and lending pools, where an underlying coin was exchanged.
pub const CURVE_UNDERLYING: Venue =
    Venue::anywhere("curve-stable", "TokenExchangeUnderlying(address,int128,uint256,int128,uint256)", read::<4>);

/// The first crypto pools.
pub const CURVE_CRYPTO: Venue =
    Venue::anywhere("curve-crypto", "TokenExchange(address,uint256,uint256,uint256,uint256)", read::<4>);

/// Tricrypto-ng and twocrypto-ng: fee and price scale are added.
pub const CURVE_CRYPTO_NG: Venue = Venue::anywhere(
    "curve-crypto-ng",
    "TokenExchange(address,uint256,uint256,uint256,uint256,uint256,uint256)",
    read::<6>,
);

/// `sold_id, tokens_sold, bought_id, tokens_bought` and more, with the buyer as topic.
fn read<const WORDS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, buyer] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Unnamed { sold: words[1], bought: words[3] };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(buyer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn four_events_say_the_same() {
        let expected = Claim::Unnamed { sold: U256::from(10), bought: U256::from(20) };
        for venue in [CURVE_STABLE, CURVE_UNDERLYING, CURVE_CRYPTO] {
            assert_eq!(log(&venue, 1, &[0, 10, 1, 20]).unwrap().claim, expected);
        }
        assert_eq!(log(&CURVE_CRYPTO_NG, 1, &[0, 10, 1, 20, 3, 4]).unwrap().claim, expected);
        assert_eq!(log(&CURVE_STABLE, 1, &[0, 10, 1]), None);
    }
}
