//! Who tells balances.

pub mod mock;
pub mod moralis;
mod limit;

pub use limit::Limit;

use crate::store::Store;
use mock::Mock;
use moralis::Moralis;
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};

/// The provider in force.
pub enum Chosen {
    /// Nobody: balances are invented from what a wallet traded.
    Mock(Mock<Store>),
    /// Moralis.
    Moralis(Moralis),
}

impl Provider for Chosen {
    fn name(&self) -> &'static str {
        match self {
            Self::Mock(provider) => provider.name(),
            Self::Moralis(provider) => provider.name(),
        }
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        match self {
            Self::Mock(provider) => provider.snapshot(wallet).await,
            Self::Moralis(provider) => provider.snapshot(wallet).await,
        }
    }
}
