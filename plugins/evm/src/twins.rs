//! Tokens that go by two contracts which both tell each transfer: one of them is the asset, the other repeats it.

use crate::model::{Claim, SwapEvent, Transfer};
use crate::reports::Report;
use crate::settlement::SettledOrder;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;

/// The contracts that repeat, with those that are the assets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Twins(BTreeMap<Address, Address>);

impl Twins {
    /// Of pairs: the contract that repeats, and the asset.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (Address, Address)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The asset behind a contract.
    pub(crate) fn asset(&self, token: Address) -> Address {
        self.0.get(&token).copied().unwrap_or(token)
    }

    /// Those of them that repeat in a transaction: both contracts tell transfers. Where one alone does, it is the asset, as
    /// it was before the other came.
    pub(crate) fn in_transaction(&self, transfers: &[Transfer]) -> Self {
        let tells = |token: &Address| transfers.iter().any(|transfer| transfer.token == *token);
        let both = self.0.iter().filter(|(twin, asset)| tells(twin) && tells(asset));
        Self(both.map(|(twin, asset)| (*twin, *asset)).collect())
    }

    /// Leaves each transfer once: that of a twin goes where the asset tells the same one, and is the asset's where it does
    /// not.
    pub(crate) fn merge(&self, transfers: &mut Vec<Transfer>) {
        if self.0.is_empty() {
            return;
        }
        let mut told: BTreeMap<(Address, Address, Address, U256), u32> = BTreeMap::new();
        for Transfer { token, from, to, raw } in transfers.iter() {
            *told.entry((*token, *from, *to, *raw)).or_default() += 1;
        }
        transfers.retain_mut(|transfer| {
            let asset = self.asset(transfer.token);
            if asset == transfer.token {
                return true;
            }
            transfer.token = asset;
            match told.get_mut(&(asset, transfer.from, transfer.to, transfer.raw)) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    false
                }
                _ => true,
            }
        });
    }

    /// An event with the assets that it means.
    pub(crate) fn of_event(&self, mut event: SwapEvent) -> SwapEvent {
        if let Claim::Named { sold, bought } = &mut event.claim {
            (sold.0, bought.0) = (self.asset(sold.0), self.asset(bought.0));
        }
        event
    }

    /// Puts the assets that are meant into orders and reports.
    pub(crate) fn rename(&self, orders: &mut [SettledOrder], reports: &mut [Report]) {
        for terms in orders.iter_mut().filter_map(|order| order.terms.as_mut()) {
            (terms.sold.0, terms.bought.0) = (self.asset(terms.sold.0), self.asset(terms.bought.0));
        }
        for report in reports {
            (report.sold.0, report.bought.0) = (self.asset(report.sold.0), self.asset(report.bought.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transfer_is_left_once() {
        let [old, new, other] = [1, 2, 3].map(Address::with_last_byte);
        let [one, two] = [8, 9].map(Address::with_last_byte);
        let twins = Twins::new([(old, new)]);
        let moved = |token, from, to, raw: u64| Transfer { token, from, to, raw: U256::from(raw) };
        let mut transfers = vec![
            moved(old, one, two, 5),
            moved(new, one, two, 5),
            // The asset alone tells it, and its twin alone does.
            moved(new, two, one, 6),
            moved(old, two, one, 7),
            moved(other, one, two, 5),
            // The same amount twice, each told twice.
            moved(new, one, two, 9),
            moved(old, one, two, 9),
            moved(old, one, two, 9),
            moved(new, one, two, 9),
        ];
        assert_eq!(twins.in_transaction(&transfers[..1]), Twins::default(), "it alone is the asset");
        twins.in_transaction(&transfers).merge(&mut transfers);
        let right = [
            moved(new, one, two, 5),
            moved(new, two, one, 6),
            moved(new, two, one, 7),
            moved(other, one, two, 5),
            moved(new, one, two, 9),
            moved(new, one, two, 9),
        ];
        assert_eq!(transfers, right);
        assert_eq!((twins.asset(old), twins.asset(new), twins.asset(other)), (new, new, other));
    }
}
