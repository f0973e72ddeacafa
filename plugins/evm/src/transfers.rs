//! Transfers: which tokens the pools of one transaction really received and sent.

use crate::hex;
use crate::model::{Moved, Transfer};
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, U256};

/// The events that are read here. Tokens of ERC-404 tell amounts by `ERC20Transfer`, and pieces by `Transfer`.
pub(crate) const TRANSFER_EVENTS: &[(&str, Role)] = &[
    ("Transfer(address,address,uint256)", Role::Transfer),
    ("ERC20Transfer(address,address,uint256)", Role::AmountTransfer),
];

impl Transfer {
    /// Reads a transfer of an amount. Tokens may leave their parties unindexed; with a fourth topic it is a numbered piece.
    pub fn read(log: &Log<'_>) -> Option<Self> {
        if !matches!(log.role(), Some(Role::Transfer | Role::AmountTransfer)) {
            return None;
        }
        let (from, to, raw) = match log.topics.as_slice() {
            [_, from, to] => {
                let [raw] = hex::words(log.data)?;
                (hex::padded_address(from)?, hex::padded_address(to)?, raw)
            }
            [_, from] => {
                let [to, raw] = hex::words(log.data)?;
                (hex::padded_address(from)?, hex::word_address(to)?, raw)
            }
            [_] => {
                let [from, to, raw] = hex::words(log.data)?;
                (hex::word_address(from)?, hex::word_address(to)?, raw)
            }
            _ => return None,
        };
        Some(Self { token: hex::address(log.address)?, from, to, raw })
    }
}

/// The transfers of a transaction, each with its place among the logs. Of a token that tells amounts by an event of its
/// own, nothing else counts.
pub(crate) fn read_all(logs: &[Log<'_>]) -> Vec<(u32, Transfer)> {
    let of_amounts = |log: &&Log<'_>| log.role() == Some(Role::AmountTransfer);
    let mut apart: Vec<Address> = logs.iter().filter(of_amounts).filter_map(|log| hex::address(log.address)).collect();
    apart.sort_unstable();
    let read = |(place, log): (u32, &Log<'_>)| {
        let transfer = Transfer::read(log)?;
        let is_piece = log.role() == Some(Role::Transfer) && apart.binary_search(&transfer.token).is_ok();
        (!is_piece).then_some((place, transfer))
    };
    (0..).zip(logs).filter_map(read).collect()
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
    /// Each transfer to or from a pool, in the order of pools, direction, amount and place.
    single: Vec<(PoolTransfer, Address, Address)>,
}

/// One transfer to or from a pool; the token and the other party stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PoolTransfer {
    pool: Address,
    into: bool,
    raw: U256,
    place: u32,
}

/// Of transfers of one amount, at most so many around an event are looked at.
const MAX_NEIGHBOURS: usize = 8;

impl Backing {
    /// What moved to and from the given pools, which must be sorted.
    pub(crate) fn from_transfers(pools: &[Address], transfers: &[(u32, Transfer)]) -> Self {
        let is_pool = |who: &Address| pools.binary_search(who).is_ok();
        let mut moved: Vec<((Address, Address), Moved)> = vec![];
        let mut single = vec![];
        for (place, Transfer { token, from, to, raw }) in transfers {
            if is_pool(to) {
                moved.push(((*to, *token), Moved { into: *raw, out: U256::ZERO }));
                single.push((PoolTransfer { pool: *to, into: true, raw: *raw, place: *place }, *token, *from));
            }
            if is_pool(from) {
                moved.push(((*from, *token), Moved { into: U256::ZERO, out: *raw }));
                single.push((PoolTransfer { pool: *from, into: false, raw: *raw, place: *place }, *token, *to));
            }
        }
        add_up(&mut moved);
        single.sort_unstable();
        Self { moved, single }
    }

    /// The token of the transfer of exactly this amount into (or out of) a pool that stands nearest to an event at this
    /// place, rather before than behind it, other than `not`. Where none of them has one, several swaps share what moved.
    pub(crate) fn exact(&self, of: (Address, U256), into: bool, place: u32, not: Option<Address>) -> Option<Address> {
        self.around(of, into, place).find(|(token, _)| Some(*token) != not).map(|(token, _)| token)
    }

    /// Who sent the transfer of exactly this amount of a token into a pool that stands nearest to an event at this place.
    pub(crate) fn payer(&self, of: (Address, U256), token: Address, place: u32) -> Option<Address> {
        self.around(of, true, place).find(|(of, _)| *of == token).map(|(_, from)| from)
    }

    /// Tokens and other parties of transfers of one amount, those before an event first, the nearest of them first.
    fn around(&self, (pool, raw): (Address, U256), into: bool, place: u32) -> impl Iterator<Item = (Address, Address)> {
        let at = PoolTransfer { pool, into, raw, place };
        let is_of =
            move |(one, ..): &&(PoolTransfer, Address, Address)| (one.pool, one.into, one.raw) == (pool, into, raw);
        let (before, behind) = self.single.split_at(self.single.partition_point(|(one, ..)| *one < at));
        let before = before.iter().rev().take_while(is_of).take(MAX_NEIGHBOURS);
        let behind = behind.iter().take_while(is_of).take(MAX_NEIGHBOURS);
        before.chain(behind).map(|(_, token, other)| (*token, *other))
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
    use crate::topics::example::topic;
    use chain_plugin_sdk::json::Cursor;

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
        let placed: Vec<(u32, Transfer)> = (0..).zip(transfers).collect();
        let mut backing = Backing::from_transfers(&[pool], &placed);
        let left = |backing: &Backing, token| [true, false].map(|into| backing.left(pool, token, into).to::<u64>());
        assert_eq!([left(&backing, token), left(&backing, other), left(&backing, user)], [[130, 103], [0, 3], [0, 0]]);
        assert_eq!(backing.tokens(pool).collect::<Vec<_>>(), [token, other]);
        backing.use_up(pool, token, Moved { into: U256::from(30), out: U256::from(200) });
        assert_eq!(left(&backing, token), [100, 0]);
        assert!(backing.is_two_way(pool) && !backing.is_two_way(user));
    }

    #[test]
    fn of_equal_amounts_the_transfer_just_before_the_event_counts() {
        let [pool, user, one, two, three] = [1, 2, 3, 4, 5].map(Address::repeat_byte);
        let paid = |place, token, raw: u64| (place, Transfer { token, from: user, to: pool, raw: U256::from(raw) });
        let backing = Backing::from_transfers(&[pool], &[paid(0, one, 600), paid(3, two, 600), paid(9, three, 600)]);
        let exact = |place, raw, not| backing.exact((pool, U256::from(raw)), true, place, not);
        assert_eq!([2, 5, 10].map(|place| exact(place, 600, None)), [Some(one), Some(two), Some(three)]);
        assert_eq!([exact(2, 600, Some(one)), exact(2, 601, None)], [Some(two), None]);
        assert_eq!(backing.payer((pool, U256::from(600)), two, 20), Some(user));
        assert_eq!(backing.payer((pool, U256::from(600)), user, 20), None);
    }

    fn read(texts: &[String]) -> Vec<(u32, Transfer)> {
        let mut logs = vec![];
        for text in texts {
            logs.push(Log::read(&mut Cursor::new(text), crate::events::table()).unwrap());
        }
        read_all(&logs)
    }

    #[test]
    fn a_transfer_has_many_shapes() {
        let word = |number: u64| format!("{number:064x}");
        let log = |event: usize, emitter: u8, indexed: &[u64], data: &[u64]| {
            let topics = indexed.iter().map(|of| format!(r#","0x{}""#, word(*of))).collect::<Vec<_>>().concat();
            let data = data.iter().map(|of| word(*of)).collect::<Vec<_>>().concat();
            let (emitter, event) = (hex::encode(Address::repeat_byte(emitter)), topic(TRANSFER_EVENTS[event]));
            format!(r#"{{"address":"{emitter}","topics":["{event}"{topics}],"data":"0x{data}"}}"#)
        };
        let moved = |token, raw: u64| Transfer {
            token: Address::repeat_byte(token),
            from: Address::with_last_byte(1),
            to: Address::with_last_byte(2),
            raw: U256::from(raw),
        };
        let logs = [
            log(0, 7, &[1, 2], &[30]),
            log(0, 7, &[], &[1, 2, 31]),
            log(0, 7, &[1], &[2, 32]),
            // A numbered piece, and what is none of these.
            log(0, 7, &[1, 2, 33], &[]),
            log(0, 7, &[1, 2], &[34, 35]),
            // One that tells amounts apart: its pieces are passed, wherever they stand.
            log(0, 8, &[1, 2], &[5]),
            log(1, 8, &[1, 2], &[36]),
            log(0, 8, &[1, 2, 5], &[]),
        ];
        assert_eq!(read(&logs), [(0, moved(7, 30)), (1, moved(7, 31)), (2, moved(7, 32)), (6, moved(8, 36))]);
    }
}
