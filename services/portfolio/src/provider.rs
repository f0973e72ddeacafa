//! The providers of balances, behind one port.

pub mod alchemy;
pub mod mock;
pub mod moralis;
mod assembly;
pub mod throttle;
mod http;
pub(crate) mod measured;
mod native_coin;
mod pace;
mod pages;
mod refusal;
mod row;

use crate::store::Store;
use alchemy::Alchemy;
use mock::Mock;
use moralis::Moralis;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};

/// A configured provider.
pub enum AnyProvider {
    /// Invents balances from what a wallet traded.
    Mock(Mock<Store>),
    /// Moralis.
    Moralis(Moralis),
    /// Alchemy.
    Alchemy(Alchemy),
}

impl Provider for AnyProvider {
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

/// Whether a text is an address of an EVM chain, in lower case.
fn is_evm_address(text: &str) -> bool {
    let is_hex_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 42 && text.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(is_hex_digit))
}

/// Whether a text may be an address of Solana: 32 bytes in base 58.
fn is_solana_address(text: &str) -> bool {
    let is_base58_digit = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
    (32..=44).contains(&text.len()) && text.bytes().all(is_base58_digit)
}

/// The address under which native assets are listed: it is no contract's.
const NATIVE_ADDRESS: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
const ZERO_ADDRESS: &str = "0x0000000000000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_recognized_by_their_form() {
        assert!(is_evm_address("0x9e9fbde7c7a83c43913bddc8779158f1368f0413"));
        assert!(!is_evm_address("0x9E9fbde7c7a83c43913bddc8779158f1368f0413"));
        assert!(is_solana_address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"));
        assert!(!is_solana_address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1l") && !is_solana_address("a/b"));
    }
}
