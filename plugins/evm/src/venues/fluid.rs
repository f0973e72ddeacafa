//! Fluid: pools whose tokens lie in one contract for all, and whose event names no tokens.

use crate::hex;
use crate::model::{Claim, NATIVE_COIN, PoolId, SwapEvent, Transfer, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `Swap(bool swap0to1, uint256 amountIn, uint256 amountOut, address to)`.
pub const FLUID: Venue =
    Venue { complete: Some(name), ..Venue::anywhere("fluid", "Swap(bool,uint256,uint256,address)", read) };

/// Holds the tokens of all pools, at one address on every chain.
const LIQUIDITY: Address = address!("52aa899454998be5b000ad077a46bbe360f4e497");

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let [direction, sold, bought, to] = hex::words(log.data)?;
    let is_flag = direction <= U256::from(1);
    let pool = hex::address(log.address)?;
    is_flag.then_some(
        SwapEvent::new(PoolId::Contract(pool), LIQUIDITY, Claim::Unnamed { sold, bought, coins: None })
            .to(hex::word_address(to)?),
    )
}

/// Between so many pools' tokens only exact amounts show which are this pool's: those that came in and went out in one
/// transfer each. One of the two may be native coin, which no log shows; with neither the event claims nothing.
fn name(event: SwapEvent, transfers: &[Transfer]) -> SwapEvent {
    let (PoolId::Contract(pool), LIQUIDITY, Claim::Unnamed { sold, bought, .. }) =
        (event.pool, event.holder, event.claim)
    else {
        return event;
    };
    let came = transfers.iter().find(|transfer| transfer.to == LIQUIDITY && transfer.raw == sold);
    let went = transfers.iter().find(|transfer| transfer.from == LIQUIDITY && transfer.raw == bought);
    if came.is_none() && went.is_none() {
        // The pool itself moved nothing, so this stays unbacked, and is counted.
        return SwapEvent { holder: pool, ..event };
    }
    let token = |transfer: Option<&Transfer>| transfer.map_or(NATIVE_COIN, |transfer| transfer.token);
    SwapEvent { claim: Claim::Named { sold: (token(came), sold), bought: (token(went), bought) }, ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    fn moved(token: u8, from: Address, to: Address, raw: u64) -> Transfer {
        Transfer { token: Address::repeat_byte(token), from, to, raw: U256::from(raw) }
    }

    #[test]
    fn exact_amounts_tell_the_tokens() {
        let event = log(&FLUID, 0, &[1, 10, 20, 3]).unwrap();
        let trader = Address::repeat_byte(9);
        let other = moved(7, trader, LIQUIDITY, 11);
        let (into, out) = (moved(5, trader, LIQUIDITY, 10), moved(6, LIQUIDITY, trader, 20));
        let side = |token: Address, raw: u64| (token, U256::from(raw));
        let both = Claim::Named { sold: side(into.token, 10), bought: side(out.token, 20) };
        assert_eq!(name(event, &[other, into, out]).claim, both);
        let native = Claim::Named { sold: side(into.token, 10), bought: side(NATIVE_COIN, 20) };
        assert_eq!(name(event, &[other, into]).claim, native);
        assert_eq!(name(event, &[other]).holder, Address::repeat_byte(0xee));
        assert_eq!(log(&FLUID, 0, &[2, 10, 20, 3]), None);
    }
}
