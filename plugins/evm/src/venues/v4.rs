//! Uniswap V4: one manager holds the tokens of all pools; a pool is a key, and its event names it by the key's hash.
//!
//! The events of the managers that Uniswap deployed need no transfer beside them: a manager lets nobody leave with a debt,
//! and between two of its pools nothing moves. Those of another manager count as far as its tokens moved.

use crate::hex;
use crate::model::{Claim, KeyKind, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `Swap(bytes32 indexed id, address indexed sender, int128 amount0, int128 amount1, uint160 sqrtPriceX96,
/// uint128 liquidity, int24 tick, uint24 fee)`.
pub const UNISWAP_V4: Venue = Venue {
    emitters: V4_MANAGERS,
    keys: Some(KeyKind::UniswapV4),
    ..Venue::anywhere("uniswap-v4", "Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)", read)
};

/// The managers: Ethereum, Base, Optimism, Arbitrum (also Ink, Soneium and X Layer), Polygon, BSC, Avalanche, Sepolia, Base
/// Sepolia, Unichain, World Chain, Blast, Zora, Celo, Linea, Monad.
pub const V4_MANAGERS: &[Address] = &[
    address!("000000000004444c5dc75cb358380d2e3de08a90"),
    address!("498581ff718922c3f8e6a244956af099b2652b2b"),
    address!("9a13f98cb987694c9f086b1f5eb990eea8264ec3"),
    address!("360e68faccca8ca495c1b759fd9eee466db9fb32"),
    address!("67366782805870060151383f4bbff9dab53e5cd6"),
    address!("28e2ea090877bf75740558f6bfb36a5ffee9e9df"),
    address!("06380c0e0912312b5150364b9dc4542ba0dbbc85"),
    address!("e03a1074c86cfedd5c142c4f04f1a1536e203543"),
    address!("05e73354cfdd6745c338b50bcfdfa3aa6fa03408"),
    address!("1f98400000000000000000000000000000000004"),
    address!("b1860d529182ac3bc1f51fa2abd56662b7d13f33"),
    address!("1631559198a9e474033433b2958dabc135ab6446"),
    address!("0575338e4c17006ae181b47900a84404247ca30f"),
    address!("288dc841a52fca2707c6947b3a777c5e56cd87bc"),
    address!("248083fb965359d82b06c1f5322480dcfc1ad857"),
    address!("188d586ddcf52439676ca21a244753fa19f9ea8e"),
];

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, id, _sender] = log.topics.as_slice() else { return None };
    let [amount0, amount1, ..]: [U256; 6] = hex::words(log.data)?;
    // Here the amounts are the swapper's: negative is what the pool received.
    let moved = [amount0, amount1].map(|amount| super::v3::moved(amount.wrapping_neg()));
    Some(SwapEvent::new(PoolId::Key(hex::hash(id)?), hex::address(log.address)?, Claim::Pair(moved)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;
    use crate::model::Moved;

    #[test]
    fn amounts_are_the_swappers() {
        let event = log(&UNISWAP_V4, 2, &[5, 0, 1, 1, 1, 1]).unwrap();
        let Claim::Pair([first, second]) = event.claim else { panic!("{event:?}") };
        assert_eq!((first, second), (Moved { into: U256::ZERO, out: U256::from(5) }, Moved::default()));
        assert!(matches!(event.pool, PoolId::Key(_)));
    }
}
