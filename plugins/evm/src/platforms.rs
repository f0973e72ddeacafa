//! Platforms: trades that came through somebody's front door, and what they charged.

use crate::hex;
use crate::net::Amount;
use crate::transfers::Transfer;
use alloy_primitives::{Address, U256};
use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A platform as the settings spell it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Spelled {
    routers: Vec<String>,
    fee_recipients: Vec<String>,
}

/// What tells a platform's trades.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Its name.
    pub name: String,
    /// Contracts that its users call.
    routers: Vec<Address>,
    /// Accounts that its fees go to.
    recipients: Vec<Address>,
}

/// What a platform took of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What and how much.
    pub amount: Amount,
    /// Who got it.
    pub recipient: Address,
}

/// Reads the settings, in the order of names.
pub fn read(spelled: &BTreeMap<String, Spelled>) -> Result<Vec<Platform>, Failure> {
    let read = |(name, spelled): (&String, &Spelled)| {
        if name.is_empty() || name.len() > 64 {
            return Err(Failure::BadSettings(format!("settings: platforms: the name `{name}` is empty or too long")));
        }
        if spelled.routers.is_empty() && spelled.fee_recipients.is_empty() {
            let why = format!("settings: platforms: {name} has neither routers nor fee-recipients");
            return Err(Failure::BadSettings(why));
        }
        let address = |text: &String| {
            let bad = || Failure::BadSettings(format!("settings: platforms: {name}: {text} is no address"));
            hex::address(text).ok_or_else(bad)
        };
        let addresses = |texts: &[String]| texts.iter().map(address).collect::<Result<Vec<_>, _>>();
        let (routers, recipients) = (addresses(&spelled.routers)?, addresses(&spelled.fee_recipients)?);
        Ok(Platform { name: name.clone(), routers, recipients })
    };
    spelled.iter().map(read).collect()
}

impl Platform {
    /// Whether a transaction is the platform's: its router was called, or its fee was paid.
    pub fn owns(&self, callee: Option<Address>, transfers: &[Transfer]) -> bool {
        callee.is_some_and(|callee| self.routers.contains(&callee))
            || transfers.iter().any(|transfer| self.recipients.contains(&transfer.to))
    }

    /// What went to the platform, by asset and recipient.
    pub fn charges(&self, transfers: &[Transfer]) -> Vec<Charge> {
        let mut sums: BTreeMap<(Address, Address), U256> = BTreeMap::new();
        for transfer in transfers {
            if self.recipients.contains(&transfer.to) && !self.recipients.contains(&transfer.from) {
                let sum = sums.entry((transfer.token, transfer.to)).or_default();
                *sum = sum.saturating_add(transfer.raw);
            }
        }
        let charge = |((asset, recipient), raw)| Charge { amount: (asset, raw), recipient };
        sums.into_iter().map(charge).filter(|charge| !charge.amount.1.is_zero()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(json: &str) -> Result<Vec<Platform>, Failure> {
        read(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_router_or_a_fee_tells_a_platform() {
        let (router, fees) = ("11".repeat(20), "22".repeat(20));
        let json = format!(r#"{{"shop":{{"routers":["0x{router}"],"fee-recipients":["0x{fees}"]}}}}"#);
        let platforms = platform(&json).unwrap();
        let of = |to: u8, raw: u64| Transfer {
            token: Address::repeat_byte(5),
            from: Address::repeat_byte(6),
            to: Address::repeat_byte(to),
            raw: U256::from(raw),
        };
        assert!(platforms[0].owns(Some(Address::repeat_byte(0x11)), &[]));
        assert!(!platforms[0].owns(Some(Address::repeat_byte(0x33)), &[of(0x44, 9)]));
        let paid = [of(0x22, 3), of(0x44, 9), of(0x22, 4)];
        assert!(platforms[0].owns(None, &paid));
        let amount = (Address::repeat_byte(5), U256::from(7));
        assert_eq!(platforms[0].charges(&paid), [Charge { amount, recipient: Address::repeat_byte(0x22) }]);
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        assert!(matches!(platform(r#"{"shop":{}}"#), Err(Failure::BadSettings(why)) if why.contains("shop")));
        assert!(
            matches!(platform(r#"{"shop":{"routers":["0x1"]}}"#), Err(Failure::BadSettings(why)) if why.contains("0x1"))
        );
    }
}
