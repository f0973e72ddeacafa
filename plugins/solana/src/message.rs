//! A transaction's message: who signed, which accounts, which instructions; from JSON or from the wire's own bytes
//! (legacy, version 0, version 1).

use crate::base58;
use std::borrow::Cow;

/// An account, as text.
pub type Key<'a> = Cow<'a, str>;

/// What is needed of a transaction's message.
#[derive(Clone, Debug, Default)]
pub struct Message<'a> {
    /// The first signature, which names the transaction.
    pub signature: Key<'a>,
    /// The accounts, in the order that instructions count them by; those from lookup tables come last.
    pub keys: Vec<Key<'a>>,
    /// How many of them signed; they stand first.
    pub signers: usize,
    /// What was called at the top.
    pub instructions: Vec<Instruction<'a>>,
}

/// One call of a program.
#[derive(Clone, Debug)]
pub struct Instruction<'a> {
    /// Place of the program among the accounts.
    pub program: u16,
    /// What it was given.
    pub accounts: Accounts<'a>,
    /// What it was told.
    pub data: Data<'a>,
    /// How deep it was called, 1 at the top; nodes did not always record it.
    pub height: Option<u8>,
}

/// The accounts of an instruction, as places among those of the transaction.
#[derive(Clone, Debug)]
pub enum Accounts<'a> {
    /// A JSON list, read only as far as it is needed.
    Json(&'a str),
    /// Numbers.
    Places(Vec<u16>),
}

impl Accounts<'_> {
    /// The place of the `at`th account.
    pub fn get(&self, at: usize) -> Option<usize> {
        match self {
            Self::Json(text) => {
                let item = text.trim().strip_prefix('[')?.trim_end_matches(']').split(',').nth(at)?;
                item.trim().parse().ok()
            }
            Self::Places(places) => places.get(at).map(|place| usize::from(*place)),
        }
    }
}

/// The data of an instruction.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// As nodes spell it.
    Base58(&'a str),
    /// Read already.
    Bytes(Vec<u8>),
}

impl Data<'_> {
    /// The bytes; nothing when the text is no base58.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Base58(text) => Cow::Owned(base58::decode(text).unwrap_or_default()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// An upper bound of how many bytes there are.
    pub fn len_at_most(&self) -> usize {
        match self {
            Self::Base58(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Reads a transaction from the wire's bytes.
pub fn decode(bytes: &[u8]) -> Option<Message<'static>> {
    let mut wire = Wire(bytes);
    // Signatures come first, but for version 1, which begins with its version.
    if *bytes.first()? == VERSION_1 { version_1(&mut wire) } else { version_0(&mut wire) }
}

/// The first byte of a version 1 transaction.
const VERSION_1: u8 = 0x81;

fn version_0(wire: &mut Wire<'_>) -> Option<Message<'static>> {
    let count = wire.compact()?;
    let mut signature = Cow::Borrowed("");
    for at in 0..count {
        let bytes = wire.take(64)?;
        if at == 0 {
            signature = base58::encode(bytes).into();
        }
    }
    match wire.0.first()? {
        0x80 => wire.skip(1)?,
        version if version & 0x80 != 0 => return None,
        _ => {}
    }
    let signers = usize::from(wire.byte()?);
    wire.skip(2)?;
    let keys = wire.compact()?;
    let keys = wire.keys(keys)?;
    wire.skip(32)?;
    let count = wire.compact()?;
    let mut instructions = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let program = u16::from(wire.byte()?);
        let places = wire.compact()?;
        let places = wire.take(places)?;
        let data = wire.compact()?;
        let data = wire.take(data)?;
        instructions.push(instruction(program, places, data));
    }
    Some(Message { signature, keys, signers, instructions })
}

/// Version 1: a mask of limits, the lifetime, counts, accounts, limits, the heads of all instructions, their bodies, and
/// the signatures last; there are no lookup tables.
fn version_1(wire: &mut Wire<'_>) -> Option<Message<'static>> {
    wire.skip(1)?;
    let signers = usize::from(wire.byte()?);
    wire.skip(2)?;
    let mask = u32::from_le_bytes(wire.take(4)?.try_into().ok()?);
    wire.skip(32)?;
    let (count, keys) = (usize::from(wire.byte()?), usize::from(wire.byte()?));
    let keys = wire.keys(keys)?;
    wire.skip(4 * usize::try_from(mask.count_ones()).ok()?)?;
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        let (program, places) = (wire.byte()?, wire.byte()?);
        heads.push((program, places, u16::from_le_bytes(wire.take(2)?.try_into().ok()?)));
    }
    let mut instructions = Vec::with_capacity(count);
    for (program, places, data) in heads {
        let places = wire.take(usize::from(places))?;
        instructions.push(instruction(u16::from(program), places, wire.take(usize::from(data))?));
    }
    let signature = base58::encode(wire.take(64)?).into();
    Some(Message { signature, keys, signers, instructions })
}

fn instruction(program: u16, places: &[u8], data: &[u8]) -> Instruction<'static> {
    let accounts = Accounts::Places(places.iter().map(|place| u16::from(*place)).collect());
    Instruction { program, accounts, data: Data::Bytes(data.to_vec()), height: Some(1) }
}

/// What is left to read.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// A length of one to three bytes, seven bits each.
    fn compact(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn keys(&mut self, count: usize) -> Option<Vec<Key<'static>>> {
        let bytes = self.take(count.checked_mul(32)?)?;
        Some(bytes.chunks_exact(32).map(|key| base58::encode(key).into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accounts_are_read_one_by_one() {
        let accounts = Accounts::Json("[0, 13,2]");
        assert_eq!([0, 1, 2, 3].map(|at| accounts.get(at)), [Some(0), Some(13), Some(2), None]);
        assert_eq!(Accounts::Json("[]").get(0), None);
        assert_eq!(Accounts::Places(vec![7]).get(0), Some(7));
    }

    #[test]
    fn a_legacy_transfer_is_read() {
        let mut bytes = vec![1];
        bytes.extend([9; 64]);
        bytes.extend([1, 0, 1, 3]);
        for key in [1, 2, 0] {
            bytes.extend([key; 32]);
        }
        bytes.extend([5; 32]);
        bytes.extend([1, 2, 2, 0, 1, 3, 7, 8, 9]);
        let message = decode(&bytes).unwrap();
        assert_eq!(message.signature, base58::encode(&[9; 64]));
        assert_eq!((message.signers, message.keys.len()), (1, 3));
        assert_eq!(message.keys[2], "1".repeat(32));
        assert_eq!(message.instructions[0].data.bytes().as_ref(), [7, 8, 9]);
        assert_eq!(message.instructions[0].accounts.get(1), Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..600), head in 0_usize..4) {
            // Near to what is real: few signatures, or the mark of version 1.
            if let Some(first) = bytes.first_mut() {
                *first = [VERSION_1, 0, 1, *first][head];
            }
            let _ = decode(&bytes);
        }
    }
}
