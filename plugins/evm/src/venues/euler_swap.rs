//! Euler Swap: a pool trades with what an account has in lending vaults. What is sold comes to the pool, which deposits it; what is
//! bought comes from a vault. The event names no tokens.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Transfer, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256};

/// `Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, uint112 reserve0,
/// uint112 reserve1, address indexed to)` of the first version; what came in stands there without the fee.
pub const EULER_SWAP_V1: Venue = Venue {
    complete: Some(name),
    ..Venue::anywhere("euler-swap", "Swap(address,uint256,uint256,uint256,uint256,uint112,uint112,address)", read::<6>)
};

/// The same of the second, with `uint256 fee0, uint256 fee1` before the reserves (`SwapLib.sol` of `euler-xyz/euler-swap`).
pub const EULER_SWAP_V2: Venue = Venue {
    complete: Some(name),
    ..Venue::anywhere(
        "euler-swap",
        "Swap(address,uint256,uint256,uint256,uint256,uint256,uint256,uint112,uint112,address)",
        read::<8>,
    )
};

/// The fee is a smaller part of what came in.
const MAX_FEE_DIVISOR: u64 = 10;

fn read<const WORDS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _sender, to] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let &[into0, into1, out0, out1, ..] = &words[..] else { return None };
    let fees = if WORDS == 8 { [words[4], words[5]] } else { [U256::ZERO; 2] };
    let (sold, bought) = match [into0, into1, out0, out1].map(|raw| !raw.is_zero()) {
        [true, false, false, true] => (into0.saturating_add(fees[0]), out1),
        [false, true, true, false] => (into1.saturating_add(fees[1]), out0),
        _ => return None,
    };
    let pool = hex::address(log.address)?;
    let claim = Claim::Unnamed { sold, bought, coins: None };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(to)?))
}

/// The transfers tell the tokens: what came to the pool, as much as the event says or more by a fee, and exactly what the recipient
/// got from whoever is not the pool. Without both the event claims nothing.
fn name(event: SwapEvent, transfers: &[Transfer]) -> SwapEvent {
    let (Claim::Unnamed { sold, bought, .. }, Some(to)) = (event.claim, event.recipient) else { return event };
    let pool: Address = event.holder;
    let is_in =
        |of: &&Transfer| of.to == pool && of.raw >= sold && of.raw - sold <= of.raw / U256::from(MAX_FEE_DIVISOR);
    let is_out = |of: &&Transfer| of.to == to && of.from != pool && of.raw == bought;
    match (transfers.iter().filter(is_in).min_by_key(|of| of.raw), transfers.iter().find(is_out)) {
        (Some(came), Some(went)) if came.token != went.token => {
            let claim = Claim::Named { sold: (came.token, came.raw), bought: (went.token, bought) };
            SwapEvent { claim, payer: Some(went.from), ..event }
        }
        // The pool is no token, so this stays unbacked, and is counted.
        _ => SwapEvent { claim: Claim::Named { sold: (pool, sold), bought: (pool, bought) }, ..event },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn what_is_bought_comes_from_a_vault() {
        let [token, other, vault, trader] = [5, 6, 7, 9].map(Address::repeat_byte);
        let (pool, to) = (Address::repeat_byte(0xee), Address::with_last_byte(2));
        let event = log(&EULER_SWAP_V2, 2, &[99, 0, 0, 20, 1, 0, 7, 7]).unwrap();
        assert_eq!(event.recipient, Some(to));
        let moved = |token, from, to, raw: u64| Transfer { token, from, to, raw: U256::from(raw) };
        let (into, out) = (moved(token, trader, pool, 100), moved(other, vault, to, 20));
        let deposited = moved(token, pool, vault, 100);
        let named = name(event, &[into, deposited, out]);
        let both = Claim::Named { sold: (token, U256::from(100)), bought: (other, U256::from(20)) };
        assert_eq!((named.claim, named.payer), (both, Some(vault)));
        // The first version leaves out the fee.
        let first = log(&EULER_SWAP_V1, 2, &[0, 99, 20, 0, 7, 7]).unwrap();
        assert_eq!(name(first, &[into, out]).claim, both);
        let nothing = name(event, &[into]);
        assert!(matches!(nothing.claim, Claim::Named { sold: (of, _), .. } if of == pool), "{nothing:?}");
        assert_eq!(log(&EULER_SWAP_V2, 2, &[99, 1, 0, 20, 1, 0, 7, 7]), None, "both came in");
    }
}
