//! Assembles a snapshot from the rows of a provider's response.

use portfolio_domain::{Balance, Snapshot};
use std::collections::HashMap;
use tape::Raw;

/// A snapshot in the making. Errors name what is wrong with the response.
#[derive(Debug, Default)]
pub(super) struct SnapshotAssembly {
    snapshot: Snapshot,
    /// The balance of each token that was read, by the token's name in the response.
    seen: HashMap<String, Raw>,
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

    /// Whether this token was read before. The list may shift between two pages and then repeats a row; a repetition
    /// must have the same balance. `token` is the name in the response, which differs between native and wrapped.
    pub(super) fn is_repeated(&mut self, token: &str, raw: Raw) -> Result<bool, String> {
        match self.seen.insert(token.to_owned(), raw) {
            None => Ok(false),
            Some(known) if known == raw => Ok(true),
            Some(_) => Err(format!("token {token} has two balances; the list changed while it was read")),
        }
    }

    /// Adds a balance; native and wrapped add up where they are one asset.
    pub(super) fn add(&mut self, balance: Balance) -> Result<(), String> {
        self.snapshot.add(balance).map_err(|error| error.to_string())
    }

    /// The snapshot, once every row is added.
    pub(super) fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }
}
