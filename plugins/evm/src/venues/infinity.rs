//! PancakeSwap Infinity: managers of pools whose tokens all lie in one vault; a pool is a key, and its event names it by the
//! key's hash.
//!
//! As with Uniswap V4, between two pools of the vault nothing moves, so the known managers are believed.

use crate::hex;
use crate::model::{Claim, KeyKind, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `Swap(bytes32 indexed id, address indexed sender, int128 amount0, int128 amount1, uint160 sqrtPriceX96,
/// uint128 liquidity, int24 tick, uint24 fee, uint16 protocolFee)`.
pub const PANCAKE_INFINITY_CL: Venue = Venue {
    emitters: &[address!("a0ffb9c1ce1fe56963b0321b32e7a0302114058b")],
    keys: Some(KeyKind::PancakeInfinity),
    ..Venue::anywhere(
        "pancakeswap-infinity-cl",
        "Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24,uint16)",
        read::<7>,
    )
};

/// `Swap(bytes32 indexed id, address indexed sender, int128 amount0, int128 amount1, uint24 activeId, uint24 fee,
/// uint16 protocolFee)`.
pub const PANCAKE_INFINITY_BIN: Venue = Venue {
    emitters: &[address!("c697d2898e0d09264376196696c51d7abbbaa4a9")],
    keys: Some(KeyKind::PancakeInfinity),
    ..Venue::anywhere("pancakeswap-infinity-bin", "Swap(bytes32,address,int128,int128,uint24,uint24,uint16)", read::<5>)
};

/// Holds the tokens of all pools, at one address on BSC and Base.
const VAULT: Address = address!("238a358808379702088667322f80ac48bad5e6c4");

/// The amounts are the swapper's: negative is what the vault received.
fn read<const WORDS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, id, _sender] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let moved = [words[0], words[1]].map(|amount| super::v3::moved(amount.wrapping_neg()));
    Some(SwapEvent::new(PoolId::Key(hex::hash(id)?), VAULT, Claim::Pair(moved)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::{log, log_of_words};
    use crate::model::Moved;

    #[test]
    fn amounts_are_the_swappers_and_the_vault_holds_the_tokens() {
        let words = |count: usize| {
            let mut words = vec![U256::from(1); count];
            (words[0], words[1]) = (U256::from(5).wrapping_neg(), U256::from(7));
            words
        };
        for (venue, count) in [(PANCAKE_INFINITY_CL, 7), (PANCAKE_INFINITY_BIN, 5)] {
            let event = log_of_words(&venue, 2, &words(count)).unwrap();
            let Claim::Pair([first, second]) = event.claim else { panic!("{event:?}") };
            assert_eq!(first, Moved { into: U256::from(5), out: U256::ZERO });
            assert_eq!(second, Moved { into: U256::ZERO, out: U256::from(7) });
            assert_eq!(event.holder, VAULT);
        }
        assert_eq!(log(&PANCAKE_INFINITY_CL, 2, &[1; 6]), None);
    }
}
