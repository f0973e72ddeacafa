//! A transaction's message: its signers, accounts and instructions; and how it is decoded from the bytes of the wire
//! (legacy, version 0, version 1).

use crate::base58;
use std::borrow::Cow;

/// The address of an account, in base58.
pub type AccountKey<'a> = Cow<'a, str>;

/// The parts of a message that are needed.
#[derive(Clone, Debug, Default)]
pub struct TransactionMessage<'a> {
    /// The first signature, which names the transaction.
    pub signature: AccountKey<'a>,
    /// The accounts, in the order by which instructions index them; those of lookup tables come last.
    pub keys: Vec<AccountKey<'a>>,
    /// How many accounts signed; these come first.
    pub signers: usize,
    /// How many accounts come from lookup tables.
    pub looked_up: usize,
    /// The instructions at the top.
    pub instructions: Vec<Instruction<'a>>,
}

/// One instruction of a transaction, at the top or within another.
#[derive(Clone, Debug)]
pub struct Instruction<'a> {
    /// Index of the program among the accounts.
    pub program: u16,
    /// The accounts it works on.
    pub accounts: InstructionAccounts<'a>,
    /// Its data.
    pub data: Data<'a>,
    /// The stack height, 1 at the top; absent in old blocks.
    pub height: Option<u8>,
}

/// The accounts of an instruction, as indices among those of the transaction.
#[derive(Clone, Debug)]
pub enum InstructionAccounts<'a> {
    /// A JSON list, parsed only as far as needed.
    Json(&'a str),
    /// The indices.
    Indices(Vec<u16>),
}

impl InstructionAccounts<'_> {
    /// The index of the `at`th account.
    pub fn get(&self, at: usize) -> Option<usize> {
        match self {
            Self::Json(text) => {
                let item = text.trim().strip_prefix('[')?.trim_end_matches(']').split(',').nth(at)?;
                item.trim().parse().ok()
            }
            Self::Indices(indices) => indices.get(at).map(|index| usize::from(*index)),
        }
    }

    /// Whether all are indices below `count`.
    pub fn are_below(&self, count: usize) -> bool {
        match self {
            Self::Json(text) => {
                let items = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(str::trim);
                let is_below = |item: &str| item.trim().parse::<usize>().is_ok_and(|at| at < count);
                items.is_some_and(|items| items.is_empty() || items.split(',').all(is_below))
            }
            Self::Indices(indices) => indices.iter().all(|at| usize::from(*at) < count),
        }
    }
}

/// The data of an instruction.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// In base58, as nodes write it.
    Base58(&'a str),
    /// Decoded.
    Bytes(Vec<u8>),
}

impl Data<'_> {
    /// The bytes; empty where the text is no base58.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Base58(text) => Cow::Owned(base58::decode(text).unwrap_or_default()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// An upper bound of the number of bytes.
    pub fn len_at_most(&self) -> usize {
        match self {
            Self::Base58(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Decodes a transaction from the bytes of the wire; none where they are no transaction.
pub fn decode(bytes: &[u8]) -> Option<TransactionMessage<'static>> {
    let mut wire = Wire(bytes);
    // Version 1 begins with its version; the others begin with the signatures.
    if *bytes.first()? == VERSION_1 { decode_version_1(&mut wire) } else { decode_version_0(&mut wire) }
}

/// The first byte of a version 1 transaction.
const VERSION_1: u8 = 0x81;

/// Legacy transactions and version 0.
fn decode_version_0(wire: &mut Wire<'_>) -> Option<TransactionMessage<'static>> {
    let count = wire.compact()?;
    let mut signature = Cow::Borrowed("");
    for at in 0..count {
        let bytes = wire.take(64)?;
        if at == 0 {
            signature = base58::encode(bytes).into();
        }
    }
    let has_lookups = match wire.0.first()? {
        0x80 => true,
        version if version & 0x80 != 0 => return None,
        _ => false,
    };
    wire.skip(usize::from(has_lookups))?;
    let signers = usize::from(wire.byte()?);
    wire.skip(2)?;
    let keys = wire.compact()?;
    let keys = wire.keys(keys)?;
    wire.skip(32)?;
    let count = wire.compact()?;
    let mut instructions = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let program = u16::from(wire.byte()?);
        let indices = wire.compact()?;
        let indices = wire.take(indices)?;
        let data = wire.compact()?;
        let data = wire.take(data)?;
        instructions.push(instruction(program, indices, data));
    }
    let mut looked_up = 0;
    for _ in 0..if has_lookups { wire.compact()? } else { 0 } {
        wire.skip(32)?;
        for _ in ["writable", "readonly"] {
            let indices = wire.compact()?;
            wire.skip(indices)?;
            looked_up += indices;
        }
    }
    Some(TransactionMessage { signature, keys, signers, looked_up, instructions })
}

/// Version 1 has a mask of limits, the lifetime, counts, accounts, limits, the heads of all instructions, their bodies,
/// and the signatures last. It has no lookup tables.
fn decode_version_1(wire: &mut Wire<'_>) -> Option<TransactionMessage<'static>> {
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
        let (program, indices) = (wire.byte()?, wire.byte()?);
        heads.push((program, indices, u16::from_le_bytes(wire.take(2)?.try_into().ok()?)));
    }
    let mut instructions = Vec::with_capacity(count);
    for (program, indices, data) in heads {
        let indices = wire.take(usize::from(indices))?;
        instructions.push(instruction(u16::from(program), indices, wire.take(usize::from(data))?));
    }
    let signature = base58::encode(wire.take(64)?).into();
    Some(TransactionMessage { signature, keys, signers, looked_up: 0, instructions })
}

fn instruction(program: u16, indices: &[u8], data: &[u8]) -> Instruction<'static> {
    let accounts = InstructionAccounts::Indices(indices.iter().map(|index| u16::from(*index)).collect());
    Instruction { program, accounts, data: Data::Bytes(data.to_vec()), height: Some(1) }
}

/// The bytes that are not read yet.
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

    fn keys(&mut self, count: usize) -> Option<Vec<AccountKey<'static>>> {
        let bytes = self.take(count.checked_mul(32)?)?;
        Some(bytes.chunks_exact(32).map(|key| base58::encode(key).into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accounts_of_a_json_list_are_read_by_index() {
        let accounts = InstructionAccounts::Json("[0, 13,2]");
        assert_eq!([0, 1, 2, 3].map(|at| accounts.get(at)), [Some(0), Some(13), Some(2), None]);
        assert_eq!(InstructionAccounts::Json("[]").get(0), None);
        assert_eq!(InstructionAccounts::Indices(vec![7]).get(0), Some(7));
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
            // Like real ones: few signatures, or the first byte of version 1.
            if let Some(first) = bytes.first_mut() {
                *first = [VERSION_1, 0, 1, *first][head];
            }
            let _ = decode(&bytes);
        }
    }
}
