//! Fluid's DEX Lite: pools whose tokens lie in one contract for all, and whose event packs amounts of nine decimals.

use crate::hex;
use crate::model::{Claim, NATIVE_COIN, PoolId, SwapEvent, Transfer, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, B256, U256, address};

/// `LogSwap(uint256 swapData, uint256 dexVariables)`, as `dexLite/other/events.sol` and `variables.sol` of
/// `Instadapp/fluid-contracts-public` pack them. Swap data, from the lowest bit: 64 of the pool's id, one that tells whether the
/// first token was sold, 60 of the amount in, 60 of the amount out. The pool's variables have 5 of the first token's decimals from
/// bit 126, and 5 of the second's behind them.
pub const DEX_LITE: Venue =
    Venue { complete: Some(name), ..Venue::anywhere("fluid-dex-lite", "LogSwap(uint256,uint256)", read) };

/// Holds the tokens of all pools on Ethereum, the one chain that has it; anybody else's event is none.
pub const DEX: Address = address!("bbcb91440523216e2b87052a99f69c604a7b6e00");

/// The decimals of the amounts in the event.
const DECIMALS: usize = 9;

/// The decimals that native coin has.
const COIN_DECIMALS: usize = 18;

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let [data, variables]: [U256; 2] = hex::words(log.data)?;
    let bits = |word: U256, at: usize, count: usize| (word >> at) & ((U256::from(1) << count) - U256::from(1));
    let [first, second] = [bits(variables, 126, 5), bits(variables, 131, 5)].map(|decimals| decimals.to::<usize>());
    let decimals = if data.bit(64) { [first, second] } else { [second, first] };
    let sold = unpacked(bits(data, 65, 60), decimals[0])?;
    let bought = unpacked(bits(data, 125, 60), decimals[1])?;
    let pool = PoolId::Key(B256::from(bits(data, 0, 64)));
    let is_dex = hex::address(log.address)? == DEX;
    is_dex.then(|| SwapEvent::new(pool, DEX, Claim::Unnamed { sold, bought, coins: None }))
}

/// An amount of nine decimals in a token's smallest unit; tokens have six to eighteen.
fn unpacked(amount: U256, decimals: usize) -> Option<U256> {
    let power = |power: usize| U256::from(10).pow(U256::from(power));
    match decimals {
        6..DECIMALS => Some(amount / power(DECIMALS - decimals)),
        DECIMALS..=COIN_DECIMALS => Some(amount * power(decimals - DECIMALS)),
        _ => None,
    }
}

/// An amount has this many units of its nine decimals at least, so that what was rounded off is a smaller part.
const MIN_UNITS: u64 = 10_000;

/// The transfer of an amount that the event rounds down: of as much, or of the least that is more.
fn rounded<'t>(transfers: impl Iterator<Item = &'t Transfer>, amount: U256) -> Option<&'t Transfer> {
    let is_one = |of: &&Transfer| of.raw >= amount && of.raw - amount <= amount / U256::from(MIN_UNITS);
    transfers.filter(is_one).min_by_key(|of| of.raw)
}

/// Between so many pools' tokens only the amounts show which are this pool's: those that came in and went out in one transfer
/// each. One of the two may be native coin, which no log shows; with neither the event claims nothing.
fn name(event: SwapEvent, transfers: &[Transfer]) -> SwapEvent {
    let Claim::Unnamed { sold, bought, .. } = event.claim else { return event };
    let came = rounded(transfers.iter().filter(|of| of.to == DEX), sold);
    let went = rounded(transfers.iter().filter(|of| of.from == DEX), bought);
    if came.is_none() && went.is_none() {
        // The contract is no token, so this stays unbacked, and is counted.
        return SwapEvent { claim: Claim::Named { sold: (DEX, sold), bought: (DEX, bought) }, ..event };
    }
    let side = |transfer: Option<&Transfer>, raw| transfer.map_or((NATIVE_COIN, raw), |of| (of.token, of.raw));
    SwapEvent { claim: Claim::Named { sold: side(came, sold), bought: side(went, bought) }, ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::table;
    use chain_plugin_sdk::json::Cursor;

    /// 2.5 of a first token of 18 decimals for 7,000 of a second one of 6.
    fn event(emitter: Address) -> Option<SwapEvent> {
        let packed =
            |parts: &[(u64, usize)]| parts.iter().fold(U256::ZERO, |sum, (raw, at)| sum | (U256::from(*raw) << *at));
        let data = packed(&[(77, 0), (1, 64), (2_500_000_000, 65), (7_000_000_000_000, 125)]);
        let variables = packed(&[(18, 126), (6, 131)]);
        let topic = hex::encode(alloy_primitives::keccak256(DEX_LITE.signature));
        let text = format!(
            r#"{{"address":"{}","topics":["{topic}"],"data":"0x{data:064x}{variables:064x}"}}"#,
            hex::encode(emitter)
        );
        read(&Log::read(&mut Cursor::new(&text), table()).unwrap())
    }

    #[test]
    fn packed_amounts_are_those_of_the_tokens() {
        let event = event(DEX).unwrap();
        let (sold, bought) = (U256::from(2_500_000_000_000_000_000_u64), U256::from(7_000_000_000_u64));
        assert_eq!(event.claim, Claim::Unnamed { sold, bought, coins: None });
        assert_eq!((event.pool, event.holder), (PoolId::Key(B256::from(U256::from(77))), DEX));
        assert_eq!(super::tests::event(Address::repeat_byte(1)), None);
        let [token, dollars, trader] = [5, 6, 9].map(Address::repeat_byte);
        let moved = |token, from, to, raw| Transfer { token, from, to, raw };
        let into = moved(token, trader, DEX, sold + U256::from(5));
        let out = moved(dollars, DEX, trader, bought);
        let both = Claim::Named { sold: (token, into.raw), bought: (dollars, bought) };
        let more = moved(dollars, DEX, trader, bought + U256::from(9));
        assert_eq!(name(event, &[more, into, out]).claim, both, "the nearest");
        let native = Claim::Named { sold: (NATIVE_COIN, sold), bought: (dollars, bought) };
        assert_eq!(name(event, &[out]).claim, native);
        let neither = Claim::Named { sold: (DEX, sold), bought: (DEX, bought) };
        assert_eq!(name(event, &[moved(dollars, DEX, trader, bought - U256::from(1))]).claim, neither);
    }
}
