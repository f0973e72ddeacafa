//! Drift: the difference between what a wallet holds and what its trades add up to.

use crate::ports::AssetNet;
use crate::snapshot::{Balance, Snapshot};
use num_bigint::{BigInt, BigUint};
use std::collections::BTreeMap;
use tape::Raw;

/// One asset of one wallet: the balance according to a provider, and the net according to the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Of what.
    pub asset: String,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// According to the provider.
    pub balance: Raw,
    /// Sum over the live trades; negative where more was sold than bought.
    pub net: BigInt,
}

impl Drift {
    /// Balance minus net: what was transferred without a trade, or traded before the wallet was tracked.
    pub fn amount(&self) -> BigInt {
        let bytes: [u8; 32] = self.balance.to_le_bytes();
        BigInt::from(BigUint::from_bytes_le(&bytes)) - &self.net
    }
}

/// The drift of every asset that the wallet holds or traded, in order of asset; of those that the snapshot does not tell,
/// there is none.
pub fn drift_from_nets(snapshot: &Snapshot, nets: &[AssetNet]) -> Vec<Drift> {
    let mut assets: BTreeMap<&str, Drift> = BTreeMap::new();
    for Balance { asset, raw, decoration, .. } in snapshot.balances().filter(|one| !one.kept) {
        let (symbol, decimals) = (decoration.symbol.clone(), decoration.decimals);
        assets.insert(asset, Drift { asset: asset.clone(), symbol, decimals, balance: *raw, net: BigInt::ZERO });
    }
    for AssetNet { asset, symbol, decimals, raw } in nets.iter().filter(|net| snapshot.tells(&net.asset)) {
        let one = assets.entry(asset).or_insert_with(|| {
            let (symbol, decimals) = (symbol.clone(), *decimals);
            Drift { asset: asset.clone(), symbol, decimals, balance: Raw::ZERO, net: BigInt::ZERO }
        });
        one.net.clone_from(raw);
    }
    assets.into_values().filter(|one| one.balance != Raw::ZERO || one.net != BigInt::ZERO).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoration::Decoration;

    #[test]
    fn every_asset_held_or_traded_has_its_drift() {
        let mut snapshot = Snapshot::default();
        let balance = |asset: &str, raw: u64| {
            let decoration = Decoration { symbol: Some(asset.to_uppercase()), ..Decoration::default() };
            Balance { asset: asset.to_owned(), raw: Raw::from(raw), decoration, kept: false, price: None }
        };
        for (asset, raw) in [("gift", 5), ("traded", 7), ("gone", 0)] {
            snapshot.add(balance(asset, raw));
        }
        for asset in ["untold", "kept"] {
            snapshot.leave_out_balance(asset.to_owned(), "no answer".to_owned());
        }
        snapshot.keep_untold(&[balance("kept", 3)]);
        let net =
            |asset: &str, raw: i64| AssetNet { asset: asset.to_owned(), symbol: None, decimals: None, raw: raw.into() };
        let nets = [net("traded", 7), net("sold", -3), net("even", 0), net("untold", 4), net("kept", 4)];
        let all = drift_from_nets(&snapshot, &nets);
        let shown: Vec<_> =
            all.iter().map(|one| format!("{} {} {} {}", one.asset, one.balance, one.net, one.amount())).collect();
        assert_eq!(shown, ["gift 5 0 5", "sold 0 -3 3", "traded 7 7 0"]);
        assert_eq!(all[2].symbol.as_deref(), Some("TRADED"));
    }
}
