//! Hashflow: quotes of market makers, filled by a pool or from an account outside of it.

use crate::hex;
use crate::model::{Claim, NATIVE_COIN, PoolId, SwapEvent, Transfer, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256};

/// `Trade(address trader, bytes32 txid, address baseToken, address quoteToken, uint256 baseTokenAmount,
/// uint256 quoteTokenAmount)`.
pub const HASHFLOW_V1: Venue = Venue {
    complete: Some(hold),
    ..Venue::anywhere("hashflow", "Trade(address,bytes32,address,address,uint256,uint256)", read::<6, 2>)
};

/// The same, with `address effectiveTrader` behind the trader.
pub const HASHFLOW_V2: Venue = Venue {
    complete: Some(hold),
    ..Venue::anywhere("hashflow", "Trade(address,address,bytes32,address,address,uint256,uint256)", read::<7, 3>)
};

fn read<const WORDS: usize, const TOKENS: usize>(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_] = log.topics.as_slice() else { return None };
    let words: [U256; WORDS] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim = Claim::Named {
        sold: (hex::word_address(words[TOKENS])?, words[TOKENS + 2]),
        bought: (hex::word_address(words[TOKENS + 1])?, words[TOKENS + 3]),
    };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim))
}

/// Where the pool moved nothing itself, the one account that got just what was sold, gave just what was bought, and passed
/// nothing on, as routers do. Native coin leaves no log, so the other side alone decides.
fn hold(event: SwapEvent, transfers: &[Transfer]) -> SwapEvent {
    let (PoolId::Contract(pool), Claim::Named { sold, bought }) = (event.pool, event.claim) else { return event };
    if event.holder != pool || transfers.iter().any(|transfer| transfer.from == pool || transfer.to == pool) {
        return event;
    }
    let is_native = |token: Address| token.is_zero() || token == NATIVE_COIN;
    let got = |who: Address| {
        let of = |transfer: &&Transfer| transfer.token == sold.0 && (transfer.to == who || transfer.from == who);
        let mut all = transfers.iter().filter(of);
        is_native(sold.0) || (all.next().is_some_and(|one| one.to == who && one.raw == sold.1) && all.next().is_none())
    };
    let gave = |who: Address| {
        let of = |transfer: &&Transfer| transfer.token == bought.0 && (transfer.to == who || transfer.from == who);
        let mut all = transfers.iter().filter(of);
        is_native(bought.0)
            || (all.next().is_some_and(|one| one.from == who && one.raw == bought.1) && all.next().is_none())
    };
    let parties = transfers.iter().flat_map(|transfer| [transfer.from, transfer.to]);
    let mut holders: Vec<Address> = parties.filter(|who| !who.is_zero() && got(*who) && gave(*who)).collect();
    holders.sort_unstable();
    holders.dedup();
    match holders[..] {
        [holder] => SwapEvent { holder, ..event },
        _ => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn an_account_outside_is_found_by_what_it_got_and_gave() {
        let event = log(&HASHFLOW_V2, 0, &[1, 1, 9, 3, 4, 10, 20]).unwrap();
        let [trader, router, maker] = [1, 2, 5].map(Address::with_last_byte);
        let moved = |token: u8, from, to, raw: u64| Transfer {
            token: Address::with_last_byte(token),
            from,
            to,
            raw: U256::from(raw),
        };
        let transfers = [
            moved(3, trader, router, 10),
            moved(3, router, maker, 10),
            moved(4, maker, router, 20),
            moved(4, router, trader, 19),
        ];
        assert_eq!(hold(event, &transfers).holder, maker);
        // No account, and two that may be it: the pool stays the holder, and nothing backs it.
        assert_eq!(hold(event, &transfers[..2]).holder, event.holder);
        let twice = [transfers[1], transfers[2], moved(3, router, trader, 10), moved(4, trader, router, 20)];
        assert_eq!(hold(event, &twice).holder, event.holder);
        assert_eq!(log(&HASHFLOW_V1, 0, &[1, 9, 3, 4, 10, 20]).unwrap().claim, event.claim);
        assert_eq!(log(&HASHFLOW_V1, 0, &[1, 9, 3, 4, 10]), None);
    }
}
