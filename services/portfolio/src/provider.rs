//! Who tells balances: several providers behind one port, in the order in which they are asked.

pub mod alchemy;
pub mod mock;
pub mod moralis;
mod http;
mod refusal;

use crate::store::Store;
use alchemy::Alchemy;
use mock::Mock;
use moralis::Moralis;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use serde_json::Value;

/// A provider in force.
pub enum Chosen {
    /// Nobody: balances are invented from what a wallet traded.
    Mock(Mock<Store>),
    /// Moralis.
    Moralis(Moralis),
    /// Alchemy.
    Alchemy(Alchemy),
}

impl Provider for Chosen {
    fn name(&self) -> &'static str {
        match self {
            Self::Mock(provider) => provider.name(),
            Self::Moralis(provider) => provider.name(),
            Self::Alchemy(provider) => provider.name(),
        }
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        match self {
            Self::Mock(provider) => provider.snapshot(wallet).await,
            Self::Moralis(provider) => provider.snapshot(wallet).await,
            Self::Alchemy(provider) => provider.snapshot(wallet).await,
        }
    }
}

/// Whether a text is an address of an EVM chain in lower case.
fn is_evm_address(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 42 && text.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(hex))
}

/// Whether a text may be an address of Solana: 32 bytes in base 58.
fn is_solana_address(text: &str) -> bool {
    let base58 = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
    (32..=44).contains(&text.len()) && text.bytes().all(base58)
}

/// Decoration that a token's maker chooses: a number, a number as text, or nothing that we would believe.
fn decimals(value: &Value) -> Option<u8> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations_that_make_no_sense_are_left_out() {
        assert_eq!(decimals(&Value::from(18)), Some(18));
        assert_eq!(decimals(&Value::from("6")), Some(6));
        for odd in [Value::Null, Value::from(-1), Value::from(300), Value::from("many"), Value::from(1.5)] {
            assert_eq!(decimals(&odd), None);
        }
    }

    #[test]
    fn addresses_are_told_by_their_form() {
        assert!(is_evm_address("0x9e9fbde7c7a83c43913bddc8779158f1368f0413"));
        assert!(!is_evm_address("0x9E9fbde7c7a83c43913bddc8779158f1368f0413"));
        assert!(is_solana_address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"));
        assert!(!is_solana_address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1l") && !is_solana_address("a/b"));
    }
}
