//! The effects of a transaction as a node gives them. A field that is left out or null is not empty: it was not
//! recorded.

use crate::envelope::RawInstruction;
use crate::message::Instruction;
use crate::numbers::{Number, number};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

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
    /// The same as the node gave them.
    pub(crate) raw_inner: Vec<RawInner<'a>>,
    /// The accounts of lookup tables.
    pub(crate) loaded: Loaded<'a>,
    /// Whether it failed; none where the node does not say.
    pub(crate) failed: Option<bool>,
    recorded: Vec<&'static str>,
}

/// What every node that records effects says of a transaction that succeeded.
const REQUIRED_FIELDS: [&str; 6] =
    ["fee", "preBalances", "postBalances", "innerInstructions", "preTokenBalances", "postTokenBalances"];

impl Meta<'_> {
    /// A field that is left out or null, though every transaction has it.
    pub(crate) fn missing_field(&self) -> Option<&'static str> {
        if self.failed.is_none() {
            return Some("err");
        }
        REQUIRED_FIELDS.into_iter().find(|field| !self.recorded.contains(field))
    }

    /// Whether the balance of any token account changed.
    pub(crate) fn moves_tokens(&self) -> bool {
        let [before, after] = &self.tokens;
        let amount_in = |balances: &[TokenBalance<'_>], at: u16| {
            balances.iter().find(|balance| balance.account_index == at).map_or(0, |balance| balance.amount.raw)
        };
        let changes = |at: u16| amount_in(before, at) != amount_in(after, at);
        before.iter().chain(after).any(|balance| changes(balance.account_index))
    }
}

/// A token account at one moment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenBalance<'a> {
    /// Its index among the transaction's accounts.
    #[serde(deserialize_with = "number")]
    pub(crate) account_index: u16,
    /// The mint of its token.
    pub(crate) mint: &'a str,
    /// Its owner; absent in old blocks.
    #[serde(default)]
    pub(crate) owner: Option<&'a str>,
    /// The balance.
    #[serde(rename = "uiTokenAmount")]
    pub(crate) amount: TokenAmount,
}

/// An amount of tokens in the form nodes write it.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAmount {
    /// The amount in the smallest unit.
    #[serde(rename = "amount", deserialize_with = "number")]
    pub(crate) raw: u64,
    /// How many digits are fractional.
    #[serde(deserialize_with = "number")]
    pub(crate) decimals: u8,
}

/// The accounts of lookup tables, in the order in which instructions index them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Loaded<'a> {
    /// Those that may be written.
    #[serde(borrow, default)]
    pub(crate) writable: Vec<&'a str>,
    /// Those that may only be read.
    #[serde(borrow, default)]
    pub(crate) readonly: Vec<&'a str>,
}

/// The calls within one instruction at the top, as the node gives them.
#[derive(Debug, Deserialize)]
pub(crate) struct RawInner<'a> {
    /// The index of the instruction at the top.
    #[serde(deserialize_with = "number")]
    pub(crate) index: u16,
    /// The calls.
    #[serde(borrow)]
    pub(crate) instructions: Vec<RawInstruction<'a>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum MetaField {
    Err,
    Status,
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

/// The older form of `err`.
#[derive(Deserialize)]
enum Status {
    Ok(IgnoredAny),
    Err(IgnoredAny),
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
                    if meta.failed == Some(true) {
                        ignore(&mut map)?;
                        continue;
                    }
                    meta.read_field(field, &mut map)?;
                }
                Ok(meta)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Meta<'a> {
    fn read_field<'de: 'a, A: MapAccess<'de>>(&mut self, field: MetaField, map: &mut A) -> Result<(), A::Error> {
        match field {
            MetaField::Err => self.failed = Some(map.next_value::<Option<IgnoredAny>>()?.is_some()),
            MetaField::Status => {
                let status: Option<Status> = map.next_value()?;
                self.failed = self.failed.or(status.map(|status| matches!(status, Status::Err(_))));
            }
            MetaField::Fee => {
                let fee: Option<Number<u64>> = map.next_value()?;
                self.fee = self.recorded("fee", fee).0;
            }
            MetaField::PreBalances => self.lamports[0] = self.lamports("preBalances", map.next_value()?),
            MetaField::PostBalances => self.lamports[1] = self.lamports("postBalances", map.next_value()?),
            MetaField::InnerInstructions => self.raw_inner = self.recorded("innerInstructions", map.next_value()?),
            MetaField::PreTokenBalances => self.tokens[0] = self.recorded("preTokenBalances", map.next_value()?),
            MetaField::PostTokenBalances => self.tokens[1] = self.recorded("postTokenBalances", map.next_value()?),
            MetaField::LoadedAddresses => self.loaded = map.next_value::<Option<Loaded<'de>>>()?.unwrap_or_default(),
            MetaField::Other => ignore(map)?,
        }
        Ok(())
    }

    /// The value of a field, which counts as recorded unless it is null.
    fn recorded<T: Default>(&mut self, field: &'static str, value: Option<T>) -> T {
        if value.is_some() {
            self.recorded.push(field);
        }
        value.unwrap_or_default()
    }

    fn lamports(&mut self, field: &'static str, all: Option<Vec<Number<u64>>>) -> Vec<u64> {
        self.recorded(field, all).into_iter().map(|Number(lamports)| lamports).collect()
    }
}

/// Skips a value.
pub(crate) fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}
