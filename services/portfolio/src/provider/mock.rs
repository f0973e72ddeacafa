//! A provider that needs no network: it invents what a wallet held at first and adds the nets of its trades.
//!
//! The invented part depends on wallet and asset only. So balances follow the tape and are the same in every run.

use num_bigint::{BigInt, Sign};
use portfolio_domain::{AssetNet, Balance, Decoration, Holdings, Provider, ProviderError, Snapshot, Wallet};
use tape::Raw;

/// The provider `mock`.
pub struct Mock<S>(S);

impl<S: Holdings> Mock<S> {
    /// A provider that adds to the nets in this store.
    pub fn new(holdings: S) -> Self {
        Self(holdings)
    }
}

impl<S: Holdings> Provider for Mock<S> {
    fn name(&self) -> &'static str {
        "mock"
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let mut snapshot = Snapshot::default();
        for net in self.0.nets(wallet).await? {
            snapshot.add(invented_balance(wallet, net));
        }
        Ok(snapshot)
    }
}

/// Up to 100 whole tokens plus the net of the trades; zero where the sum is negative.
fn invented_balance(wallet: &Wallet, net: AssetNet) -> Balance {
    let decimals = net.decimals.unwrap_or(0).min(36);
    let hundredths = fnv1a(&format!("{wallet}/{}", net.asset)) % 10_000;
    let unit = BigInt::from(10).pow(u32::from(decimals));
    let held: BigInt = unit * hundredths / 100 + net.raw;
    let (sign, bytes) = held.to_bytes_le();
    let raw = match sign {
        Sign::Minus | Sign::NoSign => Raw::ZERO,
        Sign::Plus => Raw::try_from_le_slice(&bytes).unwrap_or(Raw::MAX),
    };
    let decoration = Decoration { symbol: net.symbol, decimals: net.decimals, spam: Some(false), verified: None };
    Balance { asset: net.asset, raw, decoration, kept: false, price: None }
}

/// The FNV-1a hash, which is the same in every build.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(address: &str, raw: i64) -> Raw {
        let net = AssetNet { asset: "coin".to_owned(), symbol: None, decimals: Some(6), raw: BigInt::from(raw) };
        invented_balance(&Wallet::new("mock", address), net).raw
    }

    #[test]
    fn balances_depend_on_wallet_and_trades_only() {
        let at_first = balance("0xa", 0);
        assert_eq!(balance("0xa", 0), at_first);
        assert_eq!(balance("0xa", 5), at_first + Raw::from(5));
        assert_ne!(balance("0xb", 0), at_first);
        assert_eq!(balance("0xa", i64::MIN), Raw::ZERO);
    }
}
