//! The instruction tree: what was called, by whom, in the order of execution.

use crate::block::Transaction;
use crate::message::Instruction;
use std::ops::Range;

/// The program of plain accounts.
pub const SYSTEM: &str = "11111111111111111111111111111111";
/// The token program.
pub const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// Its successor.
pub const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

/// Programs that programs stand on: they are never venues, and where heights were not recorded they are called from
/// within.
const BASICS: [&str; 8] = [
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",
    "ComputeBudget111111111111111111111111111111",
    "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
    "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo",
    "AddressLookupTab1e1111111111111111111111111",
];

/// The first bytes of an event that a program tells by calling itself.
pub const EVENT: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

/// One call.
#[derive(Clone, Debug)]
pub struct Call<'t, 'a> {
    /// What was called and how.
    pub instruction: &'t Instruction<'a>,
    /// Which program.
    pub program: &'t str,
    /// 1 at the top.
    pub height: u8,
    /// The place after the last call from within this one.
    pub end: usize,
    /// The place of the call at the top that led here.
    pub top: usize,
}

impl Call<'_, '_> {
    /// Whether the program is one that others stand on.
    pub fn is_basic(&self) -> bool {
        BASICS.contains(&self.program)
    }
}

/// All calls of a transaction, each followed by those from within it.
#[derive(Debug, Default)]
pub struct Tree<'t, 'a> {
    /// In the order of execution.
    pub calls: Vec<Call<'t, 'a>>,
}

impl<'t, 'a> Tree<'t, 'a> {
    /// The tree of a transaction.
    pub fn of(transaction: &'t Transaction<'a>) -> Self {
        let mut tree = Self { calls: Vec::with_capacity(32) };
        let mut inner = transaction.meta.inner.iter().peekable();
        for (number, instruction) in (0_u16..).zip(&transaction.message.instructions) {
            let top = tree.calls.len();
            tree.push(transaction, instruction, 1, top);
            while let Some((_, within)) = inner.next_if(|(of, _)| *of <= number) {
                for instruction in within {
                    let height =
                        instruction.height.map_or_else(|| tree.guess(transaction, instruction, top), |at| at.max(2));
                    tree.push(transaction, instruction, height, top);
                }
            }
        }
        tree.close();
        tree
    }

    /// The calls from within a call, at any depth.
    pub fn within(&self, at: usize) -> Range<usize> {
        at + 1..self.calls[at].end
    }

    /// The calls that led to a call, the nearest first.
    pub fn above(&self, at: usize) -> impl Iterator<Item = &Call<'t, 'a>> {
        let mut height = self.calls[at].height;
        self.calls[..at].iter().rev().filter(move |call| {
            let is_above = call.height < height;
            height = height.min(call.height);
            is_above
        })
    }

    fn push(&mut self, transaction: &'t Transaction<'a>, instruction: &'t Instruction<'a>, height: u8, top: usize) {
        let program = transaction.message.keys.get(usize::from(instruction.program)).map_or("", AsRef::as_ref);
        self.calls.push(Call { instruction, program, height, end: 0, top });
    }

    /// Without a recorded height: what programs stand on, and what a program tells by calling itself, is called by the
    /// program before; everything else from the top.
    fn guess(&self, transaction: &Transaction<'a>, instruction: &Instruction<'a>, top: usize) -> u8 {
        let key = transaction.message.keys.get(usize::from(instruction.program)).map_or("", AsRef::as_ref);
        let caller = self.calls[top..].iter().rev().find(|call| call.height == 1 || !call.is_basic());
        let caller = caller.map_or((1, ""), |call| (call.height, call.program));
        if BASICS.contains(&key) || (caller.0 > 1 && caller.1 == key && instruction.data.bytes().starts_with(&EVENT)) {
            caller.0 + 1
        } else {
            2
        }
    }

    fn close(&mut self) {
        let mut open: Vec<usize> = vec![];
        for at in 0..=self.calls.len() {
            let height = self.calls.get(at).map_or(0, |call| call.height);
            while let Some(last) = open.pop_if(|last| self.calls[*last].height >= height) {
                self.calls[last].end = at;
            }
            open.push(at);
        }
    }
}
