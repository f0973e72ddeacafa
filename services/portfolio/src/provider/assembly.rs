//! Assembles a snapshot from the rows of a provider's response.

use super::native_coin::NativeCoin;
use crate::names::NativeContracts;
use portfolio_domain::{Balance, Decoration, Snapshot, ToldPrice};
use std::collections::HashMap;
use tape::Raw;

/// A snapshot in the making. Errors name what is wrong with the response.
#[derive(Debug)]
pub(super) struct SnapshotAssembly {
    snapshot: Snapshot,
    /// The balance of each token that was read, by the token's name in the response, and its page.
    seen: HashMap<String, (Raw, usize)>,
    page: usize,
    contracts: NativeContracts,
    coin: NativeCoin,
}

/// What a row says of a token.
#[derive(Debug)]
pub(super) struct TokenRow<'a> {
    /// The token as the response names it.
    pub(super) token: &'a str,
    /// The row is that of the native coin, whatever it names.
    pub(super) is_native: bool,
    /// The balance, or why it cannot be told.
    pub(super) raw: Result<Raw, String>,
    /// What is said beside it.
    pub(super) decoration: Decoration,
    /// What it says that the token is worth.
    pub(super) price: Option<ToldPrice>,
}

impl SnapshotAssembly {
    /// An empty snapshot of a chain with these contracts.
    pub(super) fn new(contracts: NativeContracts) -> Self {
        let (snapshot, seen, coin) = (Snapshot::default(), HashMap::new(), NativeCoin::default());
        Self { snapshot, seen, page: 0, contracts, coin }
    }

    /// The name of the native asset.
    pub(super) fn native_asset(&self) -> String {
        self.contracts.native_asset()
    }

    /// The rows that follow are of the next page, whose balances are of this height. The snapshot is of the lowest one, and
    /// of an unknown one where a page does not tell it.
    pub(super) fn next_page(&mut self, height: Option<u64>) {
        let so_far = self.snapshot.as_of;
        self.snapshot.as_of = if self.page == 0 { height } else { so_far.and_then(|so_far| Some(so_far.min(height?))) };
        self.page += 1;
    }

    /// Adds a row; a balance of zero is left out. The list may shift between two pages and then repeats a row: with the same
    /// balance it counts once, with another the list changed while it was read.
    pub(super) fn add(&mut self, row: TokenRow) -> Result<(), String> {
        let TokenRow { token, is_native, raw, decoration, price } = row;
        let is_contract = !is_native && self.contracts.is_coin(token);
        let is_wrapped = !is_native && self.contracts.wraps_coin(token);
        let is_coin = is_native || is_contract;
        let asset = if is_coin || is_wrapped { self.native_asset() } else { token.to_owned() };
        let raw = match raw {
            Ok(raw) => raw,
            Err(reason) if is_coin => {
                self.coin.add_untold(format!("{asset}: {reason}"));
                return Ok(());
            }
            Err(reason) => {
                self.leave_out_balance(asset, &reason);
                return Ok(());
            }
        };
        match self.seen.insert(token.to_owned(), (raw, self.page)) {
            None => {}
            Some((known, _)) if known == raw => return Ok(()),
            Some((_, page)) if page == self.page => {
                self.leave_out_balance(asset, &format!("token {token} has two balances on one page"));
                return Ok(());
            }
            Some(_) => return Err(format!("token {token} has two balances; the list changed while it was read")),
        }
        let balance = Balance { asset, raw, decoration, kept: false, price };
        match (is_coin, is_wrapped) {
            (true, _) => self.coin.add_told(balance, is_contract),
            (false, true) => self.coin.add_wrapped(balance),
            (false, false) if raw == Raw::ZERO => {}
            (false, false) => self.snapshot.add(balance),
        }
        Ok(())
    }

    /// Adds a balance that is one of several of its asset, such as that of one account.
    pub(super) fn add_part(&mut self, balance: Balance) {
        self.snapshot.add(balance);
    }

    /// Leaves out an asset of which a balance cannot be told.
    pub(super) fn leave_out_balance(&mut self, asset: String, reason: &str) {
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
    pub(super) fn into_snapshot(mut self) -> Snapshot {
        self.coin.add_to(&mut self.snapshot, &self.contracts.native_asset());
        self.snapshot
    }
}
