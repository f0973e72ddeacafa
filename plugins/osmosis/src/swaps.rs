//! A transaction's swaps: the `token_swapped` events of the pool manager, in order.
//!
//! These are the chain's own words: events that contracts emit carry the prefix `wasm`, so nobody can invent one, and no
//! other backing of a leg is needed.

use crate::node::{Event, Transaction};
use chain_plugin_sdk::Failure;
use ruint::aliases::U256;

/// One swap in one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The account whose tokens were swapped.
    pub sender: String,
    /// Number of the pool.
    pub pool: String,
    /// Into the pool.
    pub sold: Coin,
    /// Out of the pool.
    pub bought: Coin,
    /// The message of the transaction that caused it, where the chain says so.
    pub message: Option<String>,
}

/// An amount of one denom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// In the smallest unit.
    pub raw: U256,
    /// `uosmo`, `ibc/…`, `factory/…`.
    pub denom: String,
}

impl Coin {
    /// Reads `2500000uosmo`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|it: char| !it.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (raw, denom) = text.split_at(digits);
        Some(Self { raw: raw.parse().ok()?, denom: denom.to_owned() })
    }
}

/// The swaps of a transaction.
pub fn hops(transaction: &Transaction) -> Result<Vec<Hop>, Failure> {
    if !transaction.succeeded {
        return Ok(vec![]);
    }
    let swaps = transaction.events.iter().filter(|event| event.kind == "token_swapped");
    let bad = || Failure::BadData(format!("transaction {} has a swap that cannot be read", transaction.hash));
    swaps.map(|event| hop(event).ok_or_else(bad)).collect()
}

fn hop(event: &Event) -> Option<Hop> {
    Some(Hop {
        sender: event.get("sender")?.to_owned(),
        pool: event.get("pool_id")?.to_owned(),
        sold: Coin::parse(event.get("tokens_in")?)?,
        bought: Coin::parse(event.get("tokens_out")?)?,
        message: event.get("msg_index").map(str::to_owned),
    })
}

/// Who signed first, from `tx.acc_seq`: `osmo1…/7`.
pub fn signer(transaction: &Transaction) -> Option<String> {
    let sequence =
        transaction.events.iter().filter(|event| event.kind == "tx").find_map(|event| event.get("acc_seq"))?;
    Some(sequence.rsplit_once('/')?.0.to_owned())
}

/// What the transaction paid to the network.
pub fn fee(transaction: &Transaction) -> Option<Coin> {
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
