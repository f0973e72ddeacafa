//! Transfers: which tokens the pools of one transaction really received and sent.

use crate::hex;
use crate::model::{Moved, NATIVE_LOGS, Transfer};
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

/// The events that are read here; the second is that of ERC-404 tokens, whose own `Transfer` may be of an NFT's number.
pub(crate) const TRANSFER_EVENTS: &[(&str, Role)] = &[
    ("Transfer(address,address,uint256)", Role::Transfer),
    ("ERC20Transfer(address,address,uint256)", Role::AmountTransfer),
];

/// Of several tokens that moved by the very same amount, so many are looked at for the one that an event means.
const MAX_EQUAL_AMOUNTS: usize = 64;

/// All movements of tokens in a transaction. Of a token that has an event for amounts of its own, only that one counts.
pub(crate) fn read_all(logs: &[Log<'_>]) -> Vec<Transfer> {
    let mut by_amounts: Vec<Address> = (logs.iter())
        .filter(|log| log.role() == Some(Role::AmountTransfer))
        .filter_map(|log| Transfer::read(log).map(|transfer| transfer.token))
        .collect();
    by_amounts.sort_unstable();
    by_amounts.dedup();
    let counts = |log: &&Log<'_>| {
        by_amounts.is_empty()
            || log.role() == Some(Role::AmountTransfer)
            || hex::address(log.address).is_none_or(|token| by_amounts.binary_search(&token).is_err())
    };
    logs.iter().filter(counts).filter_map(Transfer::read).collect()
}

impl Transfer {
    /// Reads an ERC-20 transfer: the amount is the last word of the data, and accounts that are no topics stand before it.
    /// (With a fourth topic it is an ERC-721 token's number.) What says that native coin moved is no token's.
    pub fn read(log: &Log<'_>) -> Option<Self> {
        if !matches!(log.role(), Some(Role::Transfer | Role::AmountTransfer)) {
            return None;
        }
        let account = |word: U256| {
            let bytes = word.to_be_bytes::<32>();
            bytes[..12].iter().all(|byte| *byte == 0).then(|| Address::from_slice(&bytes[12..]))
        };
        let (from, to, raw) = match *log.topics.as_slice() {
            [_, from, to] => {
                let [raw] = hex::words(log.data)?;
                (hex::padded_address(from)?, hex::padded_address(to)?, raw)
            }
            [_, from] => {
                let [to, raw]: [U256; 2] = hex::words(log.data)?;
                (hex::padded_address(from)?, account(to)?, raw)
            }
            [_] => {
                let [from, to, raw]: [U256; 3] = hex::words(log.data)?;
                (account(from)?, account(to)?, raw)
            }
            _ => return None,
        };
        let token = hex::address(log.address).filter(|token| *token != NATIVE_LOGS)?;
        Some(Self { token, from, to, raw })
    }
}

/// What came to and went from each account by these transfers.
pub(crate) fn flows_by_account<'t>(transfers: impl IntoIterator<Item = &'t Transfer>) -> BTreeMap<Address, Moved> {
    let mut flows: BTreeMap<Address, Moved> = BTreeMap::new();
    for Transfer { from, to, raw, .. } in transfers {
        let into = &mut flows.entry(*to).or_default().into;
        *into = into.saturating_add(*raw);
        let out = &mut flows.entry(*from).or_default().out;
        *out = out.saturating_add(*raw);
    }
    flows
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
    /// Single transfers of pools whose events name no token: by pool, whether it received, and the amount; the tokens that
    /// moved so, in the order of their transfers.
    single: BTreeMap<(Address, bool, U256), Vec<Address>>,
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
        Self { moved, single: BTreeMap::new() }
    }

    /// Notes each transfer of the given pools, which must be sorted: their events name no token, but the very amount.
    pub(crate) fn note_single(&mut self, pools: &[Address], transfers: &[Transfer]) {
        if pools.is_empty() {
            return;
        }
        for Transfer { token, from, to, raw } in transfers {
            for (pool, is_in) in [(to, true), (from, false)] {
                if pools.binary_search(pool).is_ok() {
                    self.single.entry((*pool, is_in, *raw)).or_default().push(*token);
                }
            }
        }
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

    /// The token, other than `not`, of the first unused transfer of just this amount; else the one whose movement into (or
    /// out of) a pool comes nearest to it.
    pub(crate) fn nearest(&self, pool: Address, amount: U256, into: bool, not: Option<Address>) -> Option<Address> {
        let of = |moved: &Moved| if into { moved.into } else { moved.out };
        let exact = self
            .single
            .get(&(pool, into, amount))
            .and_then(|tokens| tokens.iter().take(MAX_EQUAL_AMOUNTS).copied().find(|token| Some(*token) != not));
        if exact.is_some() {
            return exact;
        }
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
        for (raw, is_in) in [(used.into, true), (used.out, false)] {
            if let Some(tokens) = self.single.get_mut(&(pool, is_in, raw))
                && let Some(at) = tokens.iter().take(MAX_EQUAL_AMOUNTS).position(|of| *of == token)
            {
                tokens.remove(at);
            }
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
    use crate::topics::example::topic;
    use chain_plugin_sdk::json::Cursor;

    #[test]
    fn amounts_are_read_wherever_the_accounts_stand() {
        let [plain, of_amounts] = [0, 1].map(|at| topic(TRANSFER_EVENTS[at]));
        let log = |token: Address, event: &str, topics: &[u64], words: &[u64]| {
            let topics = topics.iter().map(|word| format!(r#","0x{word:064x}""#)).collect::<Vec<_>>().concat();
            let data = words.iter().map(|word| format!("{word:064x}")).collect::<Vec<_>>().concat();
            format!(r#"{{"address":"{}","topics":["{event}"{topics}],"data":"0x{data}"}}"#, hex::encode(token))
        };
        let read = |texts: &[String]| {
            let logs: Vec<Log<'_>> =
                (texts.iter()).map(|text| Log::read(&mut Cursor::new(text), crate::events::table()).unwrap()).collect();
            read_all(&logs)
        };
        let token = Address::repeat_byte(9);
        let one =
            Transfer { token, from: Address::with_last_byte(1), to: Address::with_last_byte(2), raw: U256::from(30) };
        for (topics, words) in [(&[1, 2][..], &[30][..]), (&[1], &[2, 30]), (&[], &[1, 2, 30])] {
            for event in [&plain, &of_amounts] {
                assert_eq!(read(&[log(token, event, topics, words)]), [one], "{topics:?} {words:?}");
            }
        }
        // An ERC-721 token's number; native coin, which is no token; a number beside the event that is of amounts.
        assert_eq!(read(&[log(token, &plain, &[1, 2, 30], &[])]), []);
        assert_eq!(read(&[log(NATIVE_LOGS, &plain, &[1, 2], &[30])]), []);
        assert_eq!(read(&[log(token, &plain, &[1, 2], &[7]), log(token, &of_amounts, &[1, 2], &[30])]), [one]);
    }

    #[test]
    fn equal_amounts_of_several_tokens_are_used_in_their_order() {
        let [pool, user, token, other] = [1, 2, 3, 4].map(Address::repeat_byte);
        let raw = U256::from(10);
        let transfers = [other, token].map(|token| Transfer { token, from: user, to: pool, raw });
        let mut backing = Backing::from_transfers(&[pool], &transfers);
        backing.note_single(&[pool], &transfers);
        assert_eq!(backing.nearest(pool, raw, true, None), Some(other));
        backing.use_up(pool, other, Moved { into: raw, out: U256::ZERO });
        assert_eq!(backing.nearest(pool, raw, true, None), Some(token));
    }

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
