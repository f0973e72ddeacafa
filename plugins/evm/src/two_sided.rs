//! What no list knows: the sender gave a contract one token and got another from it, and nothing else moved on its account.

use crate::hex;
use crate::model::{Amount, Transfer};
use crate::rpc::Receipt;
use crate::topics::Role;
use alloy_primitives::Address;
use std::collections::BTreeMap;

/// The venue of such a trade.
pub(crate) const UNKNOWN_VENUE: &str = "unknown";

/// An exchange of the sender with one contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TwoSidedExchange {
    /// Who got the one and gave the other.
    pub contract: Address,
    /// What the sender gave.
    pub sold: Amount,
    /// What the sender got.
    pub bought: Amount,
}

/// Whether the logs tell a transfer from the sender and one to it: a cheap look that spares most receipts the other.
pub(crate) fn is_likely(receipt: &Receipt<'_>) -> bool {
    let Some(sender) = hex::address(receipt.from) else { return false };
    let is_sender = |topic: &[u8]| hex::padded_address(topic) == Some(sender);
    let (mut gave, mut got) = (false, false);
    for log in receipt.logs.iter().filter(|log| log.role() == Some(Role::Transfer)) {
        if let [_, from, to] = *log.topics.as_slice() {
            gave |= is_sender(from);
            got |= is_sender(to);
        }
    }
    gave && got
}

/// The exchange, if all that moved on the sender's account is one token to a contract and one other from it. A token that
/// gives or takes itself is a wrapper, and wrapping is no trade.
pub(crate) fn find(sender: Address, transfers: &[Transfer]) -> Option<TwoSidedExchange> {
    let mut net: BTreeMap<Address, (Amount, Amount)> = BTreeMap::new();
    let mut contract = None;
    for transfer in transfers {
        let Transfer { token, from, to, raw } = *transfer;
        let other = match (from == sender, to == sender) {
            (false, false) => continue,
            (true, true) => return None,
            (true, false) => to,
            (false, true) => from,
        };
        if *contract.get_or_insert(other) != other {
            return None;
        }
        let (given, got) = net.entry(token).or_default();
        let sum = if from == sender { given } else { got };
        *sum = (token, sum.1.saturating_add(raw));
    }
    let contract = contract.filter(|contract| !contract.is_zero())?;
    let mut sides = net.into_values().filter(|(given, got)| !given.1.is_zero() || !got.1.is_zero());
    let (sold, bought) = match (sides.next()?, sides.next()?) {
        ((sold, nothing), (none, bought)) if nothing.1.is_zero() && none.1.is_zero() => (sold, bought),
        ((none, bought), (sold, nothing)) if nothing.1.is_zero() && none.1.is_zero() => (sold, bought),
        _ => return None,
    };
    let is_wrapper = [sold.0, bought.0].contains(&contract);
    (sides.next().is_none() && !is_wrapper).then_some(TwoSidedExchange { contract, sold, bought })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    const ME: Address = Address::repeat_byte(1);
    const VENUE: Address = Address::repeat_byte(2);
    const OTHER: Address = Address::repeat_byte(3);
    const SOLD: Address = Address::repeat_byte(4);
    const BOUGHT: Address = Address::repeat_byte(5);

    fn of(transfers: &[(Address, Address, Address, u64)]) -> Option<(Address, u64, Address, u64)> {
        let transfers: Vec<Transfer> = transfers
            .iter()
            .map(|(token, from, to, raw)| Transfer { token: *token, from: *from, to: *to, raw: U256::from(*raw) })
            .collect();
        let found = find(ME, &transfers)?;
        assert_eq!(found.contract, VENUE);
        Some((found.sold.0, found.sold.1.to(), found.bought.0, found.bought.1.to()))
    }

    #[test]
    fn one_token_for_one_other_with_one_contract() {
        let given = (SOLD, ME, VENUE, 10);
        let got = (BOUGHT, VENUE, ME, 20);
        let whole = Some((SOLD, 10, BOUGHT, 20));
        assert_eq!(of(&[given, got]), whole);
        assert_eq!(of(&[got, given]), whole, "in either order");
        assert_eq!(of(&[(SOLD, ME, VENUE, 4), got, (SOLD, ME, VENUE, 6)]), whole, "in several parts");
        assert_eq!(of(&[given, got, (OTHER, VENUE, OTHER, 7)]), whole, "whatever others moved");
        let swapped = [(BOUGHT, ME, VENUE, 20), (SOLD, VENUE, ME, 10)];
        assert_eq!(of(&swapped), Some((BOUGHT, 20, SOLD, 10)));
    }

    #[test]
    fn everything_else_is_no_exchange() {
        let (given, got) = ((SOLD, ME, VENUE, 10), (BOUGHT, VENUE, ME, 20));
        for (why, transfers) in [
            ("nothing came", vec![given]),
            ("nothing went", vec![got]),
            ("it came from another", vec![given, (BOUGHT, OTHER, ME, 20)]),
            ("it was minted", vec![given, (BOUGHT, Address::ZERO, ME, 20)]),
            ("another token came too", vec![given, got, (OTHER, VENUE, ME, 1)]),
            ("some of it came back", vec![given, got, (SOLD, VENUE, ME, 1)]),
            ("the token itself gave", vec![(SOLD, ME, BOUGHT, 10), (BOUGHT, BOUGHT, ME, 20)]),
            ("one token only", vec![given, (SOLD, VENUE, ME, 10)]),
            ("to itself", vec![given, got, (SOLD, ME, ME, 1)]),
            ("of nothing", vec![(SOLD, ME, VENUE, 0), got]),
        ] {
            assert_eq!(of(&transfers), None, "{why}");
        }
    }
}
