//! Signatures of transactions: what was signed is encoded again as it went over the wire, and each signature is checked with
//! its signer's key.
//!
//! So sender, signers, accounts and instructions at the top are proved; inner calls, balances and the order in the block stay
//! the endpoint's word. `jsonParsed` leaves out what was signed, and version 1 is checked only in its bytes.

use crate::base58;
use crate::numbers::number;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chain_plugin_sdk::Failure;
use chain_plugin_sdk::jsonrpc::Reply;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What the signatures of a block's trades say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureCheck {
    /// All are right.
    Proved,
    /// Some could not be checked, since what was signed is not given.
    NotGiven,
}

#[derive(Deserialize)]
struct SignedBlock<'a> {
    #[serde(borrow)]
    transactions: Option<Vec<SignedEntry<'a>>>,
}

#[derive(Deserialize)]
struct SignedEntry<'a> {
    #[serde(borrow)]
    transaction: &'a RawValue,
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SignedTransaction<'a> {
    #[serde(borrow)]
    signatures: Vec<&'a str>,
    #[serde(borrow)]
    message: SignedMessage<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedMessage<'a> {
    header: Header,
    account_keys: Vec<&'a str>,
    recent_blockhash: &'a str,
    #[serde(borrow)]
    instructions: Vec<SignedInstruction<'a>>,
    #[serde(borrow, default)]
    address_table_lookups: Option<Vec<Lookup<'a>>>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "numRequiredSignatures", deserialize_with = "number")]
    signatures: u8,
    #[serde(rename = "numReadonlySignedAccounts", deserialize_with = "number")]
    readonly_signed: u8,
    #[serde(rename = "numReadonlyUnsignedAccounts", deserialize_with = "number")]
    readonly_unsigned: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedInstruction<'a> {
    #[serde(deserialize_with = "number")]
    program_id_index: u8,
    accounts: Vec<u8>,
    data: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lookup<'a> {
    account_key: &'a str,
    writable_indexes: Vec<u8>,
    readonly_indexes: Vec<u8>,
}

/// Checks the signatures of some transactions of a block, by their indices in it.
pub(crate) fn check(slot: u64, reply: &Reply, which: &BTreeSet<u32>) -> Result<SignatureCheck, Failure> {
    if which.is_empty() {
        return Ok(SignatureCheck::Proved);
    }
    let unreadable = |error| Failure::BadData(format!("slot {slot}: the block cannot be read again: {error}"));
    let block: Option<SignedBlock<'_>> = reply.parse().map_err(unreadable)?;
    let transactions = block.and_then(|block| block.transactions).unwrap_or_default();
    let mut outcome = SignatureCheck::Proved;
    for index in which {
        let entry = usize::try_from(*index).ok().and_then(|at| transactions.get(at));
        let Some(signed) = entry.and_then(Signed::read) else {
            outcome = SignatureCheck::NotGiven;
            continue;
        };
        if let Some(signer) = signed.first_forged() {
            let why = format!("slot {slot}: transaction {index} is not signed by its account {signer} as it is given");
            return Err(Failure::Elsewhere(why));
        }
    }
    Ok(outcome)
}

/// A transaction as it was signed.
#[derive(Debug, PartialEq, Eq)]
struct Signed<'a> {
    /// What was signed.
    message: Cow<'a, [u8]>,
    /// One for each signer.
    signatures: Vec<[u8; 64]>,
    /// Keys of the signers.
    signers: Vec<[u8; 32]>,
}

impl Signed<'static> {
    fn read(entry: &SignedEntry<'_>) -> Option<Self> {
        let text = entry.transaction.get();
        if text.trim_start().starts_with('[') {
            let (text, encoding): (&str, &str) = serde_json::from_str(text).ok()?;
            let bytes = match encoding {
                "base64" => BASE64.decode(text).ok()?,
                _ => base58::decode(text)?,
            };
            return Self::from_wire(&bytes);
        }
        let SignedTransaction { signatures, message } = serde_json::from_str(text).ok()?;
        let has_tables = match entry.version.map(RawValue::get) {
            None | Some("null" | r#""legacy""#) => false,
            Some("0") => true,
            Some(_) => return None,
        };
        let fixed = |text: &str| <[u8; 64]>::try_from(base58::decode(text)?).ok();
        let signatures = signatures.into_iter().map(fixed).collect::<Option<_>>()?;
        let (message, signers) = encode(&message, has_tables)?;
        Some(Self { message: message.into(), signatures, signers })
    }

    /// From the bytes of the wire: the signatures stand before what was signed, in version 1 behind it.
    fn from_wire(bytes: &[u8]) -> Option<Self> {
        const VERSION_1: u8 = 0x81;
        let (count, message, signatures, keys_at) = if *bytes.first()? == VERSION_1 {
            let count = usize::from(*bytes.get(1)?);
            let (message, signatures) = bytes.split_at_checked(bytes.len().checked_sub(64 * count)?)?;
            // Version, header, mask of limits, lifetime, and the two counts.
            (count, message, signatures, 42)
        } else {
            let (count, rest) = (usize::from(*bytes.first()?), bytes.get(1..)?);
            let (signatures, message) = rest.split_at_checked(64 * count)?;
            let has_version = message.first()? & 0x80 != 0;
            let header = usize::from(has_version);
            let keys = message.get(header + 3..)?;
            let length = keys.iter().take(3).position(|byte| byte & 0x80 == 0)? + 1;
            (count, message, signatures, header + 3 + length)
        };
        let keys = message.get(keys_at..)?.chunks_exact(32).take(count);
        let signers: Vec<[u8; 32]> = keys.filter_map(|key| key.try_into().ok()).collect();
        let signatures: Vec<[u8; 64]> = signatures.chunks_exact(64).filter_map(|it| it.try_into().ok()).collect();
        let is_whole = signers.len() == count && signatures.len() == count;
        is_whole.then(|| Self { message: message.to_vec().into(), signatures, signers })
    }

    /// The first signer whose signature is not of this message, in base58.
    fn first_forged(&self) -> Option<String> {
        let is_right = |key: &[u8; 32], signature: &[u8; 64]| {
            let key = VerifyingKey::from_bytes(key).ok()?;
            key.verify_strict(&self.message, &Signature::from_bytes(signature)).ok()
        };
        let signatures = self.signatures.iter().map(Some).chain(std::iter::repeat(None));
        let mut pairs = self.signers.iter().zip(signatures);
        pairs
            .find(|(key, signature)| signature.and_then(|signature| is_right(key, signature)).is_none())
            .map(|(key, _)| base58::encode(key))
    }
}

/// The bytes that were signed, and the keys of the signers; none where a part cannot be encoded.
fn encode(message: &SignedMessage<'_>, has_tables: bool) -> Option<(Vec<u8>, Vec<[u8; 32]>)> {
    let SignedMessage { header, account_keys, recent_blockhash, instructions, address_table_lookups } = message;
    let key = |text: &&str| <[u8; 32]>::try_from(base58::decode(text)?).ok();
    let keys = account_keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    let signers = keys.get(..usize::from(header.signatures))?.to_vec();
    let mut bytes = if has_tables { vec![0x80] } else { vec![] };
    bytes.extend([header.signatures, header.readonly_signed, header.readonly_unsigned]);
    append_length(&mut bytes, keys.len());
    bytes.extend(keys.iter().flatten());
    bytes.extend(key(recent_blockhash)?);
    append_length(&mut bytes, instructions.len());
    for SignedInstruction { program_id_index, accounts, data } in instructions {
        bytes.push(*program_id_index);
        append_list(&mut bytes, accounts);
        append_list(&mut bytes, &base58::decode(data)?);
    }
    if has_tables {
        let lookups = address_table_lookups.as_deref().unwrap_or_default();
        append_length(&mut bytes, lookups.len());
        for Lookup { account_key, writable_indexes, readonly_indexes } in lookups {
            bytes.extend(key(account_key)?);
            append_list(&mut bytes, writable_indexes);
            append_list(&mut bytes, readonly_indexes);
        }
    }
    Some((bytes, signers))
}

fn append_list(bytes: &mut Vec<u8>, list: &[u8]) {
    append_length(bytes, list.len());
    bytes.extend(list);
}

/// A length in one to three bytes, seven bits each, the lowest first.
fn append_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7f).to_le_bytes()[0];
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_seven_bits_a_byte() {
        for (length, expected) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 0x01]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x80, 0x80, 0x01]),
        ] {
            let mut bytes = vec![];
            append_length(&mut bytes, length);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn what_is_no_transaction_is_not_checked() {
        for bytes in [&[][..], &[1], &[0x81, 2], &[0x81, 0, 0], &[2; 64], &[1; 70]] {
            assert_eq!(Signed::from_wire(bytes), None, "{bytes:?}");
        }
        let entry = r#"{"transaction":{"signatures":[],"message":{}},"version":0}"#;
        assert_eq!(Signed::read(&serde_json::from_str(entry).unwrap()), None);
    }
}
