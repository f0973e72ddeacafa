//! A snapshot: everything a wallet holds according to a provider, and the changes from one snapshot to the next.

use std::collections::BTreeMap;
use tape::Raw;

/// What a wallet holds of one asset, according to one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The token's contract. The native asset has the address of its wrapped contract where the chain names one, else
    /// [`Balance::NATIVE_ASSET`].
    pub asset: String,
    /// Decoration: the ticker, cleaned.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// In the asset's smallest unit.
    pub raw: Raw,
    /// Whether the provider calls it spam.
    pub spam: bool,
}

impl Balance {
    /// Stands for the native asset of a chain that names no wrapped contract.
    pub const NATIVE_ASSET: &'static str = "native";
}

/// Everything a wallet holds; a provider returns one only when it read the last page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    balances: BTreeMap<String, Balance>,
}

/// Two balances of one asset add up to more than 256 bits: the provider's response is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("balances of {0} add up to more than 2^256")]
pub struct BalanceOverflow(pub String);

impl Snapshot {
    /// Adds what the wallet holds of an asset. The native and the wrapped asset may be one asset; their balances then
    /// add up.
    pub fn add(&mut self, balance: Balance) -> Result<(), BalanceOverflow> {
        let Some(known) = self.balances.get_mut(&balance.asset) else {
            self.balances.insert(balance.asset.clone(), balance);
            return Ok(());
        };
        known.raw = known.raw.checked_add(balance.raw).ok_or(BalanceOverflow(balance.asset))?;
        known.symbol = known.symbol.take().or(balance.symbol);
        known.decimals = known.decimals.or(balance.decimals);
        known.spam &= balance.spam;
        Ok(())
    }

    /// The balances in order of asset, each asset once.
    pub fn balances(&self) -> impl ExactSizeIterator<Item = &Balance> {
        self.balances.values()
    }
}

/// A balance that differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceChange {
    /// Of what.
    pub asset: String,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// Zero when the wallet held none.
    pub before: Raw,
    /// Zero when the wallet holds none any more.
    pub after: Raw,
    /// Whether the provider calls it spam.
    pub spam: bool,
}

/// The balances that differ, in order of asset. An asset that is absent from `after` is zero now.
pub fn balance_changes(before: &[Balance], after: &Snapshot) -> Vec<BalanceChange> {
    let mut changes = BTreeMap::new();
    for balance in before.iter().filter(|balance| !after.balances.contains_key(&balance.asset)) {
        changes.insert(&balance.asset, change(balance, balance.raw, Raw::ZERO));
    }
    let before: BTreeMap<&str, Raw> = before.iter().map(|balance| (balance.asset.as_str(), balance.raw)).collect();
    for balance in after.balances.values() {
        let amount_before = before.get(balance.asset.as_str()).copied().unwrap_or_default();
        changes.insert(&balance.asset, change(balance, amount_before, balance.raw));
    }
    changes.into_values().filter(|change| change.before != change.after).collect()
}

fn change(balance: &Balance, before: Raw, after: Raw) -> BalanceChange {
    BalanceChange {
        asset: balance.asset.clone(),
        symbol: balance.symbol.clone(),
        decimals: balance.decimals,
        before,
        after,
        spam: balance.spam,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(asset: &str, raw: u64) -> Balance {
        Balance { asset: asset.to_owned(), symbol: None, decimals: None, raw: Raw::from(raw), spam: false }
    }

    fn snapshot(balances: &[(&str, u64)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (asset, raw) in balances {
            snapshot.add(balance(asset, *raw)).unwrap();
        }
        snapshot
    }

    #[test]
    fn new_changed_and_absent_assets_are_changes() {
        let before = [balance("a", 1), balance("b", 2), balance("c", 3), balance("z", 0)];
        let changes = balance_changes(&before, &snapshot(&[("b", 2), ("c", 4), ("d", 5), ("e", 0)]));
        let seen: Vec<_> =
            changes.iter().map(|c| (c.asset.as_str(), c.before.to::<u64>(), c.after.to::<u64>())).collect();
        assert_eq!(seen, [("a", 1, 0), ("c", 3, 4), ("d", 0, 5)]);
    }

    #[test]
    fn two_balances_of_one_asset_add_up() {
        let both = snapshot(&[("w", 1), ("w", 2)]);
        assert_eq!(both.balances().map(|b| b.raw.to::<u64>()).collect::<Vec<_>>(), [3]);
        let mut full = snapshot(&[("w", 1)]);
        let largest = Balance { raw: Raw::MAX, ..balance("w", 0) };
        assert_eq!(full.add(largest), Err(BalanceOverflow("w".to_owned())));
    }
}
