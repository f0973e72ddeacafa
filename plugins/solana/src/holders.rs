//! Who holds what: the token accounts of a transaction, whose they are, and what they held before and after.

use crate::block::Transaction;
use crate::tree::{SYSTEM, TOKEN, TOKEN_2022, Tree};
use crate::{SOL, base58};
use std::borrow::Cow;

/// A token account.
#[derive(Clone, Debug)]
pub struct Holder<'t> {
    /// Of which token.
    pub mint: &'t str,
    /// Whose it is; empty when nobody says.
    pub owner: Cow<'t, str>,
    /// How many digits are fractional, if known.
    pub decimals: Option<u8>,
    /// What it held before.
    pub before: u64,
    /// What it held after.
    pub after: u64,
    /// Whether it was there before or after the transaction, or both; what lived only within shows no balance.
    pub is_recorded: bool,
}

/// The accounts of a transaction: their names, and what is known of token accounts.
#[derive(Debug)]
pub struct Holders<'t, 'a> {
    transaction: &'t Transaction<'a>,
    accounts: Vec<Option<Holder<'t>>>,
}

impl<'t, 'a> Holders<'t, 'a> {
    /// From the recorded balances and from accounts made within the transaction.
    pub fn of(transaction: &'t Transaction<'a>, tree: &Tree<'t, 'a>) -> Self {
        let mut holders = Self { transaction, accounts: vec![None; transaction.message.keys.len()] };
        for (moment, balances) in transaction.meta.tokens.iter().enumerate() {
            for balance in balances {
                let Some(slot) = holders.accounts.get_mut(usize::from(balance.account_index)) else { continue };
                let holder = slot.get_or_insert_with(|| Holder {
                    mint: balance.mint,
                    owner: Cow::Borrowed(balance.owner.unwrap_or_default()),
                    decimals: Some(balance.amount.decimals),
                    before: 0,
                    after: 0,
                    is_recorded: true,
                });
                let raw = balance.amount.raw().unwrap_or_default();
                *(if moment == 0 { &mut holder.before } else { &mut holder.after }) = raw;
            }
        }
        holders.add_made(tree);
        holders
    }

    /// Accounts that were made and closed within leave no balance: their making tells whose they were.
    fn add_made(&mut self, tree: &Tree<'t, 'a>) {
        for call in &tree.calls {
            if ![TOKEN, TOKEN_2022].contains(&call.program) || call.instruction.data.len_at_most() > 50 {
                continue;
            }
            let data = call.instruction.data.bytes();
            let place = |at: usize| call.instruction.accounts.get(at);
            let (Some(kind @ (1 | 16 | 18)), Some(at)) = (data.first(), place(0)) else { continue };
            let Some(None) = self.accounts.get(at) else { continue };
            let Some(mint) = place(1).and_then(|mint| self.name(mint)) else { continue };
            let owner = match kind {
                1 => place(2).and_then(|owner| self.name(owner)).map(Cow::Borrowed),
                _ => data.get(1..33).map(|owner| Cow::Owned(base58::encode(owner))),
            };
            let Some(owner) = owner else { continue };
            let decimals = (mint == SOL).then_some(9);
            self.accounts[at] = Some(Holder { mint, owner, decimals, before: 0, after: 0, is_recorded: false });
        }
    }

    /// The account at a place.
    pub fn name(&self, at: usize) -> Option<&'t str> {
        self.transaction.message.keys.get(at).map(AsRef::as_ref)
    }

    /// What is known of a token account.
    pub fn token(&self, at: usize) -> Option<&Holder<'t>> {
        self.accounts.get(at)?.as_ref()
    }

    /// Who stands behind an account: the owner of a token account, else the account itself.
    pub fn party(&self, at: usize) -> Option<&str> {
        match self.token(at) {
            Some(holder) if !holder.owner.is_empty() => Some(holder.owner.as_ref()),
            _ => self.name(at),
        }
    }

    /// Whether a name signed the transaction.
    pub fn signs(&self, name: &str) -> bool {
        self.transaction.message.keys.iter().take(self.transaction.message.signers).any(|key| key == name)
    }

    /// The one who pays for the transaction.
    pub fn payer(&self) -> &'t str {
        self.name(0).unwrap_or(SYSTEM)
    }

    /// The names that signed.
    pub fn signers(&self) -> impl Iterator<Item = &'t str> {
        let message = &self.transaction.message;
        message.keys.iter().take(message.signers).map(AsRef::as_ref)
    }

    /// All token accounts with their places.
    pub fn tokens(&self) -> impl Iterator<Item = (usize, &Holder<'t>)> {
        self.accounts.iter().enumerate().filter_map(|(at, holder)| Some((at, holder.as_ref()?)))
    }

    /// Lamports of an account before and after.
    pub fn lamports(&self, at: usize) -> (u64, u64) {
        let [before, after] = &self.transaction.meta.lamports;
        (before.get(at).copied().unwrap_or_default(), after.get(at).copied().unwrap_or_default())
    }

    /// How the holdings of a party changed, in one asset. Native SOL and wrapped SOL are one; the fee of the transaction
    /// and deposits for new accounts are in it.
    pub fn change(&self, party: &str, asset: &str) -> i128 {
        let of_party = self.tokens().filter(|(_, holder)| holder.mint == asset && holder.owner == party);
        let tokens: i128 = of_party.map(|(_, holder)| i128::from(holder.after) - i128::from(holder.before)).sum();
        if asset != SOL {
            return tokens;
        }
        let place = self.transaction.message.keys.iter().position(|key| key == party);
        let native = place.map_or(0, |at| {
            let (before, after) = self.lamports(at);
            i128::from(after) - i128::from(before)
        });
        tokens + native
    }

    /// How many digits of a token are fractional.
    pub fn decimals(&self, mint: &str) -> Option<u8> {
        if mint == SOL {
            return Some(9);
        }
        self.tokens().filter(|(_, holder)| holder.mint == mint).find_map(|(_, holder)| holder.decimals)
    }
}
