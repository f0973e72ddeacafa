//! Amounts in the form of the contract: 256-bit integers and dollars.

use crate::{Uint256, Usd};
use ruint::aliases::U256;

/// A 256-bit integer in the form of the contract.
pub fn uint256(value: U256) -> Uint256 {
    let [limb0, limb1, limb2, limb3] = value.into_limbs();
    Uint256 { limb0, limb1, limb2, limb3 }
}

/// The 256-bit integer of a contract's value.
pub fn from_uint256(value: Uint256) -> U256 {
    U256::from_limbs([value.limb0, value.limb1, value.limb2, value.limb3])
}

/// Dollars in units of 10^-18.
pub fn usd(units: u128) -> Usd {
    #[expect(clippy::cast_possible_truncation, reason = "only the low half is wanted")]
    Usd { low: units as u64, high: (units >> 64) as u64 }
}

/// The dollars of a contract's value, in units of 10^-18.
pub fn from_usd(value: Usd) -> u128 {
    (u128::from(value.high) << 64) | u128::from(value.low)
}
