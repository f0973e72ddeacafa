//! Maker's and Sky's peg stability modules: USDC for DAI at one to one, less a fee. What a module takes lies elsewhere, and DAI
//! may be minted and burnt, so the known modules are believed.

use crate::hex;
use crate::model::{Amount, Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, U256, address};

/// `SellGem(address indexed owner, uint256 value, uint256 fee)`: USDC was sold.
pub const PSM_SELL: Venue =
    Venue { emitters: MODULES, ..Venue::anywhere("maker-psm", "SellGem(address,uint256,uint256)", read_sale) };

/// `BuyGem(address indexed owner, uint256 value, uint256 fee)`: USDC was bought.
pub const PSM_BUY: Venue =
    Venue { emitters: MODULES, ..Venue::anywhere("maker-psm", "BuyGem(address,uint256,uint256)", read_purchase) };

/// The modules of USDC, of before and of now; Sky's own goes through the second.
const MODULES: &[Address] =
    &[address!("89b78cfa322f6c5de0abceecab66aee45393cc5a"), address!("f6e72db5454dd049d0788e411b06cfaf16853042")];

const USDC: Address = address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48");
const DAI: Address = address!("6b175474e89094c44da98b954eedeac495271d0f");

/// DAI has twelve digits more than USDC.
const SCALE: U256 = U256::from_limbs([1_000_000_000_000, 0, 0, 0]);

fn read_sale(log: &Log<'_>) -> Option<SwapEvent> {
    read(log, |usdc, dai, fee| Some(((USDC, usdc), (DAI, dai.checked_sub(fee)?))))
}

fn read_purchase(log: &Log<'_>) -> Option<SwapEvent> {
    read(log, |usdc, dai, fee| Some(((DAI, dai.checked_add(fee)?), (USDC, usdc))))
}

/// `sides` makes what was sold and bought of USDC, as much DAI, and the fee in DAI.
fn read(log: &Log<'_>, sides: fn(U256, U256, U256) -> Option<(Amount, Amount)>) -> Option<SwapEvent> {
    let &[_, owner] = log.topics.as_slice() else { return None };
    let [usdc, fee] = hex::words(log.data)?;
    let (sold, bought) = sides(usdc, usdc.checked_mul(SCALE)?, fee)?;
    let module = hex::address(log.address)?;
    let event = SwapEvent::new(PoolId::Contract(module), module, Claim::Named { sold, bought });
    Some(event.to(hex::padded_address(owner)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::example::log;

    #[test]
    fn the_fee_is_in_dai_either_way() {
        let dai = |raw: u64| (DAI, U256::from(raw));
        let usdc = (USDC, U256::from(3));
        let sale = log(&PSM_SELL, 1, &[3, 1_000]).unwrap();
        assert_eq!(sale.claim, Claim::Named { sold: usdc, bought: dai(2_999_999_999_000) });
        let purchase = log(&PSM_BUY, 1, &[3, 1_000]).unwrap();
        assert_eq!(purchase.claim, Claim::Named { sold: dai(3_000_000_001_000), bought: usdc });
        assert_eq!(log(&PSM_SELL, 1, &[0, 1]), None, "a fee of more than all");
    }
}
