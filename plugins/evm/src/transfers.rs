//! What really moved: the tokens that the pools of one transaction received and sent.

use crate::hex;
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

/// What is read here.
pub const EVENTS: &[(&str, Role)] = &[("Transfer(address,address,uint256)", Role::Transfer)];

/// One movement of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The contract that says so.
    pub token: Address,
    /// Who gave.
    pub from: Address,
    /// Who got.
    pub to: Address,
    /// In the token's smallest unit.
    pub raw: U256,
}

impl Transfer {
    /// Reads an ERC-20 transfer: the amount stands in the data. (With a fourth topic it is an ERC-721 token's number.)
    pub fn read(log: &Log<'_>) -> Option<Self> {
        let (&[_, from, to], Some(Role::Transfer)) = (log.topics.as_slice(), log.role()) else { return None };
        let [raw] = hex::words(log.data)?;
        Some(Self {
            token: hex::address(log.address)?,
            from: hex::padded_address(from)?,
            to: hex::padded_address(to)?,
            raw,
        })
    }
}

/// What came into and went out of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Received.
    pub into: U256,
    /// Sent.
    pub out: U256,
}

/// Per pool and token: what moved in one transaction and is not yet used up by a leg.
#[derive(Debug, Default)]
pub struct Backing {
    moved: BTreeMap<(Address, Address), Moved>,
}

impl Backing {
    /// What moved to and from the given pools, which must be sorted.
    pub fn of(pools: &[Address], transfers: &[Transfer]) -> Self {
        let mut moved: BTreeMap<(Address, Address), Moved> = BTreeMap::new();
        for transfer in transfers {
            if pools.binary_search(&transfer.to).is_ok() {
                let moved = moved.entry((transfer.to, transfer.token)).or_default();
                moved.into = moved.into.saturating_add(transfer.raw);
            }
            if pools.binary_search(&transfer.from).is_ok() {
                let moved = moved.entry((transfer.from, transfer.token)).or_default();
                moved.out = moved.out.saturating_add(transfer.raw);
            }
        }
        Self { moved }
    }

    /// The tokens that moved to or from a pool.
    pub fn tokens(&self, pool: Address) -> impl Iterator<Item = Address> {
        self.range(pool).map(|((_, token), _)| *token)
    }

    /// Whether the pool received something and sent something; without both nothing can be a leg.
    pub fn is_two_way(&self, pool: Address) -> bool {
        let (mut into, mut out) = (false, false);
        for (_, moved) in self.range(pool) {
            into |= !moved.into.is_zero();
            out |= !moved.out.is_zero();
        }
        into && out
    }

    /// The token whose movement into (or out of) a pool comes nearest to an amount, other than `not`.
    pub fn nearest(&self, pool: Address, amount: U256, into: bool, not: Option<Address>) -> Option<Address> {
        let of = |moved: &Moved| if into { moved.into } else { moved.out };
        self.range(pool)
            .filter(|((_, token), moved)| !of(moved).is_zero() && Some(*token) != not)
            .min_by_key(|(_, moved)| of(moved).abs_diff(amount))
            .map(|((_, token), _)| *token)
    }

    /// The smaller of what an event claims and what is left of what moved.
    pub fn cap(&self, pool: Address, token: Address, claimed: Moved) -> Moved {
        let left = self.moved.get(&(pool, token)).copied().unwrap_or_default();
        Moved { into: claimed.into.min(left.into), out: claimed.out.min(left.out) }
    }

    /// What is left of what moved one way.
    pub fn left(&self, pool: Address, token: Address, into: bool) -> U256 {
        let left = self.moved.get(&(pool, token)).copied().unwrap_or_default();
        if into { left.into } else { left.out }
    }

    /// Uses up what a leg was backed by.
    pub fn take(&mut self, pool: Address, token: Address, used: Moved) {
        if let Some(left) = self.moved.get_mut(&(pool, token)) {
            left.into = left.into.saturating_sub(used.into);
            left.out = left.out.saturating_sub(used.out);
        }
    }

    fn range(&self, pool: Address) -> impl Iterator<Item = (&(Address, Address), &Moved)> {
        self.moved.range((pool, Address::ZERO)..=(pool, Address::repeat_byte(0xff)))
    }
}
