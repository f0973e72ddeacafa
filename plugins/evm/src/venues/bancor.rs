//! Bancor: converters of the second version, which hold their own reserves, and the network of the third, whose tokens all lie
//! in one vault.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `Conversion(address indexed sourceToken, address indexed targetToken, address indexed trader, uint256 sourceAmount,
/// uint256 targetAmount, int256 conversionFee)`.
pub const BANCOR_V2: Venue =
    Venue::anywhere("bancor-v2", "Conversion(address,address,address,uint256,uint256,int256)", read_v2);

/// `TokensTraded(bytes32 indexed contextId, address indexed sourceToken, address indexed targetToken, uint256 sourceAmount,
/// uint256 targetAmount, uint256 bntAmount, uint256 targetFeeAmount, uint256 bntFeeAmount, address trader)`.
pub const BANCOR_V3: Venue = Venue {
    emitters: &[address!("eef417e1d5cc832e619ae18d2f140de2999dd4fb")],
    ..Venue::anywhere(
        "bancor-v3",
        "TokensTraded(bytes32,address,address,uint256,uint256,uint256,uint256,uint256,address)",
        read_v3,
    )
};

/// Holds the tokens of the third version.
const MASTER_VAULT: Address = address!("649765821d9f64198c905ec0b2b037a4a52bc373");

fn read_v2(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, source, target, trader] = log.topics.as_slice() else { return None };
    let [sold, bought, _fee]: [U256; 3] = hex::words(log.data)?;
    let pool = hex::address(log.address)?;
    let claim =
        Claim::Named { sold: (hex::padded_address(source)?, sold), bought: (hex::padded_address(target)?, bought) };
    Some(SwapEvent::new(PoolId::Contract(pool), pool, claim).to(hex::padded_address(trader)?))
}

/// Whatever passed through its own token on the way, one event tells what came and what went.
fn read_v3(log: &Log<'_>) -> Option<SwapEvent> {
    let &[_, _context, source, target] = log.topics.as_slice() else { return None };
    let [sold, bought, _, _, _, trader]: [U256; 6] = hex::words(log.data)?;
    let network = hex::address(log.address)?;
    let claim =
        Claim::Named { sold: (hex::padded_address(source)?, sold), bought: (hex::padded_address(target)?, bought) };
    Some(SwapEvent::new(PoolId::Contract(network), MASTER_VAULT, claim).to(hex::word_address(trader)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn both_name_their_tokens_and_the_trader() {
        let side = |token: u8, raw: u64| (Address::with_last_byte(token), U256::from(raw));
        let second = log(&BANCOR_V2, 3, &[10, 20, 1]).unwrap();
        assert_eq!(second.claim, Claim::Named { sold: side(1, 10), bought: side(2, 20) });
        assert_eq!(second.recipient, Some(Address::with_last_byte(3)));
        let third = log(&BANCOR_V3, 3, &[10, 20, 5, 1, 1, 9]).unwrap();
        assert_eq!(third.claim, Claim::Named { sold: side(2, 10), bought: side(3, 20) });
        assert_eq!((third.holder, third.recipient), (MASTER_VAULT, Some(Address::with_last_byte(9))));
        assert_eq!(log(&BANCOR_V3, 3, &[10, 20, 5]), None);
    }
}
