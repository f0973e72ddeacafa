//! A provider that needs no network: what a wallet held before it was seen is invented from its address, what it traded
//! since is added. So balances move with the tape and come out the same in every run.

use num_bigint::{BigInt, Sign};
use portfolio_domain::{Balance, Holdings, Net, Provider, ProviderError, Snapshot, Wallet};
use tape::Raw;

/// Invents balances.
pub struct Mock<S>(S);

impl<S: Holdings> Mock<S> {
    /// A provider that invents balances from the nets kept here.
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
            let balance = invented(wallet, net);
            snapshot.add(balance).map_err(|reason| ProviderError::Malformed(reason.to_string()))?;
        }
        Ok(snapshot)
    }
}

/// Up to 100 whole tokens to begin with, and the net of what was traded; never less than nothing.
fn invented(wallet: &Wallet, net: Net) -> Balance {
    let decimals = net.decimals.unwrap_or(0).min(36);
    let seed = hash(&format!("{wallet}/{}", net.asset)) % 10_000;
    let unit = BigInt::from(10).pow(u32::from(decimals));
    let held: BigInt = unit * seed / 100 + net.raw;
    let (sign, bytes) = held.to_bytes_le();
    let raw = match sign {
        Sign::Minus | Sign::NoSign => Raw::ZERO,
        Sign::Plus => Raw::try_from_le_slice(&bytes).unwrap_or(Raw::MAX),
    };
    Balance { asset: net.asset, symbol: net.symbol, decimals: net.decimals, raw, spam: false }
}

/// FNV-1a: the same number for the same text in every build.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(address: &str, raw: i64) -> Raw {
        let net = Net { asset: "coin".to_owned(), symbol: None, decimals: Some(6), raw: BigInt::from(raw) };
        invented(&Wallet::new("mock", address), net).raw
    }

    #[test]
    fn balances_follow_the_tape_and_nothing_else() {
        let begun = balance("0xa", 0);
        assert_eq!(balance("0xa", 0), begun);
        assert_eq!(balance("0xa", 5), begun + Raw::from(5));
        assert_ne!(balance("0xb", 0), begun);
        assert_eq!(balance("0xa", i64::MIN), Raw::ZERO);
    }
}
