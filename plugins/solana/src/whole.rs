//! Whether a transaction is whole: every field that a node records is there, and none contradicts another.

use crate::envelope::Envelope;
use crate::message::{Instruction, TransactionMessage};
use crate::meta::{Meta, RawInner};
use crate::programs::{TOKEN, TOKEN_2022};
use std::borrow::Cow;

/// Adds the accounts of lookup tables and resolves the instructions' programs and accounts to indices. Where something
/// is missing, it is named instead.
pub(crate) fn resolve<'a>(
    envelope: Envelope<'a>,
    mut meta: Meta<'a>,
) -> Result<(TransactionMessage<'a>, Meta<'a>), &'static str> {
    if let Some(field) = envelope.missing_field().or_else(|| meta.missing_field()) {
        return Err(field);
    }
    let Envelope { mut message, raw, has_all_keys } = envelope;
    let listed = message.keys.len();
    let loaded = std::mem::take(&mut meta.loaded);
    if !has_all_keys {
        // Some archives list the accounts of lookup tables among the others; there is a balance for each of all.
        let lists_all = meta.lamports[0].len() == message.keys.len();
        if !lists_all && loaded.writable.len() + loaded.readonly.len() < message.looked_up {
            return Err("loadedAddresses");
        }
        message.keys.extend(loaded.writable.into_iter().chain(loaded.readonly).map(Cow::Borrowed));
    }
    for raw in raw {
        message.instructions.push(raw.resolve(&message.keys)?);
    }
    for RawInner { index, instructions } in std::mem::take(&mut meta.raw_inner) {
        let resolved: Result<Vec<_>, _> = instructions.into_iter().map(|raw| raw.resolve(&message.keys)).collect();
        meta.inner.push((index, resolved?));
    }
    meta.inner.sort_by_key(|(index, _)| *index);
    match contradiction(&message, &meta, listed) {
        Some(field) => Err(field),
        None => Ok((message, meta)),
    }
}

/// A field that cannot be whole, because another one shows what it lacks. So many accounts are listed in the message
/// itself.
fn contradiction(message: &TransactionMessage<'_>, meta: &Meta<'_>, listed: usize) -> Option<&'static str> {
    let count = message.keys.len();
    if meta.inner.last().is_some_and(|(index, _)| usize::from(*index) >= message.instructions.len()) {
        return Some("message.instructions");
    }
    let calls = || message.instructions.iter().chain(meta.inner.iter().flat_map(|(_, within)| within));
    let is_known = |call: &Instruction<'_>| usize::from(call.program) < count && call.accounts.are_below(count);
    let balances = || meta.tokens.iter().flatten();
    if !calls().all(is_known) || balances().any(|balance| usize::from(balance.account_index) >= count) {
        return Some(if message.looked_up > 0 { "loadedAddresses" } else { "message.accountKeys" });
    }
    for (lamports, field) in meta.lamports.iter().zip(["preBalances", "postBalances"]) {
        if lamports.len() < listed {
            return Some(field);
        }
    }
    // Token accounts change only by calls of a token program.
    let is_token = |call: &Instruction<'_>| [TOKEN, TOKEN_2022].contains(&&*message.keys[usize::from(call.program)]);
    if !calls().any(is_token) {
        return meta.moves_tokens().then_some("innerInstructions");
    }
    // Tokens move only between token accounts.
    let shows_accounts = balances().next().is_some();
    let moves = |call: &Instruction<'_>| {
        let data = call.data.bytes();
        let amount = data.get(1..9).is_some_and(|amount| amount != [0; 8]);
        is_token(call) && amount && matches!(data.first(), Some(3 | 12))
    };
    let makes = |call: &Instruction<'_>| is_token(call) && matches!(call.data.bytes().first(), Some(1 | 16 | 18));
    (!shows_accounts && calls().any(moves) && !calls().any(makes)).then_some("preTokenBalances")
}
