//! A transaction in any encoding of a node: an object (`json`), an object with decoded instructions (`jsonParsed`), or
//! the bytes of the wire (`base64`, `base58`).

use crate::message::{self, AccountKey, Data, Instruction, InstructionAccounts, TransactionMessage};
use crate::numbers::{number, optional};
use crate::parsed;
use crate::programs::{CANNOT_TRADE, VOTE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A signed message whose instructions are not resolved yet, because accounts of lookup tables may be missing.
pub(crate) struct Envelope<'a> {
    /// Signature and accounts; from the bytes of the wire, instructions as well.
    pub(crate) message: TransactionMessage<'a>,
    /// The instructions of a JSON encoding.
    pub(crate) raw: Vec<RawInstruction<'a>>,
    /// Whether the message already has the accounts of lookup tables.
    pub(crate) has_all_keys: bool,
}

impl Envelope<'_> {
    /// Whether every instruction at the top calls a program that cannot trade. Programs are never accounts of lookup
    /// tables, so this is known even where those are missing.
    pub(crate) fn cannot_trade(&self) -> bool {
        let TransactionMessage { keys, instructions, .. } = &self.message;
        let is_harmless =
            |index: u16| keys.get(usize::from(index)).is_some_and(|key| CANNOT_TRADE.contains(&key.as_ref()));
        let mut raw = self.raw.iter().map(|raw| match (raw.program_id_index, raw.program_id) {
            (Some(index), _) => is_harmless(index),
            (None, program) => program.is_some_and(|program| CANNOT_TRADE.contains(&program)),
        });
        raw.all(|harmless| harmless) && instructions.iter().all(|instruction| is_harmless(instruction.program))
    }

    /// A field of the message that is left out, though every transaction has it.
    pub(crate) fn missing_field(&self) -> Option<&'static str> {
        let TransactionMessage { signature, signers, .. } = &self.message;
        if signature.is_empty() { Some("transaction.signatures") } else { (*signers == 0).then_some("message.header") }
    }

    /// Whether all its instructions are votes.
    pub(crate) fn is_vote(&self) -> bool {
        let TransactionMessage { keys, instructions, .. } = &self.message;
        let Some(vote) = keys.iter().rposition(|key| key == VOTE) else { return false };
        let votes = |program: usize| program == vote;
        let mut raw = self.raw.iter().map(|raw| match raw.program_id_index {
            Some(index) => votes(usize::from(index)),
            None => raw.program_id == Some(VOTE),
        });
        raw.all(|vote| vote) && instructions.iter().all(|instruction| votes(usize::from(instruction.program)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a transaction as an object, or as base64 or base58 with the name of the encoding")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let json = JsonTransaction::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(json.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let text: &str = list.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let encoding: &str = list.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                let bytes = match encoding {
                    "base64" => BASE64.decode(text).ok(),
                    "base58" => crate::base58::decode(text),
                    _ => None,
                };
                let message = bytes.and_then(|bytes| message::decode(&bytes));
                let message = message.ok_or_else(|| de::Error::custom("the transaction cannot be decoded"))?;
                Ok(Envelope { message, raw: vec![], has_all_keys: false })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
struct JsonTransaction<'a> {
    #[serde(borrow)]
    signatures: Vec<&'a str>,
    #[serde(borrow)]
    message: JsonMessage<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMessage<'a> {
    header: Option<JsonHeader>,
    #[serde(borrow)]
    account_keys: Vec<JsonKey<'a>>,
    #[serde(borrow)]
    instructions: Vec<RawInstruction<'a>>,
    #[serde(default)]
    address_table_lookups: Option<Vec<JsonLookup>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonHeader {
    #[serde(deserialize_with = "number")]
    num_required_signatures: usize,
}

/// The accounts that a message takes from one lookup table.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonLookup {
    #[serde(default)]
    writable_indexes: Vec<IgnoredAny>,
    #[serde(default)]
    readonly_indexes: Vec<IgnoredAny>,
}

/// A key; with `jsonParsed` also whether it signed.
struct JsonKey<'a> {
    key: &'a str,
    signs: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonKey<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Described<'a> {
            pubkey: &'a str,
            #[serde(default)]
            signer: bool,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = JsonKey<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an account")
            }

            fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(JsonKey { key, signs: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let described = Described::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(JsonKey { key: described.pubkey, signs: Some(described.signer) })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'a> From<JsonTransaction<'a>> for Envelope<'a> {
    fn from(json: JsonTransaction<'a>) -> Self {
        let JsonMessage { header, account_keys, instructions, address_table_lookups } = json.message;
        // `jsonParsed` lists the keys of lookup tables among the others.
        let has_all_keys = account_keys.first().is_some_and(|key| key.signs.is_some());
        let described = account_keys.iter().take_while(|key| key.signs == Some(true)).count();
        let lookups = address_table_lookups.iter().flatten();
        let message = TransactionMessage {
            signature: json.signatures.first().copied().unwrap_or_default().into(),
            signers: header.map_or(described, |header| header.num_required_signatures),
            keys: account_keys.into_iter().map(|key| Cow::Borrowed(key.key)).collect(),
            looked_up: lookups.map(|table| table.writable_indexes.len() + table.readonly_indexes.len()).sum(),
            instructions: vec![],
        };
        Self { message, raw: instructions, has_all_keys }
    }
}

/// An instruction in JSON (`json` or `jsonParsed`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawInstruction<'a> {
    #[serde(default, deserialize_with = "optional")]
    program_id_index: Option<u16>,
    program_id: Option<&'a str>,
    #[serde(borrow)]
    accounts: Option<&'a RawValue>,
    data: Option<&'a str>,
    #[serde(borrow)]
    parsed: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "optional")]
    stack_height: Option<u8>,
}

impl<'a> RawInstruction<'a> {
    /// The instruction with its program and accounts as indices; the name of a field where that is missing.
    pub(crate) fn resolve(self, keys: &[AccountKey<'a>]) -> Result<Instruction<'a>, &'static str> {
        let index_of = |key: &str| {
            let position = keys.iter().position(|known| known == key);
            // An index that is written as text.
            position.map_or_else(|| key.parse().ok(), |at| u16::try_from(at).ok())
        };
        let program = match (self.program_id_index, self.program_id) {
            (Some(index), _) => index,
            (None, Some(key)) => index_of(key).ok_or("instruction.programId")?,
            (None, None) => return Err("instruction.programIdIndex"),
        };
        if let Some(decoded) = self.parsed {
            return Ok(parsed::encode_instruction(program, decoded, keys, self.stack_height));
        }
        let accounts = match self.accounts.map(RawValue::get) {
            Some(list) if list.contains('"') => {
                let addresses: Vec<&str> = serde_json::from_str(list).map_err(|_| "instruction.accounts")?;
                let indices: Option<Vec<u16>> = addresses.into_iter().map(index_of).collect();
                InstructionAccounts::Indices(indices.ok_or("instruction.accounts")?)
            }
            Some(list) => InstructionAccounts::Json(list),
            None => return Err("instruction.accounts"),
        };
        let data = Data::Base58(self.data.ok_or("instruction.data")?);
        Ok(Instruction { program, accounts, data, height: self.stack_height })
    }
}
