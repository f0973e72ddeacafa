//! Assembles a snapshot from the rows of a provider's response.

use portfolio_domain::{Balance, Snapshot};
use std::collections::HashMap;
use tape::Raw;

/// A snapshot in the making. Errors name what is wrong with the response.
#[derive(Debug, Default)]
pub(super) struct SnapshotAssembly {
    snapshot: Snapshot,
    /// The balance of each token that was read, by the token's name in the response, and its page.
    seen: HashMap<String, (Raw, usize)>,
    page: usize,
    native_asset: Option<String>,
}

impl SnapshotAssembly {
    /// An empty snapshot. `wrapped_native` is the contract whose address the native asset has, where the chain names
    /// one.
    pub(super) fn new(wrapped_native: Option<String>) -> Self {
        Self { native_asset: wrapped_native, ..Self::default() }
    }

    /// The name of the native asset.
    pub(super) fn native_asset(&self) -> String {
        self.native_asset.clone().unwrap_or_else(|| Balance::NATIVE_ASSET.to_owned())
    }

    /// The rows that follow are of the next page.
    pub(super) fn next_page(&mut self) {
        self.page += 1;
    }

    /// Adds a balance, unless it is zero; native and wrapped add up where they are one asset. `token` is the name in the response, which
    /// differs between native and wrapped. The list may shift between two pages and then repeats a row: with the same
    /// balance it counts once, with another the list changed while it was read.
    pub(super) fn add(&mut self, token: &str, balance: Balance) -> Result<(), String> {
        match self.seen.insert(token.to_owned(), (balance.raw, self.page)) {
            None if balance.raw == Raw::ZERO => {}
            None => self.snapshot.add(balance),
            Some((known, _)) if known == balance.raw => {}
            Some((_, page)) if page == self.page => {
                let reason = format!("token {token} has two balances on one page");
                self.leave_out_balance(balance.asset, reason);
            }
            Some(_) => return Err(format!("token {token} has two balances; the list changed while it was read")),
        }
        Ok(())
    }

    /// Adds a balance that is one of several of its token, such as that of one account.
    pub(super) fn add_part(&mut self, balance: Balance) {
        self.snapshot.add(balance);
    }

    /// Leaves out an asset of which a balance cannot be told.
    pub(super) fn leave_out_balance(&mut self, asset: String, reason: String) {
        let reason = format!("{asset}: {reason}");
        self.snapshot.leave_out_balance(asset, reason);
    }

    /// Leaves out a balance of which not even the asset is known.
    pub(super) fn leave_out_unnamed(&mut self, reason: String) {
        self.snapshot.leave_out_unnamed(reason);
    }

    /// Leaves out a row that is no balance, of this asset where it names one.
    pub(super) fn leave_out_row(&mut self, asset: Option<String>, reason: String) {
        self.snapshot.leave_out_row(asset, reason);
    }

    /// The snapshot, once every row is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }
}
