//! The changes from what readers were shown to the next snapshot.

use crate::decoration::Decoration;
use crate::snapshot::{Balance, Snapshot};
use std::collections::BTreeMap;
use tape::Raw;

/// A balance that differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceChange {
    /// Of what.
    pub asset: String,
    /// What is said of it.
    pub decoration: Decoration,
    /// Zero when the wallet held none.
    pub before: Raw,
    /// Zero when the wallet holds none any more.
    pub after: Raw,
    /// The provider could not tell the balance: the amount is the last one that was told.
    pub kept: bool,
}

/// The balances that differ, in order of asset. An asset that is absent from `after` is zero now.
pub fn balance_changes(before: &[Balance], after: &Snapshot) -> Vec<BalanceChange> {
    let mut changes = BTreeMap::new();
    for balance in before.iter().filter(|balance| after.balance_of(&balance.asset).is_none()) {
        let gone = Balance { raw: Raw::ZERO, kept: false, ..balance.clone() };
        changes.insert(&balance.asset, change(&gone, balance.raw));
    }
    let known: BTreeMap<&str, &Balance> = before.iter().map(|balance| (balance.asset.as_str(), balance)).collect();
    for balance in after.balances() {
        let known = known.get(balance.asset.as_str());
        if known.is_none_or(|known| differs(known, balance)) {
            changes.insert(&balance.asset, change(balance, known.map_or(Raw::ZERO, |known| known.raw)));
        }
    }
    changes.into_values().filter(|change| change.before != Raw::ZERO || change.after != Raw::ZERO).collect()
}

/// Whether readers see a difference: in the amount, or in what is said about it.
fn differs(known: &Balance, now: &Balance) -> bool {
    known.raw != now.raw || known.kept != now.kept || known.decoration != now.decoration
}

fn change(balance: &Balance, before: Raw) -> BalanceChange {
    BalanceChange {
        asset: balance.asset.clone(),
        decoration: balance.decoration.clone(),
        before,
        after: balance.raw,
        kept: balance.kept,
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

    fn changes(before: &[Balance], after: &[Balance]) -> Vec<(String, u64, u64)> {
        let mut snapshot = Snapshot::default();
        for balance in after {
            snapshot.add(balance.clone());
        }
        let changes = balance_changes(before, &snapshot).into_iter();
        changes.map(|one| (one.asset, one.before.to(), one.after.to())).collect()
    }

    fn named(expected: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        expected.iter().map(|&(asset, before, after)| (asset.to_owned(), before, after)).collect()
    }

    #[test]
    fn new_changed_and_absent_assets_are_changes() {
        let before = [balance("a", 1), balance("b", 2), balance("c", 3), balance("z", 0)];
        let after = [balance("b", 2), balance("c", 4), balance("d", 5), balance("e", 0)];
        assert_eq!(changes(&before, &after), named(&[("a", 1, 0), ("c", 3, 4), ("d", 0, 5)]));
    }

    #[test]
    fn something_else_said_of_a_balance_is_a_change() {
        let said = |spam| Balance { decoration: Decoration { spam, ..Decoration::default() }, ..balance("a", 1) };
        for (before, after) in [(None, Some(true)), (Some(true), Some(false)), (Some(false), None)] {
            assert_eq!(changes(&[said(before)], &[said(after)]), named(&[("a", 1, 1)]), "{before:?} {after:?}");
        }
        assert_eq!(changes(&[said(Some(true))], &[said(Some(true))]), []);
        let gone = Balance { raw: Raw::ZERO, ..said(Some(true)) };
        assert_eq!(changes(&[gone], &[]), [], "nothing is said of what is not held");
    }

    #[test]
    fn a_balance_that_is_kept_or_told_again_is_a_change() {
        let kept = Balance { kept: true, ..balance("a", 1) };
        assert_eq!(changes(&[balance("a", 1)], std::slice::from_ref(&kept)), named(&[("a", 1, 1)]));
        assert_eq!(changes(std::slice::from_ref(&kept), &[balance("a", 1)]), named(&[("a", 1, 1)]));
        assert_eq!(changes(std::slice::from_ref(&kept), std::slice::from_ref(&kept)), []);
    }
}
