//! One transaction with everything that is read from it before legs are looked for.

use crate::accounts::Accounts;
use crate::block::NodeTransaction;
use crate::call_tree::CallTree;
use crate::cash::Cash;
use crate::transfers::Transfer;

/// A transaction, its calls, its accounts and its transfers.
pub(crate) struct TransactionView<'s, 't, 'a> {
    /// The transaction.
    pub(crate) transaction: &'t NodeTransaction<'a>,
    /// What was called.
    pub(crate) tree: &'s CallTree<'t, 'a>,
    /// Whose accounts they are and what they held.
    pub(crate) accounts: &'s Accounts<'t, 'a>,
    /// What moved, in the order of execution.
    pub(crate) transfers: &'s [Transfer<'t>],
    /// Which assets are cash.
    pub(crate) cash: &'s Cash,
}

impl TransactionView<'_, '_, '_> {
    /// Whether one side of a transfer is an account of a party.
    pub(crate) fn is_of_party(&self, account: Option<usize>, party: &str) -> bool {
        account.and_then(|at| self.accounts.party(at)) == Some(party)
    }
}
