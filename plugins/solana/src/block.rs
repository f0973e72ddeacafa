//! The answer of `getBlock`, read in one pass: votes and failed transactions are passed over as soon as they are known to
//! be such; what is kept borrows from the bytes that came.

use crate::envelope::{Envelope, RawInstruction};
use crate::message::{Instruction, Message};
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// A block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block<'a> {
    /// Its hash.
    pub blockhash: &'a str,
    /// Its parent's.
    pub previous_blockhash: &'a str,
    /// Its parent's slot; every slot between has no block.
    pub parent_slot: u64,
    /// Seconds since the Unix epoch.
    pub block_time: Option<i64>,
    /// What it did.
    #[serde(borrow, default)]
    pub transactions: Transactions<'a>,
}

/// The transactions of a block that took effect, votes left out.
#[derive(Debug, Default)]
pub struct Transactions<'a> {
    /// What is kept.
    pub kept: Vec<Transaction<'a>>,
    /// How many there were in all.
    pub count: u32,
}

/// A transaction that took effect.
#[derive(Debug)]
pub struct Transaction<'a> {
    /// Its place in the block.
    pub index: u32,
    /// What was signed, with all accounts known by place.
    pub message: Message<'a>,
    /// What came of it.
    pub meta: Meta<'a>,
}

/// What came of a transaction.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    /// Paid by the first signer.
    pub fee: u64,
    /// Lamports of each account before and after.
    pub lamports: [Vec<u64>; 2],
    /// Token accounts before and after.
    pub tokens: [Vec<TokenBalance<'a>>; 2],
    /// What was called from within, by the instruction at the top.
    pub inner: Vec<(u16, Vec<Instruction<'a>>)>,
    failed: bool,
    raw_inner: Vec<RawInner<'a>>,
    loaded: Loaded<'a>,
}

/// A token account at one moment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenBalance<'a> {
    /// Its place among the transaction's accounts.
    pub account_index: u16,
    /// Of which token.
    pub mint: &'a str,
    /// Whose it is; old blocks do not tell.
    #[serde(default)]
    pub owner: Option<&'a str>,
    /// How much.
    #[serde(rename = "uiTokenAmount", borrow)]
    pub amount: TokenAmount<'a>,
}

/// An amount as nodes tell it.
#[derive(Debug, Deserialize)]
pub struct TokenAmount<'a> {
    amount: &'a str,
    /// How many digits are fractional.
    pub decimals: u8,
}

impl TokenAmount<'_> {
    /// In the smallest unit.
    pub fn raw(&self) -> Option<u64> {
        self.amount.parse().ok()
    }
}

#[derive(Debug, Default, Deserialize)]
struct Loaded<'a> {
    #[serde(borrow, default)]
    writable: Vec<&'a str>,
    #[serde(borrow, default)]
    readonly: Vec<&'a str>,
}

#[derive(Debug, Deserialize)]
struct RawInner<'a> {
    index: u16,
    #[serde(borrow)]
    instructions: Vec<RawInstruction<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Transactions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Transactions<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of transactions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut transactions = Transactions::default();
                while let Some(Entry(entry)) = list.next_element::<Entry<'de>>()? {
                    let index = transactions.count;
                    transactions.count += 1;
                    if let Some((message, meta)) = entry {
                        transactions.kept.push(Transaction { index, message, meta });
                    }
                }
                Ok(transactions)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Transactions::default())
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// One transaction with its meta; none when it is a vote or failed.
pub struct Entry<'a>(pub Option<(Message<'a>, Meta<'a>)>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EntryField {
    Transaction,
    Meta,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a transaction with its meta")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut envelope, mut meta, mut skip) = (None::<Envelope<'de>>, None::<Meta<'de>>, false);
                while let Some(field) = map.next_key::<EntryField>()? {
                    match field {
                        _ if skip => ignore(&mut map)?,
                        EntryField::Transaction => {
                            let read = map.next_value::<Envelope<'de>>()?;
                            skip = read.is_vote();
                            envelope = Some(read);
                        }
                        EntryField::Meta => {
                            meta = map.next_value::<Option<Meta<'de>>>()?;
                            // Without meta nobody knows what came of it.
                            skip = meta.as_ref().is_none_or(|meta| meta.failed);
                        }
                        EntryField::Other => ignore(&mut map)?,
                    }
                }
                match (envelope, meta) {
                    (Some(envelope), Some(meta)) if !skip => Ok(Entry(Some(join(envelope, meta)))),
                    _ => Ok(Entry(None)),
                }
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Puts the accounts together and numbers the instructions by them.
fn join<'a>(envelope: Envelope<'a>, mut meta: Meta<'a>) -> (Message<'a>, Meta<'a>) {
    let Envelope { mut message, raw, has_all_keys } = envelope;
    let loaded = std::mem::take(&mut meta.loaded);
    if !has_all_keys {
        message.keys.extend(loaded.writable.into_iter().chain(loaded.readonly).map(Cow::Borrowed));
    }
    message.instructions.extend(raw.into_iter().filter_map(|raw| raw.compile(&message.keys)));
    for RawInner { index, instructions } in std::mem::take(&mut meta.raw_inner) {
        let compiled = instructions.into_iter().filter_map(|raw| raw.compile(&message.keys));
        meta.inner.push((index, compiled.collect()));
    }
    (message, meta)
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum MetaField {
    Err,
    Fee,
    PreBalances,
    PostBalances,
    InnerInstructions,
    PreTokenBalances,
    PostTokenBalances,
    LoadedAddresses,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Meta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Meta<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the meta of a transaction")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut meta = Meta::default();
                while let Some(field) = map.next_key::<MetaField>()? {
                    if meta.failed {
                        ignore(&mut map)?;
                        continue;
                    }
                    match field {
                        MetaField::Err => meta.failed = map.next_value::<Option<IgnoredAny>>()?.is_some(),
                        MetaField::Fee => meta.fee = map.next_value()?,
                        MetaField::PreBalances => meta.lamports[0] = map.next_value()?,
                        MetaField::PostBalances => meta.lamports[1] = map.next_value()?,
                        MetaField::InnerInstructions => meta.raw_inner = list(map.next_value()?),
                        MetaField::PreTokenBalances => meta.tokens[0] = list(map.next_value()?),
                        MetaField::PostTokenBalances => meta.tokens[1] = list(map.next_value()?),
                        MetaField::LoadedAddresses => {
                            meta.loaded = map.next_value::<Option<Loaded<'de>>>()?.unwrap_or_default();
                        }
                        MetaField::Other => ignore(&mut map)?,
                    }
                }
                Ok(meta)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Passes over a value.
fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

fn list<T>(given: Option<Vec<T>>) -> Vec<T> {
    given.unwrap_or_default()
}
