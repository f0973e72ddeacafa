//! Decides whether a difference of an asset that legs both gave and got stayed with the trader.

use crate::attribution::transaction::TransactionView;
use crate::model::Leg;
use alloy_primitives::{Address, U256};
use netting::TraderView;

/// Decides by the transfers of the transaction.
pub(crate) struct TraderHoldings<'a> {
    /// The transaction.
    pub(crate) transaction: &'a TransactionView<'a>,
    /// The legs that are netted.
    pub(crate) legs: &'a [Leg],
    /// The account whose legs they are, else the sender.
    pub(crate) owner: Address,
}

impl TraderView<Address> for TraderHoldings<'_> {
    /// The owner, the contract that was called and the recipients that swap events name count as the trader; pools do not,
    /// nor does the token itself. The wrapped coin always counts: it leaves as native coin, which no log shows.
    fn stayed_with_trader(&self, asset: Address, is_gain: bool) -> bool {
        if self.transaction.is_coin(asset) {
            return true;
        }
        let mut holders: Vec<Address> = [Some(self.owner), self.transaction.callee]
            .into_iter()
            .flatten()
            .chain(self.legs.iter().filter_map(|leg| leg.recipient))
            .filter(|holder| *holder != asset)
            .collect();
        holders.sort_unstable();
        holders.dedup();
        let mut pools: Vec<Address> = self.legs.iter().map(|leg| leg.holder).collect();
        pools.sort_unstable();
        let holds = |address: &Address| holders.binary_search(address).is_ok() && pools.binary_search(address).is_err();
        let (mut into, mut out) = (U256::ZERO, U256::ZERO);
        for transfer in self.transaction.transfers.iter().filter(|transfer| transfer.token == asset) {
            match (holds(&transfer.from), holds(&transfer.to)) {
                (false, true) => into = into.saturating_add(transfer.raw),
                (true, false) => out = out.saturating_add(transfer.raw),
                _ => {}
            }
        }
        if is_gain { into > out } else { out > into }
    }

    /// The wrapped coin before dollars, dollars before everything else.
    fn cash_rank(&self, asset: Address) -> u8 {
        match (self.transaction.is_coin(asset), self.transaction.rules.is_stable(asset)) {
            (true, _) => 2,
            (_, true) => 1,
            _ => 0,
        }
    }
}
