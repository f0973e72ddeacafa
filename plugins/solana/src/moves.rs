//! What moved: every transfer of tokens and of native SOL, as the tree of instructions tells it.

use crate::SOL;
use crate::holders::Holders;
use crate::tree::{SYSTEM, TOKEN, TOKEN_2022, Tree};

/// One movement.
#[derive(Clone, Debug)]
pub struct Move<'t> {
    /// The place of the call that moved it.
    pub at: usize,
    /// The token, or SOL.
    pub asset: &'t str,
    /// Place of the account that gave; none when it was minted.
    pub from: Option<usize>,
    /// Place of the account that got; none when it was burned.
    pub to: Option<usize>,
    /// Place of the account that allowed it.
    pub authority: Option<usize>,
    /// What the giver gave.
    pub given: u64,
    /// What the getter got: less, where the token keeps a fee of each transfer.
    pub got: u64,
    /// Whether it moved as native SOL, not as a token.
    pub is_native: bool,
}

/// All movements of a transaction, in order.
pub fn of<'t>(tree: &Tree<'t, '_>, holders: &Holders<'t, '_>) -> Vec<Move<'t>> {
    let mut moves: Vec<Move<'t>> = vec![];
    for (at, call) in tree.calls.iter().enumerate() {
        if call.instruction.data.len_at_most() > 40 {
            continue;
        }
        let read = match call.program {
            TOKEN | TOKEN_2022 => token(tree, at, holders),
            SYSTEM => native(tree, at),
            _ => None,
        };
        moves.extend(read.filter(|read| read.given > 0 && (read.from.is_none() || read.from != read.to)));
    }
    withhold(&mut moves, holders);
    moves
}

/// `Transfer`, `MintTo`, `Burn`, their checked twins, and `TransferCheckedWithFee` of the token programs.
fn token<'t>(tree: &Tree<'t, '_>, at: usize, holders: &Holders<'t, '_>) -> Option<Move<'t>> {
    let instruction = tree.calls[at].instruction;
    let data = instruction.data.bytes();
    let place = |at: usize| instruction.accounts.get(at);
    let number = |from: usize| Some(u64::from_le_bytes(data.get(from..from + 8)?.try_into().ok()?));
    let mint = |at: Option<usize>| Some(holders.token(at?)?.mint);
    let (from, to, authority, given, fee) = match data.first()? {
        3 => (place(0), place(1), place(2), number(1)?, 0),
        12 => (place(0), place(2), place(3), number(1)?, 0),
        26 if data.get(1) == Some(&1) => (place(0), place(2), place(3), number(2)?, number(11)?),
        7 | 14 => (None, place(1), place(2), number(1)?, 0),
        8 | 15 => (place(0), None, place(2), number(1)?, 0),
        _ => return None,
    };
    // The checked ones name their token; the others are told by the accounts.
    let named = match data.first()? {
        12 | 26 | 8 | 15 => place(1).and_then(|mint| holders.name(mint)),
        7 | 14 => place(0).and_then(|mint| holders.name(mint)),
        _ => None,
    };
    let asset = named.or_else(|| mint(from)).or_else(|| mint(to))?;
    Some(Move { at, asset, from, to, authority, given, got: given.saturating_sub(fee), is_native: false })
}

/// `Transfer` and `TransferWithSeed` of the system program.
fn native<'t>(tree: &Tree<'t, '_>, at: usize) -> Option<Move<'t>> {
    let instruction = tree.calls[at].instruction;
    let data = instruction.data.bytes();
    let to = match u32::from_le_bytes(data.get(..4)?.try_into().ok()?) {
        2 => 1,
        11 => 2,
        _ => return None,
    };
    let given = u64::from_le_bytes(data.get(4..12)?.try_into().ok()?);
    let (from, to) = (instruction.accounts.get(0), instruction.accounts.get(to));
    Some(Move { at, asset: SOL, from, to, authority: from, given, got: given, is_native: true })
}

/// A token may keep a part of each transfer without any instruction saying so: then an account ends with less than went
/// in. What is missing is shared out over the transfers into it, the last taking the remainder.
fn withhold(moves: &mut [Move<'_>], holders: &Holders<'_, '_>) {
    for (place, holder) in holders.tokens().filter(|(_, holder)| holder.is_recorded && holder.mint != SOL) {
        let into = |moved: &Move<'_>| moved.to == Some(place) && !moved.is_native;
        let (mut got, mut given, mut count) = (0_u128, 0_u128, 0_usize);
        for moved in moves.iter() {
            if into(moved) {
                got += u128::from(moved.got);
                count += 1;
            } else if moved.from == Some(place) && !moved.is_native {
                given += u128::from(moved.given);
            }
        }
        let missing = (u128::from(holder.before) + got).checked_sub(given + u128::from(holder.after));
        let Some(missing) = missing.filter(|missing| *missing > 0 && *missing < got) else { continue };
        let mut left = missing;
        for moved in moves.iter_mut().filter(|moved| into(moved)) {
            count -= 1;
            // No token has more than 2^64 units; what an endpoint says beyond that is all put on the last.
            let share = missing.checked_mul(u128::from(moved.got)).map_or(0, |product| product / got);
            let part = if count == 0 { left } else { share };
            let part = part.min(left).min(u128::from(moved.got));
            left -= part;
            moved.got = moved.got.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
        }
    }
}
