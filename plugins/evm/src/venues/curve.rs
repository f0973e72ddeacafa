//! Curve: pools of several coins, named in events by their numbers, which the pool tells apart.

use crate::hex;
use crate::model::{Claim, CoinGetter, CoinNumbers, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::U256;

/// Classic and stable-ng pools.
pub const CURVE_STABLE: Venue =
    Venue::anywhere("curve-stable", "TokenExchange(address,int128,uint256,int128,uint256)", read::<4, true>);

/// Metapools and lending pools, where an underlying coin was exchanged: its number is not that of a coin of the pool.
pub const CURVE_UNDERLYING: Venue =
    Venue::anywhere("curve-stable", "TokenExchangeUnderlying(address,int128,uint256,int128,uint256)", read::<4, false>);

/// The first crypto pools.
pub const CURVE_CRYPTO: Venue =
    Venue::anywhere("curve-crypto", "TokenExchange(address,uint256,uint256,uint256,uint256)", read::<4, true>);

/// Tricrypto-ng and twocrypto-ng: fee and price scale are added.
pub const CURVE_CRYPTO_NG: Venue = Venue::anywhere(
    "curve-crypto-ng",
    "TokenExchange(address,uint256,uint256,uint256,uint256,uint256,uint256)",
    read::<6, true>,
);

/// `sold_id, tokens_sold, bought_id, tokens_bought` and more, with the buyer as topic.
fn read<const WORDS: usize, const HAS_NUMBERS: bool>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, buyer] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let coins = CoinNumbers::new(CoinGetter::Curve, [words[0], words[2]]).filter(|_| HAS_NUMBERS);
    let claim = Claim::Unnamed { sold: words[1], bought: words[3], coins };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(buyer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn four_events_say_the_same_but_for_underlying_coins() {
        let claim = |coins| Claim::Unnamed { sold: U256::from(10), bought: U256::from(20), coins };
        let coins = Some(CoinNumbers { getter: CoinGetter::Curve, sold: 2, bought: 1 });
        for venue in [CURVE_STABLE, CURVE_CRYPTO] {
            assert_eq!(log(&venue, 1, &[2, 10, 1, 20]).unwrap().claim, claim(coins));
        }
        assert_eq!(log(&CURVE_CRYPTO_NG, 1, &[2, 10, 1, 20, 3, 4]).unwrap().claim, claim(coins));
        assert_eq!(log(&CURVE_UNDERLYING, 1, &[2, 10, 1, 20]).unwrap().claim, claim(None));
        assert_eq!(log(&CURVE_STABLE, 1, &[256, 10, 1, 20]).unwrap().claim, claim(None));
        assert_eq!(log(&CURVE_STABLE, 1, &[2, 10, 1]), None);
    }
}
