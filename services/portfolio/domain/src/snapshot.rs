//! A snapshot: everything a wallet holds according to a provider, and what of it could not be told.

use crate::decoration::{Decoration, KnownDecoration, decoration_to_show};
use crate::price::ToldPrice;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tape::Raw;

/// What a wallet holds of one asset, according to one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The token's contract. The native asset has the address of its wrapped contract where the chain names one, else
    /// [`Balance::NATIVE_ASSET`].
    pub asset: String,
    /// In the asset's smallest unit.
    pub raw: Raw,
    /// What is said of it.
    pub decoration: Decoration,
    /// The provider could not tell the balance this time: the amount is the last one that was told.
    pub kept: bool,
    /// What the provider says that the asset is worth, where it does.
    pub price: Option<ToldPrice>,
}

impl Balance {
    /// Stands for the native asset of a chain that names no wrapped contract.
    pub const NATIVE_ASSET: &'static str = "native";
}

/// Everything a wallet holds; a provider returns one only when it read the last page. Rows that cannot be told are left
/// out of it and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    balances: BTreeMap<String, Balance>,
    /// The height that the balances are of, where the provider tells it.
    pub as_of: Option<u64>,
    left_out: Option<LeftOut>,
    /// Assets of which a balance could not be told, so that no sum of theirs is known.
    untold: BTreeSet<String>,
    /// Assets of rows that are no balance; another row may tell theirs.
    passed_over: BTreeSet<String>,
    /// A balance was left out of which not even the asset is known.
    is_any_asset_untold: bool,
}

/// What was left out of a snapshot, which is incomplete without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How many rows of the provider's response.
    pub rows: u32,
    /// Why the first of them.
    pub reason: String,
}

impl Snapshot {
    /// Adds what the wallet holds of an asset. The native and the wrapped asset may be one asset; their balances then
    /// add up. A sum of more than 256 bits is left out.
    pub fn add(&mut self, balance: Balance) {
        if self.untold.contains(&balance.asset) {
            return;
        }
        let Some(known) = self.balances.get_mut(&balance.asset) else {
            self.balances.insert(balance.asset.clone(), balance);
            return;
        };
        let Some(sum) = known.raw.checked_add(balance.raw) else {
            let reason = format!("balances of {} add up to more than 2^256", balance.asset);
            return self.leave_out_balance(balance.asset, reason);
        };
        known.raw = sum;
        known.decoration = std::mem::take(&mut known.decoration).joined_with(&balance.decoration);
        known.price = known.price.take().or(balance.price);
    }

    /// Leaves out an asset of which a balance cannot be told.
    pub fn leave_out_balance(&mut self, asset: String, reason: String) {
        self.count_left_out(reason);
        self.balances.remove(&asset);
        self.untold.insert(asset);
    }

    /// Leaves out a balance of which not even the asset is known: it may be any that is absent.
    pub fn leave_out_unnamed(&mut self, reason: String) {
        self.count_left_out(reason);
        self.is_any_asset_untold = true;
    }

    /// Leaves out a row that is no balance, of this asset where it names one.
    pub fn leave_out_row(&mut self, asset: Option<String>, reason: String) {
        self.count_left_out(reason);
        self.passed_over.extend(asset);
    }

    fn count_left_out(&mut self, reason: String) {
        let left_out = self.left_out.get_or_insert(LeftOut { rows: 0, reason });
        left_out.rows = left_out.rows.saturating_add(1);
    }

    /// Keeps the last known balances, and marks them as kept, of assets that could not be told.
    pub fn keep_untold(&mut self, known: &[Balance]) {
        for balance in known.iter().filter(|balance| balance.raw != Raw::ZERO) {
            if !self.tells(&balance.asset) {
                self.balances.insert(balance.asset.clone(), Balance { kept: true, ..balance.clone() });
            }
        }
    }

    /// Adds what was said of the assets before and is not told now. `known` is in order of time, the newest first;
    /// `preferred` are the providers that were to be asked before this snapshot's.
    pub fn remember(&mut self, known: &[KnownDecoration], preferred: &[&'static str]) {
        let mut of_asset: HashMap<&str, Vec<&KnownDecoration>> = HashMap::new();
        for one in known {
            of_asset.entry(&one.asset).or_default().push(one);
        }
        for balance in self.balances.values_mut() {
            let known = of_asset.get(balance.asset.as_str()).map(Vec::as_slice).unwrap_or_default();
            balance.decoration = decoration_to_show(&balance.decoration, known, preferred);
        }
    }

    /// Prices whose time the provider does not tell are of the time at which it was asked; none is of a later one.
    pub fn date_prices(&mut self, taken_at: u64) {
        for price in self.balances.values_mut().filter_map(|balance| balance.price.as_mut()) {
            price.at = Some(price.at.map_or(taken_at, |at| at.min(taken_at)));
        }
    }

    /// Whether the snapshot tells how much of an asset the wallet holds. What is absent is zero, unless it was left out.
    pub fn tells(&self, asset: &str) -> bool {
        match self.balances.get(asset) {
            Some(balance) => !balance.kept,
            None => !self.is_any_asset_untold && !self.untold.contains(asset) && !self.passed_over.contains(asset),
        }
    }

    /// The balances in order of asset, each asset once.
    pub fn balances(&self) -> impl ExactSizeIterator<Item = &Balance> {
        self.balances.values()
    }

    /// The balance of an asset.
    pub fn balance_of(&self, asset: &str) -> Option<&Balance> {
        self.balances.get(asset)
    }

    /// What was left out; none where the snapshot is complete.
    pub fn left_out(&self) -> Option<&LeftOut> {
        self.left_out.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(asset: &str, raw: u64) -> Balance {
        Balance {
            asset: asset.to_owned(),
            raw: Raw::from(raw),
            decoration: Decoration::default(),
            kept: false,
            price: None,
        }
    }

    fn shown(snapshot: &Snapshot) -> Vec<String> {
        let mark = |one: &Balance| if one.kept { " kept" } else { "" };
        snapshot.balances().map(|one| format!("{} {}{}", one.asset, one.raw, mark(one))).collect()
    }

    #[test]
    fn two_balances_of_one_asset_add_up() {
        let mut snapshot = Snapshot::default();
        snapshot.add(balance("w", 1));
        snapshot.add(balance("w", 2));
        assert_eq!((shown(&snapshot), snapshot.left_out()), (vec!["w 3".to_owned()], None));
        snapshot.add(Balance { raw: Raw::MAX, ..balance("w", 0) });
        let left_out = snapshot.left_out().unwrap();
        assert_eq!((left_out.rows, snapshot.balances().len()), (1, 0));
        assert!(left_out.reason.contains("more than 2^256"), "{left_out:?}");
    }

    #[test]
    fn only_what_cannot_be_told_keeps_its_last_balance() {
        let known = [balance("a", 1), balance("b", 2), balance("c", 3), balance("zero", 0)];
        let text = str::to_owned;
        let mut one = Snapshot::default();
        one.add(balance("a", 7));
        one.leave_out_balance(text("b"), text("first"));
        one.leave_out_balance(text("zero"), text("second"));
        one.add(balance("b", 5));
        one.keep_untold(&known);
        assert_eq!(shown(&one), ["a 7", "b 2 kept"], "no sum without the row that cannot be told; c is not held");
        assert_eq!(one.left_out(), Some(&LeftOut { rows: 2, reason: text("first") }));

        let mut beside = Snapshot::default();
        beside.add(balance("a", 7));
        beside.leave_out_row(Some(text("a")), text("no balance"));
        beside.leave_out_row(Some(text("c")), text("no balance"));
        beside.keep_untold(&known);
        assert_eq!(shown(&beside), ["a 7", "c 3 kept"], "a row that is no balance hides none");

        let mut nameless = Snapshot::default();
        nameless.add(balance("a", 7));
        nameless.leave_out_row(None, text("no balance"));
        nameless.leave_out_unnamed(text("no address"));
        nameless.keep_untold(&known);
        assert_eq!(shown(&nameless), ["a 7", "b 2 kept", "c 3 kept"], "it may be of any asset that is absent");
    }
}
