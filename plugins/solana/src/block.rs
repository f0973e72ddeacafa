//! The response to `getBlock`, read in one pass: votes and failed transactions are skipped as soon as they are recognised;
//! everything else borrows from the bytes of the response.

use crate::envelope::{Envelope, RawInstruction};
use crate::message::{Instruction, TransactionMessage};
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// A block as a node gives it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeBlock<'a> {
    /// Its hash.
    pub(crate) blockhash: &'a str,
    /// The hash of its parent.
    pub(crate) previous_blockhash: &'a str,
    /// The slot of its parent; the slots between have no blocks.
    pub(crate) parent_slot: u64,
    /// Seconds since the Unix epoch.
    #[serde(rename = "blockTime")]
    pub(crate) time: Option<i64>,
    /// Its transactions.
    #[serde(borrow, default)]
    pub(crate) transactions: Transactions<'a>,
}

/// The transactions of a block that succeeded, without votes.
#[derive(Debug, Default)]
pub(crate) struct Transactions<'a> {
    /// The transactions.
    pub(crate) kept: Vec<NodeTransaction<'a>>,
    /// How many the block has, with votes and failed ones.
    pub(crate) count: u32,
}

/// A transaction that succeeded.
#[derive(Debug)]
pub(crate) struct NodeTransaction<'a> {
    /// Its index in the block.
    pub(crate) index: u32,
    /// What was signed, with all accounts, also those of lookup tables.
    pub(crate) message: TransactionMessage<'a>,
    /// Its effects.
    pub(crate) meta: Meta<'a>,
}

/// The effects of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    /// The fee in lamports, paid by the first signer.
    pub(crate) fee: u64,
    /// Lamports of each account before and after.
    pub(crate) lamports: [Vec<u64>; 2],
    /// Token accounts before and after.
    pub(crate) tokens: [Vec<TokenBalance<'a>>; 2],
    /// The instructions called within, by the index of the instruction at the top.
    pub(crate) inner: Vec<(u16, Vec<Instruction<'a>>)>,
    failed: bool,
    raw_inner: Vec<RawInner<'a>>,
    loaded: Loaded<'a>,
}

/// A token account at one moment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenBalance<'a> {
    /// Its index among the transaction's accounts.
    pub(crate) account_index: u16,
    /// The mint of its token.
    pub(crate) mint: &'a str,
    /// Its owner; absent in old blocks.
    #[serde(default)]
    pub(crate) owner: Option<&'a str>,
    /// The balance.
    #[serde(rename = "uiTokenAmount", borrow)]
    pub(crate) amount: TokenAmount<'a>,
}

/// An amount of tokens in the form nodes write it.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAmount<'a> {
    amount: &'a str,
    /// How many digits are fractional.
    pub(crate) decimals: u8,
}

impl TokenAmount<'_> {
    /// The amount in the smallest unit; none where it is no number.
    pub(crate) fn raw(&self) -> Option<u64> {
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
        struct TransactionList;
        impl<'de> Visitor<'de> for TransactionList {
            type Value = Transactions<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of transactions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut transactions = Transactions::default();
                while let Some(BlockEntry(entry)) = list.next_element::<BlockEntry<'de>>()? {
                    let index = transactions.count;
                    transactions.count += 1;
                    if let Some((message, meta)) = entry {
                        transactions.kept.push(NodeTransaction { index, message, meta });
                    }
                }
                Ok(transactions)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Transactions::default())
            }
        }
        deserializer.deserialize_any(TransactionList)
    }
}

/// A transaction with its effects; none where it is a vote or failed.
pub(crate) struct BlockEntry<'a>(pub Option<(TransactionMessage<'a>, Meta<'a>)>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EntryField {
    Transaction,
    Meta,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for BlockEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = BlockEntry<'de>;

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
                            // Without meta nobody knows whether it succeeded.
                            skip = meta.as_ref().is_none_or(|meta| meta.failed);
                        }
                        EntryField::Other => ignore(&mut map)?,
                    }
                }
                match (envelope, meta) {
                    (Some(envelope), Some(meta)) if !skip => Ok(BlockEntry(Some(resolve(envelope, meta)))),
                    _ => Ok(BlockEntry(None)),
                }
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Adds the accounts of lookup tables and resolves the instructions' programs and accounts to indices.
fn resolve<'a>(envelope: Envelope<'a>, mut meta: Meta<'a>) -> (TransactionMessage<'a>, Meta<'a>) {
    let Envelope { mut message, raw, has_all_keys } = envelope;
    let loaded = std::mem::take(&mut meta.loaded);
    if !has_all_keys {
        message.keys.extend(loaded.writable.into_iter().chain(loaded.readonly).map(Cow::Borrowed));
    }
    message.instructions.extend(raw.into_iter().filter_map(|raw| raw.resolve(&message.keys)));
    for RawInner { index, instructions } in std::mem::take(&mut meta.raw_inner) {
        let resolved = instructions.into_iter().filter_map(|raw| raw.resolve(&message.keys));
        meta.inner.push((index, resolved.collect()));
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
                        MetaField::InnerInstructions => meta.raw_inner = or_empty(map.next_value()?),
                        MetaField::PreTokenBalances => meta.tokens[0] = or_empty(map.next_value()?),
                        MetaField::PostTokenBalances => meta.tokens[1] = or_empty(map.next_value()?),
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

/// Skips a value.
fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

fn or_empty<T>(given: Option<Vec<T>>) -> Vec<T> {
    given.unwrap_or_default()
}
