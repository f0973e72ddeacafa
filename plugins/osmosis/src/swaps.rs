//! A transaction's swaps: the `token_swapped` events of the pool manager, in order.
//!
//! The chain itself emits these events: those of contracts carry the prefix `wasm`, so nobody can invent one, and a leg needs no
//! other backing.

use crate::node::{NodeTransaction, TransactionEvent};
use chain_plugin_sdk::Failure;
use ruint::aliases::U256;

/// One swap in one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The account whose tokens were swapped.
    pub(crate) sender: String,
    /// The number of the pool.
    pub(crate) pool: String,
    /// What went into the pool.
    pub(crate) sold: Coin,
    /// What came out of the pool.
    pub(crate) bought: Coin,
    /// The index of the message that caused it, where the event has one.
    pub(crate) message: Option<String>,
}

/// An amount of one denom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coin {
    /// The amount in the smallest unit.
    pub(crate) raw: U256,
    /// `uosmo`, `ibc/…`, `factory/…`.
    pub(crate) denom: String,
}

impl Coin {
    /// Reads `2500000uosmo`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|it: char| !it.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (raw, denom) = text.split_at(digits);
        Some(Self { raw: raw.parse().ok()?, denom: denom.to_owned() })
    }
}

/// The swaps of a transaction.
pub(crate) fn hops(transaction: &NodeTransaction) -> Result<Vec<Hop>, Failure> {
    if !transaction.succeeded {
        return Ok(vec![]);
    }
    let swaps = transaction.events.iter().filter(|event| event.kind == "token_swapped");
    let bad = || {
        Failure::BadData(format!(
            "transaction {}: a `token_swapped` event lacks a field or an amount",
            transaction.hash
        ))
    };
    swaps.map(|event| hop(event).ok_or_else(bad)).collect()
}

fn hop(event: &TransactionEvent) -> Option<Hop> {
    Some(Hop {
        sender: event.get("sender")?.to_owned(),
        pool: event.get("pool_id")?.to_owned(),
        sold: Coin::parse(event.get("tokens_in")?)?,
        bought: Coin::parse(event.get("tokens_out")?)?,
        message: event.get("msg_index").map(str::to_owned),
    })
}

/// The first signer, from the attribute `acc_seq` of the event `tx`: `osmo1…/7`.
pub(crate) fn first_signer(transaction: &NodeTransaction) -> Option<String> {
    let sequence =
        transaction.events.iter().filter(|event| event.kind == "tx").find_map(|event| event.get("acc_seq"))?;
    Some(sequence.rsplit_once('/')?.0.to_owned())
}

/// The fee that the transaction paid to the network.
pub(crate) fn network_fee(transaction: &NodeTransaction) -> Option<Coin> {
    let fees = transaction.events.iter().filter(|event| event.kind == "tx");
    fees.filter_map(|event| event.get("fee")).find_map(Coin::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_read() {
        let coin = |raw: u64, denom: &str| Some(Coin { raw: U256::from(raw), denom: denom.to_owned() });
        assert_eq!(Coin::parse("2500000uosmo"), coin(2_500_000, "uosmo"));
        assert_eq!(Coin::parse("7ibc/27394FB0"), coin(7, "ibc/27394FB0"));
        for bad in ["", "uosmo", "12", "-1uosmo"] {
            assert_eq!(Coin::parse(bad), None, "{bad}");
        }
    }
}
