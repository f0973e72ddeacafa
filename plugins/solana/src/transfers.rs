//! Transfers: every movement of tokens and of native SOL that the instructions of a transaction show.

use crate::accounts::Accounts;
use crate::call_tree::CallTree;
use crate::model::SOL;
use crate::programs::{SYSTEM, TOKEN, TOKEN_2022};

/// Instructions with more bytes of data are no transfers.
const MAX_TRANSFER_DATA_BYTES: usize = 40;

/// A transfer from one account to another; minting and burning have one side only.
#[derive(Clone, Debug)]
pub(crate) struct Transfer<'t> {
    /// Index of the call that made it.
    pub(crate) call: usize,
    /// The token's mint, or SOL.
    pub(crate) asset: &'t str,
    /// Index of the account it left; none when it was minted.
    pub(crate) from: Option<usize>,
    /// Index of the account it reached; none when it was burned.
    pub(crate) to: Option<usize>,
    /// Index of the account that authorised it.
    pub(crate) authority: Option<usize>,
    /// What left.
    pub(crate) sent: u64,
    /// What arrived: less, where the token keeps a fee of each transfer.
    pub(crate) received: u64,
    /// Whether it moved as native SOL, not as a token.
    pub(crate) is_native: bool,
}

/// All transfers of a transaction, in order.
pub(crate) fn transfers_of<'t>(tree: &CallTree<'t, '_>, accounts: &Accounts<'t, '_>) -> Vec<Transfer<'t>> {
    let mut transfers: Vec<Transfer<'t>> = vec![];
    for (at, call) in tree.calls.iter().enumerate() {
        if call.instruction.data.len_at_most() > MAX_TRANSFER_DATA_BYTES {
            continue;
        }
        let transfer = match call.program {
            TOKEN | TOKEN_2022 => token_transfer(tree, at, accounts),
            SYSTEM => native_transfer(tree, at),
            _ => None,
        };
        let moves = |it: &Transfer<'_>| it.sent > 0 && (it.from.is_none() || it.from != it.to);
        transfers.extend(transfer.filter(moves));
    }
    subtract_withheld_fees(&mut transfers, accounts);
    transfers
}

/// `Transfer`, `MintTo`, `Burn`, their checked variants, and `TransferCheckedWithFee` of the token programs.
fn token_transfer<'t>(tree: &CallTree<'t, '_>, call: usize, accounts: &Accounts<'t, '_>) -> Option<Transfer<'t>> {
    let instruction = tree.calls[call].instruction;
    let data = instruction.data.bytes();
    let account = |at: usize| instruction.accounts.get(at);
    let number = |from: usize| Some(u64::from_le_bytes(data.get(from..from + 8)?.try_into().ok()?));
    let (from, to, authority, sent, fee) = match data.first()? {
        3 => (account(0), account(1), account(2), number(1)?, 0),
        12 => (account(0), account(2), account(3), number(1)?, 0),
        26 if data.get(1) == Some(&1) => (account(0), account(2), account(3), number(2)?, number(11)?),
        7 | 14 => (None, account(1), account(2), number(1)?, 0),
        8 | 15 => (account(0), None, account(2), number(1)?, 0),
        _ => return None,
    };
    // Checked instructions name the mint; for the others it is the mint of the accounts.
    let named_mint = match data.first()? {
        12 | 26 | 8 | 15 => account(1).and_then(|mint| accounts.address(mint)),
        7 | 14 => account(0).and_then(|mint| accounts.address(mint)),
        _ => None,
    };
    let mint_of = |at: Option<usize>| Some(accounts.token_account(at?)?.mint);
    let asset = named_mint.or_else(|| mint_of(from)).or_else(|| mint_of(to))?;
    Some(Transfer { call, asset, from, to, authority, sent, received: sent.saturating_sub(fee), is_native: false })
}

/// `Transfer` and `TransferWithSeed` of the system program.
fn native_transfer<'t>(tree: &CallTree<'t, '_>, call: usize) -> Option<Transfer<'t>> {
    let instruction = tree.calls[call].instruction;
    let data = instruction.data.bytes();
    let to = match u32::from_le_bytes(data.get(..4)?.try_into().ok()?) {
        2 => 1,
        11 => 2,
        _ => return None,
    };
    let sent = u64::from_le_bytes(data.get(4..12)?.try_into().ok()?);
    let (from, to) = (instruction.accounts.get(0), instruction.accounts.get(to));
    Some(Transfer { call, asset: SOL, from, to, authority: from, sent, received: sent, is_native: true })
}

/// Subtracts from what was received the fees that a token keeps of its transfers. No instruction shows them: an account
/// ends with less than went in. What is missing is divided among the transfers into the account, the last taking the
/// remainder.
fn subtract_withheld_fees(transfers: &mut [Transfer<'_>], accounts: &Accounts<'_, '_>) {
    for (at, account) in accounts.token_accounts().filter(|(_, it)| it.is_recorded && it.mint != SOL) {
        let is_into = |transfer: &Transfer<'_>| transfer.to == Some(at) && !transfer.is_native;
        let (mut received, mut sent, mut count) = (0_u128, 0_u128, 0_usize);
        for transfer in transfers.iter() {
            if is_into(transfer) {
                received += u128::from(transfer.received);
                count += 1;
            } else if transfer.from == Some(at) && !transfer.is_native {
                sent += u128::from(transfer.sent);
            }
        }
        let missing = (u128::from(account.before) + received).checked_sub(sent + u128::from(account.after));
        let Some(missing) = missing.filter(|missing| *missing > 0 && *missing < received) else { continue };
        let mut left = missing;
        for transfer in transfers.iter_mut().filter(|transfer| is_into(transfer)) {
            count -= 1;
            // No token has more than 2^64 units; whatever an endpoint reports beyond that is subtracted from the last
            // one.
            let product = missing.checked_mul(u128::from(transfer.received));
            let in_proportion = product.map_or(0, |product| product / received);
            let part = if count == 0 { left } else { in_proportion };
            let part = part.min(left).min(u128::from(transfer.received));
            left -= part;
            transfer.received = transfer.received.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
        }
    }
}
