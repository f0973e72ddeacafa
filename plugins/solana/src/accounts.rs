//! The accounts of a transaction: who signed, which are token accounts, whose they are, and what they held before and
//! after.

use crate::base58;
use crate::block::NodeTransaction;
use crate::call_tree::CallTree;
use crate::model::SOL;
use crate::programs::{SYSTEM, TOKEN, TOKEN_2022};
use std::borrow::Cow;

/// A token account.
#[derive(Clone, Debug)]
pub(crate) struct TokenAccount<'t> {
    /// The mint of its token.
    pub(crate) mint: &'t str,
    /// Its owner; empty when the node does not say.
    pub(crate) owner: Cow<'t, str>,
    /// How many digits are fractional, if known.
    pub(crate) decimals: Option<u8>,
    /// What it held before the transaction.
    pub(crate) before: u64,
    /// What it held after the transaction.
    pub(crate) after: u64,
    /// Whether the node recorded a balance before or after. An account that was made and closed within has none.
    pub(crate) is_recorded: bool,
}

/// The accounts of a transaction by index, and what is known of token accounts among them.
#[derive(Debug)]
pub(crate) struct Accounts<'t, 'a> {
    transaction: &'t NodeTransaction<'a>,
    token_accounts: Vec<Option<TokenAccount<'t>>>,
}

impl<'t, 'a> Accounts<'t, 'a> {
    /// Reads them from the recorded balances and from the calls that make accounts.
    pub(crate) fn from_transaction(transaction: &'t NodeTransaction<'a>, tree: &CallTree<'t, 'a>) -> Self {
        let mut accounts = Self { transaction, token_accounts: vec![None; transaction.message.keys.len()] };
        for (moment, balances) in transaction.meta.tokens.iter().enumerate() {
            for balance in balances {
                let at = usize::from(balance.account_index);
                let Some(slot) = accounts.token_accounts.get_mut(at) else { continue };
                let account = slot.get_or_insert_with(|| TokenAccount {
                    mint: balance.mint,
                    owner: Cow::Borrowed(balance.owner.unwrap_or_default()),
                    decimals: Some(balance.amount.decimals),
                    before: 0,
                    after: 0,
                    is_recorded: true,
                });
                let raw = balance.amount.raw;
                *(if moment == 0 { &mut account.before } else { &mut account.after }) = raw;
            }
        }
        accounts.add_made_within(tree);
        accounts
    }

    /// Adds accounts that were made and closed within the transaction. They leave no balance; the call that made them
    /// names mint and owner.
    fn add_made_within(&mut self, tree: &CallTree<'t, 'a>) {
        for call in &tree.calls {
            if ![TOKEN, TOKEN_2022].contains(&call.program) || call.instruction.data.len_at_most() > 50 {
                continue;
            }
            let data = call.instruction.data.bytes();
            let account = |at: usize| call.instruction.accounts.get(at);
            // `InitializeAccount`, `InitializeAccount2`, `InitializeAccount3`.
            let (Some(kind @ (1 | 16 | 18)), Some(at)) = (data.first(), account(0)) else { continue };
            let Some(None) = self.token_accounts.get(at) else { continue };
            let Some(mint) = account(1).and_then(|mint| self.address(mint)) else { continue };
            let owner = match kind {
                1 => account(2).and_then(|owner| self.address(owner)).map(Cow::Borrowed),
                _ => data.get(1..33).map(|owner| Cow::Owned(base58::encode(owner))),
            };
            let Some(owner) = owner else { continue };
            let decimals = (mint == SOL).then_some(9);
            self.token_accounts[at] =
                Some(TokenAccount { mint, owner, decimals, before: 0, after: 0, is_recorded: false });
        }
    }

    /// The address of an account.
    pub(crate) fn address(&self, at: usize) -> Option<&'t str> {
        self.transaction.message.keys.get(at).map(AsRef::as_ref)
    }

    /// What is known of an account as a token account.
    pub(crate) fn token_account(&self, at: usize) -> Option<&TokenAccount<'t>> {
        self.token_accounts.get(at)?.as_ref()
    }

    /// The party behind an account: the owner of a token account, else the account itself.
    pub(crate) fn party(&self, at: usize) -> Option<&str> {
        match self.token_account(at) {
            Some(account) if !account.owner.is_empty() => Some(account.owner.as_ref()),
            _ => self.address(at),
        }
    }

    /// Whether an address signed the transaction.
    pub(crate) fn signs(&self, address: &str) -> bool {
        self.signers().any(|signer| signer == address)
    }

    /// The address that pays for the transaction.
    pub(crate) fn payer(&self) -> &'t str {
        self.address(0).unwrap_or(SYSTEM)
    }

    /// The addresses that signed, the payer first.
    pub(crate) fn signers(&self) -> impl Iterator<Item = &'t str> {
        let message = &self.transaction.message;
        message.keys.iter().take(message.signers).map(AsRef::as_ref)
    }

    /// All token accounts with their indices.
    pub(crate) fn token_accounts(&self) -> impl Iterator<Item = (usize, &TokenAccount<'t>)> {
        self.token_accounts.iter().enumerate().filter_map(|(at, account)| Some((at, account.as_ref()?)))
    }

    /// Lamports of an account before and after.
    pub(crate) fn lamports(&self, at: usize) -> (u64, u64) {
        let [before, after] = &self.transaction.meta.lamports;
        (before.get(at).copied().unwrap_or_default(), after.get(at).copied().unwrap_or_default())
    }

    /// How the holdings of a party in one asset changed. Native SOL and wrapped SOL are one asset; the change contains
    /// the fee of the transaction and deposits for new accounts.
    pub(crate) fn balance_change(&self, party: &str, asset: &str) -> i128 {
        let of_party = self.token_accounts().filter(|(_, account)| account.mint == asset && account.owner == party);
        let tokens: i128 = of_party.map(|(_, account)| i128::from(account.after) - i128::from(account.before)).sum();
        if asset != SOL {
            return tokens;
        }
        let at = self.transaction.message.keys.iter().position(|key| key == party);
        let native = at.map_or(0, |at| {
            let (before, after) = self.lamports(at);
            i128::from(after) - i128::from(before)
        });
        tokens + native
    }

    /// How many digits of a token are fractional.
    pub(crate) fn decimals(&self, mint: &str) -> Option<u8> {
        if mint == SOL {
            return Some(9);
        }
        self.token_accounts().filter(|(_, account)| account.mint == mint).find_map(|(_, account)| account.decimals)
    }
}
