//! Transfers: which tokens the pools of one transaction really received and sent.

use crate::hex;
use crate::model::{Moved, Transfer};
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, U256};

/// The event that is read here.
pub(crate) const TRANSFER_EVENTS: &[(&str, Role)] = &[("Transfer(address,address,uint256)", Role::Transfer)];

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

/// Sorts movements by key and adds up those of the same key.
pub(crate) fn add_up<K: Copy + Ord>(moved: &mut Vec<(K, Moved)>) {
    moved.sort_unstable_by_key(|(of, _)| *of);
    moved.dedup_by(|(next, later), (of, sum)| {
        let is_same = next == of;
        if is_same {
            sum.into = sum.into.saturating_add(later.into);
            sum.out = sum.out.saturating_add(later.out);
        }
        is_same
    });
}

/// Per pool and token: what moved in one transaction and is not yet used up by a leg.
#[derive(Debug, Default)]
pub(crate) struct Backing {
    /// In the order of pools and tokens: a hostile transaction must not cost the square of its transfers.
    moved: Vec<((Address, Address), Moved)>,
}

impl Backing {
    /// What moved to and from the given pools, which must be sorted.
    pub(crate) fn from_transfers(pools: &[Address], transfers: &[Transfer]) -> Self {
        let is_pool = |who: &Address| pools.binary_search(who).is_ok();
        let mut moved: Vec<((Address, Address), Moved)> = vec![];
        for Transfer { token, from, to, raw } in transfers {
            if is_pool(to) {
                moved.push(((*to, *token), Moved { into: *raw, out: U256::ZERO }));
            }
            if is_pool(from) {
                moved.push(((*from, *token), Moved { into: U256::ZERO, out: *raw }));
            }
        }
        add_up(&mut moved);
        Self { moved }
    }

    /// The tokens that moved to or from a pool.
    pub(crate) fn tokens(&self, pool: Address) -> impl Iterator<Item = Address> {
        self.range(pool).map(|((_, token), _)| *token)
    }

    /// Whether the pool received something and sent something; without both nothing can be a leg.
    pub(crate) fn is_two_way(&self, pool: Address) -> bool {
        let (mut into, mut out) = (false, false);
        for (_, moved) in self.range(pool) {
            into |= !moved.into.is_zero();
            out |= !moved.out.is_zero();
        }
        into && out
    }

    /// The token whose movement into (or out of) a pool comes nearest to an amount, other than `not`.
    pub(crate) fn nearest(&self, pool: Address, amount: U256, into: bool, not: Option<Address>) -> Option<Address> {
        let of = |moved: &Moved| if into { moved.into } else { moved.out };
        self.range(pool)
            .filter(|((_, token), moved)| !of(moved).is_zero() && Some(*token) != not)
            .min_by_key(|(_, moved)| of(moved).abs_diff(amount))
            .map(|((_, token), _)| *token)
    }

    /// The smaller of what an event claims and what is left of what moved.
    pub(crate) fn cap(&self, pool: Address, token: Address, claimed: Moved) -> Moved {
        let left = self.of_token(pool, token);
        Moved { into: claimed.into.min(left.into), out: claimed.out.min(left.out) }
    }

    /// What is left of what moved one way.
    pub(crate) fn left(&self, pool: Address, token: Address, into: bool) -> U256 {
        let left = self.of_token(pool, token);
        if into { left.into } else { left.out }
    }

    /// Subtracts what backed a leg, so that it backs no other.
    pub(crate) fn use_up(&mut self, pool: Address, token: Address, used: Moved) {
        if let Ok(at) = self.place(pool, token) {
            let left = &mut self.moved[at].1;
            left.into = left.into.saturating_sub(used.into);
            left.out = left.out.saturating_sub(used.out);
        }
    }

    fn of_token(&self, pool: Address, token: Address) -> Moved {
        self.place(pool, token).map_or_else(|_| Moved::default(), |at| self.moved[at].1)
    }

    fn place(&self, pool: Address, token: Address) -> Result<usize, usize> {
        self.moved.binary_search_by_key(&(pool, token), |(of, _)| *of)
    }

    fn range(&self, pool: Address) -> impl Iterator<Item = &((Address, Address), Moved)> {
        let first = self.moved.partition_point(|((of, _), _)| *of < pool);
        self.moved[first..].iter().take_while(move |((of, _), _)| *of == pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_in_several_transfers_is_one_sum_each_way() {
        let [pool, user, token, other] = [1, 2, 3, 4].map(Address::repeat_byte);
        let moved = |token, from, to, raw: u64| Transfer { token, from, to, raw: U256::from(raw) };
        let transfers = [
            moved(token, user, pool, 10),
            moved(other, pool, user, 3),
            moved(token, pool, user, 1),
            moved(token, user, pool, 20),
            moved(token, pool, user, 2),
            moved(token, pool, pool, 100),
            moved(token, user, user, 1_000),
        ];
        let mut backing = Backing::from_transfers(&[pool], &transfers);
        let left = |backing: &Backing, token| [true, false].map(|into| backing.left(pool, token, into).to::<u64>());
        assert_eq!([left(&backing, token), left(&backing, other), left(&backing, user)], [[130, 103], [0, 3], [0, 0]]);
        assert_eq!(backing.tokens(pool).collect::<Vec<_>>(), [token, other]);
        backing.use_up(pool, token, Moved { into: U256::from(30), out: U256::from(200) });
        assert_eq!(left(&backing, token), [100, 0]);
        assert!(backing.is_two_way(pool) && !backing.is_two_way(user));
    }
}
