//! The response to `getBlock`, read in one pass: votes and failed transactions are skipped as soon as they are
//! recognised; everything else borrows from the bytes of the response.
//!
//! **Invariant:** a transaction that may trade is either kept with everything that its node recorded, or named as
//! incomplete. Nothing that is missing counts as empty.

use crate::envelope::Envelope;
use crate::message::TransactionMessage;
use crate::meta::{Meta, ignore};
use crate::numbers::{number, optional};
use crate::whole::resolve;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
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
    #[serde(deserialize_with = "number")]
    pub(crate) parent_slot: u64,
    /// Seconds since the Unix epoch; absent in old blocks.
    #[serde(rename = "blockTime", default, deserialize_with = "optional")]
    pub(crate) time: Option<i64>,
    /// Its transactions; none where the node left them out.
    #[serde(borrow, default)]
    pub(crate) transactions: Option<Transactions<'a>>,
}

/// The transactions of a block that succeeded, without votes.
#[derive(Debug, Default)]
pub(crate) struct Transactions<'a> {
    /// The transactions.
    pub(crate) kept: Vec<NodeTransaction<'a>>,
    /// How many the block has, with votes and failed ones.
    pub(crate) count: u32,
    /// The first transaction that lacks something.
    pub(crate) incomplete: Option<Incomplete>,
}

/// A transaction whose trades cannot be known, because the node left something out.
#[derive(Debug)]
pub(crate) struct Incomplete {
    /// Its index in the block.
    pub(crate) index: u32,
    /// Its signature; empty where even that is missing.
    pub(crate) signature: String,
    /// The field.
    pub(crate) field: &'static str,
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
                while let Some(entry) = list.next_element::<BlockEntry<'de>>()? {
                    let index = transactions.count;
                    transactions.count += 1;
                    match entry {
                        BlockEntry::Skipped => {}
                        BlockEntry::Kept(message, meta) => {
                            transactions.kept.push(NodeTransaction { index, message, meta });
                        }
                        BlockEntry::Incomplete(signature, field) => {
                            transactions.incomplete.get_or_insert(Incomplete { index, signature, field });
                        }
                    }
                }
                Ok(transactions)
            }
        }
        deserializer.deserialize_seq(TransactionList)
    }
}

/// A transaction with its effects, as far as they matter.
#[expect(clippy::large_enum_variant, reason = "nearly all of those that are not skipped are kept")]
enum BlockEntry<'a> {
    /// A vote, or failed, or no call of it can be a trade.
    Skipped,
    /// It succeeded and everything is there.
    Kept(TransactionMessage<'a>, Meta<'a>),
    /// It may have succeeded, and a field is missing: its signature and the field.
    Incomplete(String, &'static str),
}

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
                            envelope = map.next_value()?;
                            skip = envelope.as_ref().is_some_and(Envelope::is_vote);
                        }
                        EntryField::Meta => {
                            meta = map.next_value()?;
                            skip = meta.as_ref().is_some_and(|meta| meta.failed == Some(true));
                        }
                        EntryField::Other => ignore(&mut map)?,
                    }
                }
                Ok(if skip { BlockEntry::Skipped } else { entry_of(envelope, meta) })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A transaction that did not fail as far as its node says.
fn entry_of<'a>(envelope: Option<Envelope<'a>>, meta: Option<Meta<'a>>) -> BlockEntry<'a> {
    let Some(envelope) = envelope else { return BlockEntry::Incomplete(String::new(), "transaction") };
    let signature = envelope.message.signature.clone();
    let cannot_trade = envelope.cannot_trade();
    let resolved = match meta {
        None => Err("meta"),
        Some(meta) => resolve(envelope, meta),
    };
    match resolved {
        Ok((message, meta)) => BlockEntry::Kept(message, meta),
        Err(_) if cannot_trade => BlockEntry::Skipped,
        Err(field) => BlockEntry::Incomplete(signature.into_owned(), field),
    }
}
