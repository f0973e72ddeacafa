//! The call tree of a transaction: which programs were called, by whom, in the order of execution.

use crate::block::NodeTransaction;
use crate::message::Instruction;
use crate::programs::BASIC_PROGRAMS;
use std::ops::Range;

/// The first bytes of the data with which an Anchor program calls itself to emit an event.
pub(crate) const EVENT_PREFIX: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];

/// One call of a program.
#[derive(Clone, Debug)]
pub(crate) struct ProgramCall<'t, 'a> {
    /// The instruction.
    pub(crate) instruction: &'t Instruction<'a>,
    /// The program's address.
    pub(crate) program: &'t str,
    /// The stack height: 1 at the top.
    pub(crate) height: u8,
    /// The index after the last call within this one.
    pub(crate) end: usize,
    /// The index of the call at the top that led here.
    pub(crate) top: usize,
}

impl ProgramCall<'_, '_> {
    /// Whether the program is one that others build on.
    pub(crate) fn is_basic(&self) -> bool {
        BASIC_PROGRAMS.contains(&self.program)
    }
}

/// All calls of a transaction, each followed by the calls within it.
#[derive(Debug, Default)]
pub(crate) struct CallTree<'t, 'a> {
    /// In the order of execution.
    pub(crate) calls: Vec<ProgramCall<'t, 'a>>,
}

impl<'t, 'a> CallTree<'t, 'a> {
    /// The tree of a transaction.
    pub(crate) fn from_transaction(transaction: &'t NodeTransaction<'a>) -> Self {
        let mut tree = Self { calls: Vec::with_capacity(32) };
        let mut inner = transaction.meta.inner.iter().peekable();
        for (number, instruction) in (0_u16..).zip(&transaction.message.instructions) {
            let top = tree.calls.len();
            tree.push(transaction, instruction, 1, top);
            while let Some((_, within)) = inner.next_if(|(of, _)| *of <= number) {
                for instruction in within {
                    let height = instruction
                        .height
                        .map_or_else(|| tree.guess_height(transaction, instruction, top), |at| at.max(2));
                    tree.push(transaction, instruction, height, top);
                }
            }
        }
        tree.set_ends();
        tree
    }

    /// Indices of the calls within a call, at any depth.
    pub(crate) fn within(&self, at: usize) -> Range<usize> {
        at + 1..self.calls[at].end
    }

    /// The calls that led to a call, its caller first.
    pub(crate) fn above(&self, at: usize) -> impl Iterator<Item = &ProgramCall<'t, 'a>> {
        let mut height = self.calls[at].height;
        self.calls[..at].iter().rev().filter(move |call| {
            let is_above = call.height < height;
            height = height.min(call.height);
            is_above
        })
    }

    fn push(&mut self, transaction: &'t NodeTransaction<'a>, instruction: &'t Instruction<'a>, height: u8, top: usize) {
        let program = transaction.message.keys.get(usize::from(instruction.program)).map_or("", AsRef::as_ref);
        self.calls.push(ProgramCall { instruction, program, height, end: 0, top });
    }

    /// The height of a call without a recorded one: basic programs, and a program that emits an event by calling
    /// itself, are taken to be called by the program before; everything else from the top.
    fn guess_height(&self, transaction: &NodeTransaction<'a>, instruction: &Instruction<'a>, top: usize) -> u8 {
        let key = transaction.message.keys.get(usize::from(instruction.program)).map_or("", AsRef::as_ref);
        let caller = self.calls[top..].iter().rev().find(|call| call.height == 1 || !call.is_basic());
        let caller = caller.map_or((1, ""), |call| (call.height, call.program));
        if BASIC_PROGRAMS.contains(&key)
            || (caller.0 > 1 && caller.1 == key && instruction.data.bytes().starts_with(&EVENT_PREFIX))
        {
            caller.0 + 1
        } else {
            2
        }
    }

    /// Sets where each call ends, from the heights.
    fn set_ends(&mut self) {
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
