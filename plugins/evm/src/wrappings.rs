//! Wrappings: which tokens became shares of them on the way, and back, as vaults and buffers say.

use crate::hex;
use crate::rpc::Log;
use crate::topics::Role;
use crate::venues::{ListedVault, balancer};
use alloy_primitives::{Address, U256};

/// ERC-4626: `Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares)` and
/// `Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares)`.
/// Balancer V3: `Wrap(address indexed wrappedToken, uint256 depositedUnderlying, uint256 mintedShares,
/// bytes32 bufferBalances)` and `Unwrap(address indexed wrappedToken, uint256 burnedShares, uint256 withdrawnUnderlying,
/// bytes32 bufferBalances)`.
pub(crate) const WRAPPING_EVENTS: &[(&str, Role)] = &[
    ("Deposit(address,address,uint256,uint256)", Role::Wrap),
    ("Withdraw(address,address,address,uint256,uint256)", Role::Unwrap),
    ("Wrap(address,uint256,uint256,bytes32)", Role::Wrap),
    ("Unwrap(address,uint256,uint256,bytes32)", Role::Unwrap),
];

/// An amount of a token that became shares, or was got back for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrapping {
    /// The share: a token of its own.
    pub(crate) share: Address,
    /// How much of the token within; which token that is, the event does not say.
    pub(crate) assets: U256,
    /// Whether it became shares.
    pub(crate) is_into: bool,
}

impl Wrapping {
    /// Reads the event: a share speaks for itself only, and Balancer's vault, or one that the settings list, for its buffers.
    pub(crate) fn read(log: &Log<'_>, listed: &[ListedVault]) -> Option<Self> {
        let is_into = match log.role()? {
            Role::Wrap => true,
            Role::Unwrap => false,
            _ => return None,
        };
        let emitter = hex::address(log.address)?;
        if let &[_, share] = log.topics.as_slice() {
            let [first, second, _]: [U256; 3] = hex::words(log.data)?;
            let venue = &balancer::BALANCER_V3;
            let is_vault = venue.emitters.contains(&emitter) || listed.contains(&(emitter, venue.name));
            let assets = if is_into { first } else { second };
            return is_vault.then(|| hex::padded_address(share))?.map(|share| Self { share, assets, is_into });
        }
        let [assets, _]: [U256; 2] = hex::words(log.data)?;
        (log.topics.as_slice().len() == if is_into { 3 } else { 4 }).then_some(Self { share: emitter, assets, is_into })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::example::topic;

    #[test]
    fn topics_are_those_that_the_chain_has() {
        let topics: Vec<String> = WRAPPING_EVENTS.iter().map(|event| topic(*event)).collect();
        assert_eq!(topics[0], "0xdcbc1c05240f31ff3ad067ef1ee35ce4997762752e3a095284754544f4c709d7");
        assert_eq!(topics[1], "0xfbde797d201c681b91056529119e0b02407c7bb96a4a2c75c01fc9667232c8db");
        assert_eq!(topics[2], "0x3771d13c67011e31e12031c54bb59b0bf544a80b81d280a3711e172aa8b7f47b");
        assert_eq!(topics[3], "0xeeb740c90bf2b18c9532eb7d473137767036d893dff3e009f32718f821b2a4c0");
    }
}
