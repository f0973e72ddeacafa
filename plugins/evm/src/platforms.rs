//! Platforms: which integrator sent a trade (by router, fee recipient or code), and what it charged.

use crate::hex;
use crate::model::{Amount, Transfer};
use crate::reports::Report;
use alloy_primitives::{Address, U256};
use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A platform as written in the settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct PlatformSettings {
    routers: Vec<String>,
    fee_recipients: Vec<String>,
    codes: Vec<String>,
}

/// What a platform's trades are recognised by.
#[derive(Clone, Debug)]
pub(crate) struct Platform {
    /// Its name.
    pub name: String,
    /// Contracts that its users call.
    routers: Vec<Address>,
    /// Accounts that its fees go to.
    recipients: Vec<Address>,
    /// What integrators put into calls, or routers into their reports, for it.
    codes: Vec<Code>,
}

/// What names an integrator.
#[derive(Clone, Debug)]
enum Code {
    /// Found in the call, or in a report.
    Bytes(Vec<u8>),
    /// Found in a report.
    Number(U256),
}

impl Code {
    /// Bytes with prefix, from 4 to 32 of them, or a number.
    fn read(text: &str) -> Option<Self> {
        if !text.starts_with("0x") {
            return U256::from_str_radix(text, 10).ok().filter(|number| !number.is_zero()).map(Self::Number);
        }
        let mut bytes = vec![];
        hex::append(text, &mut bytes)?;
        ((4..=32).contains(&bytes.len()) && bytes.iter().any(|byte| *byte != 0)).then_some(Self::Bytes(bytes))
    }

    /// Sixteen bytes and more are found anywhere in a call, fewer only at its end: elsewhere so few bytes match by chance.
    fn is_in_call(&self, input: &[u8]) -> bool {
        let Self::Bytes(bytes) = self else { return false };
        let Some(arguments) = input.get(4..) else { return false };
        arguments.ends_with(bytes) || (bytes.len() >= 16 && arguments.windows(bytes.len()).any(|part| part == bytes))
    }

    fn is_in_report(&self, report: &Report) -> bool {
        let number = match self {
            Self::Bytes(bytes) => U256::from_be_slice(bytes),
            Self::Number(number) => *number,
        };
        report.code.is_some_and(|code| U256::from_be_bytes(code.0) == number)
    }
}

/// What a platform took of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    /// The asset, and how much.
    pub amount: Amount,
    /// Who got it.
    pub recipient: Address,
}

/// Reads the settings, in the order of names.
pub(crate) fn read_platforms(settings: &BTreeMap<String, PlatformSettings>) -> Result<Vec<Platform>, Failure> {
    let read = |(name, settings): (&String, &PlatformSettings)| {
        if name.is_empty() || name.len() > 64 {
            return Err(Failure::BadSettings(format!("settings: platforms: the name `{name}` is empty or too long")));
        }
        if settings.routers.is_empty() && settings.fee_recipients.is_empty() && settings.codes.is_empty() {
            let why = format!("settings: platforms: {name} has neither routers nor fee-recipients nor codes");
            return Err(Failure::BadSettings(why));
        }
        let address = |text: &String| {
            let bad = || Failure::BadSettings(format!("settings: platforms: {name}: {text} is no address"));
            hex::address(text).ok_or_else(bad)
        };
        let addresses = |texts: &[String]| texts.iter().map(address).collect::<Result<Vec<_>, _>>();
        let (routers, recipients) = (addresses(&settings.routers)?, addresses(&settings.fee_recipients)?);
        let code = |text: &String| {
            let why = "is no code: 4 to 32 bytes with 0x, or a number";
            Code::read(text).ok_or_else(|| Failure::BadSettings(format!("settings: platforms: {name}: {text} {why}")))
        };
        let codes = settings.codes.iter().map(code).collect::<Result<Vec<_>, _>>()?;
        Ok(Platform { name: name.clone(), routers, recipients, codes })
    };
    settings.iter().map(read).collect()
}

impl Platform {
    /// Whether a transaction is the platform's: its router was called, its fee was paid, or its code was given.
    pub(crate) fn owns(
        &self,
        callee: Option<Address>,
        transfers: &[Transfer],
        reports: &[Report],
        input: impl Fn() -> Vec<u8>,
    ) -> bool {
        callee.is_some_and(|callee| self.is_router(callee))
            || transfers.iter().any(|transfer| self.recipients.contains(&transfer.to))
            || self.codes.iter().any(|code| reports.iter().any(|report| code.is_in_report(report)))
            || (!self.codes.is_empty() && {
                let input = input();
                self.codes.iter().any(|code| code.is_in_call(&input))
            })
    }

    /// Whether a contract is one that the platform's users call.
    pub(crate) fn is_router(&self, contract: Address) -> bool {
        self.routers.contains(&contract)
    }

    /// What went to the platform, by asset and recipient.
    pub(crate) fn charges(&self, transfers: &[Transfer]) -> Vec<Charge> {
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
        read_platforms(&serde_json::from_str(json).unwrap())
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
        assert!(platforms[0].owns(Some(Address::repeat_byte(0x11)), &[], &[], Vec::new));
        assert!(!platforms[0].owns(Some(Address::repeat_byte(0x33)), &[of(0x44, 9)], &[], Vec::new));
        let paid = [of(0x22, 3), of(0x44, 9), of(0x22, 4)];
        assert!(platforms[0].owns(None, &paid, &[], Vec::new));
        let amount = (Address::repeat_byte(5), U256::from(7));
        assert_eq!(platforms[0].charges(&paid), [Charge { amount, recipient: Address::repeat_byte(0x22) }]);
    }

    #[test]
    fn a_code_tells_a_platform() {
        let json = format!(
            r#"{{"a":{{"codes":["0x{}"]}},"b":{{"codes":["0x01020304"]}},"c":{{"codes":["77"]}}}}"#,
            "ab".repeat(20)
        );
        let platforms = platform(&json).unwrap();
        let owners = |reports: &[Report], input: &[u8]| {
            let owns = |platform: &&Platform| platform.owns(None, &[], reports, || input.to_vec());
            platforms.iter().filter(owns).map(|platform| platform.name.as_str()).collect::<Vec<_>>()
        };
        let call = |arguments: &[&[u8]]| [&[9; 4], arguments.concat().as_slice()].concat();
        // An address anywhere, four bytes only at the end; the selector is no place for a code.
        assert_eq!(owners(&[], &call(&[&[7; 5], &[0xab; 20], &[1]])), ["a"]);
        assert_eq!(owners(&[], &call(&[&[7; 5], &[1, 2, 3, 4]])), ["b"]);
        assert!(owners(&[], &call(&[&[1, 2, 3, 4], &[7]])).is_empty());
        assert!(owners(&[], &[1, 2, 3, 4]).is_empty());
        let report = |code: U256| Report {
            emitter: Address::ZERO,
            router: "odos",
            sold: (Address::ZERO, U256::ZERO),
            bought: (Address::ZERO, U256::ZERO),
            receiver: Address::ZERO,
            code: Some(code.to_be_bytes().into()),
        };
        assert_eq!(owners(&[report(U256::from(77))], &[]), ["c"]);
        assert_eq!(owners(&[report(U256::from_be_slice(&[0xab; 20]))], &[]), ["a"]);
        assert!(owners(&[report(U256::from(78))], &[]).is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        assert!(
            matches!(platform(r#"{"shop":{"codes":["0x12"]}}"#), Err(Failure::BadSettings(why)) if why.contains("0x12"))
        );
        assert!(matches!(platform(r#"{"shop":{}}"#), Err(Failure::BadSettings(why)) if why.contains("shop")));
        assert!(
            matches!(platform(r#"{"shop":{"routers":["0x1"]}}"#), Err(Failure::BadSettings(why)) if why.contains("0x1"))
        );
    }
}
