//! `TradeExecutedV1`: one trade event as JSON, encoded without copies and decoded with every rule checked.

mod read;
mod rules;

pub use read::{decode, decode_record};
pub use rules::{check, check_event};

use crate::text::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tape::{Event, Status, Trade};

/// A trade on the tape: who gave what for what, in which block, and whether it is present.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TradeExecutedV1")]
pub struct TradeExecuted<'a> {
    /// `chain/step/index`: unique, and equal when an aborted step is sent again.
    #[serde(borrow)]
    pub event_id: Text<'a>,
    /// `chain/blockHash/txHash/ordinal`: the same on every replay and instance.
    #[serde(borrow)]
    pub trade_id: Text<'a>,
    /// The state the trade is put into.
    pub status: WireStatus,
    /// `swap`, `cycle`; an open list.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Id from the chain file.
    #[serde(borrow)]
    pub chain: Text<'a>,
    /// The chain's own identity: chain id and genesis hash.
    #[serde(borrow)]
    pub network: Text<'a>,
    /// The block that holds it.
    #[serde(borrow)]
    pub block: Block<'a>,
    /// The transaction that holds it.
    #[serde(borrow)]
    pub transaction: Transaction<'a>,
    /// Place in the transaction, in chain order.
    pub ordinal: u32,
    /// Who is charged, and how that was decided.
    #[serde(borrow)]
    pub trader: Trader<'a>,
    /// What the trader gave.
    #[serde(borrow)]
    pub sold: Side<'a>,
    /// What the trader got.
    #[serde(borrow)]
    pub bought: Side<'a>,
    /// One per pool crossed, at most 256.
    #[serde(borrow)]
    pub legs: Vec<Leg<'a>>,
    /// Charges.
    #[serde(borrow, default)]
    pub fees: Vec<Fee<'a>>,
    /// The configured platform this trade belongs to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Text<'a>>,
    /// What it is worth, where that can be said.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub valuation: Option<Valuation<'a>>,
    /// What else is known, by name: `router`, by which settlement contract the trade was carried out; an open list.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Text<'a>, Text<'a>>,
    /// The code that saw it.
    #[serde(borrow)]
    pub detector: Detector<'a>,
}

/// The closed list of states.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Status")]
pub enum WireStatus {
    /// Present; its block may still be left.
    Observed,
    /// Present, emitted below the finalized height.
    Finalized,
    /// Absent.
    Reverted,
}

/// The block that holds a trade.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Block<'a> {
    /// Block number, on Solana the slot. It may exceed what JavaScript's numbers hold exactly, 2^53 - 1.
    pub height: u64,
    /// Byte-exact, `0x…` in lower case.
    #[serde(borrow)]
    pub hash: Text<'a>,
    /// UTC, milliseconds since the Unix epoch, as the chain says: it may lie in the reader's future.
    pub timestamp: u64,
}

/// The transaction that holds a trade.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Transaction<'a> {
    /// Hash or first signature.
    #[serde(borrow)]
    pub hash: Text<'a>,
    /// Place in the block.
    pub index: u32,
    /// Sender.
    #[serde(borrow)]
    pub from: Text<'a>,
    /// Callee, if any.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text<'a>>,
}

/// Who is charged.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Trader<'a> {
    /// Address in the chain's own notation.
    #[serde(borrow)]
    pub address: Text<'a>,
    /// `tx-sender`, `recipient`, `signer`, `event-owner`; an open list.
    #[serde(borrow)]
    pub evidence: Text<'a>,
}

/// What a trader gave or got.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Side<'a> {
    /// The token's contract; native assets go by the wrapped contract.
    #[serde(borrow)]
    pub asset: Text<'a>,
    /// Smallest units, decimal digits, at most 78.
    #[serde(borrow)]
    pub raw: Text<'a>,
    /// Fractional digits, decoration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    /// Ticker, decoration; at most 64 bytes without hidden characters, to which it is cleaned when it is read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Text<'a>>,
    /// `raw` with the point set, decoration; ignored when read.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Text<'a>>,
    /// Cash: a stable or the native asset.
    pub quote: bool,
}

/// One pool crossed.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Leg<'a> {
    /// `uniswap-v2`, `v3-like`; an open list.
    #[serde(borrow)]
    pub venue: Text<'a>,
    /// The pool's identity.
    #[serde(borrow)]
    pub pool: Text<'a>,
    /// Into the pool.
    #[serde(borrow)]
    pub sold: Amount<'a>,
    /// Out of the pool.
    #[serde(borrow)]
    pub bought: Amount<'a>,
    /// Place in the transaction.
    pub ordinal: u32,
}

/// An amount of one asset.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Amount<'a> {
    /// The token's contract.
    #[serde(borrow)]
    pub asset: Text<'a>,
    /// Smallest units, decimal digits, at most 78.
    #[serde(borrow)]
    pub raw: Text<'a>,
}

/// A charge on a trade.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Fee<'a> {
    /// `platform`, `protocol`, `liquidity`, `network`; an open list.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// What it was paid in.
    #[serde(borrow)]
    pub asset: Text<'a>,
    /// Smallest units, decimal digits, at most 78.
    #[serde(borrow)]
    pub raw: Text<'a>,
    /// Who got it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Text<'a>>,
    /// Whether sold and bought already contain it.
    pub included: bool,
}

/// What a trade is worth.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Valuation<'a> {
    /// US dollars, at most 18 fractional digits, 0 to 10^15.
    #[serde(borrow)]
    pub notional_usd: Text<'a>,
    /// Platform fees in US dollars.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub fee_usd: Option<Text<'a>>,
    /// `stable-leg`, `reference-pool`; an open list.
    #[serde(borrow)]
    pub source: Text<'a>,
}

/// The code that saw a trade.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Detector<'a> {
    /// Plugin id.
    #[serde(borrow)]
    pub plugin: Text<'a>,
    /// Plugin version.
    #[serde(borrow)]
    pub version: Text<'a>,
    /// SHA-256 of the component.
    #[serde(borrow)]
    pub digest: Text<'a>,
}

/// The event as JSON bytes.
pub fn encode(event: &Event) -> Vec<u8> {
    encode_as(&event.id, event.status, &event.trade)
}

/// The event with this id and status, as JSON bytes.
pub fn encode_as(id: &str, status: Status, trade: &Trade) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2_048);
    // Serializing owned text and integers into a vector cannot fail.
    if serde_json::to_writer(&mut bytes, &wire_event(id, status, trade)).is_err() {
        bytes.clear();
    }
    bytes
}

/// The event as it is sent, borrowing its texts.
fn wire_event<'a>(id: &'a str, status: Status, trade: &'a Trade) -> TradeExecuted<'a> {
    TradeExecuted {
        event_id: id.into(),
        trade_id: trade.id().into(),
        status: status.into(),
        kind: (&trade.kind).into(),
        chain: (&*trade.chain).into(),
        network: (&*trade.network).into(),
        block: Block {
            height: trade.block.id.height,
            hash: (&*trade.block.id.hash).into(),
            timestamp: trade.block.timestamp_ms,
        },
        transaction: wire_transaction(&trade.transaction),
        ordinal: trade.ordinal,
        trader: Trader { address: (&trade.trader.address).into(), evidence: (&trade.trader.evidence).into() },
        sold: wire_side(&trade.sold),
        bought: wire_side(&trade.bought),
        legs: trade.legs.iter().map(wire_leg).collect(),
        fees: trade.fees.iter().map(wire_fee).collect(),
        platform: trade.platform.as_deref().map(Into::into),
        valuation: trade.valuation.as_ref().map(wire_valuation),
        attributes: trade.attributes.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        detector: Detector {
            plugin: (&trade.detector.plugin).into(),
            version: (&trade.detector.version).into(),
            digest: (&trade.detector.digest).into(),
        },
    }
}

impl From<Status> for WireStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Observed => Self::Observed,
            Status::Finalized => Self::Finalized,
            Status::Reverted => Self::Reverted,
        }
    }
}

impl From<WireStatus> for Status {
    fn from(status: WireStatus) -> Self {
        match status {
            WireStatus::Observed => Self::Observed,
            WireStatus::Finalized => Self::Finalized,
            WireStatus::Reverted => Self::Reverted,
        }
    }
}

fn wire_transaction(transaction: &tape::Transaction) -> Transaction<'_> {
    Transaction {
        hash: (&*transaction.hash).into(),
        index: transaction.index,
        from: (&transaction.from).into(),
        to: transaction.to.as_deref().map(Into::into),
    }
}

fn wire_leg(leg: &tape::Leg) -> Leg<'_> {
    Leg {
        venue: (&leg.venue).into(),
        pool: (&leg.pool).into(),
        sold: wire_amount(&leg.sold),
        bought: wire_amount(&leg.bought),
        ordinal: leg.ordinal,
    }
}

fn wire_fee(fee: &tape::Fee) -> Fee<'_> {
    Fee {
        kind: (&fee.kind).into(),
        asset: (&fee.asset).into(),
        raw: fee.raw.to_string().into(),
        recipient: fee.recipient.as_deref().map(Into::into),
        included: fee.included,
    }
}

fn wire_valuation(valuation: &tape::Valuation) -> Valuation<'_> {
    Valuation {
        notional_usd: valuation.notional.to_string().into(),
        fee_usd: valuation.fee.map(|fee| fee.to_string().into()),
        source: (&valuation.source).into(),
    }
}

fn wire_side(side: &tape::Side) -> Side<'_> {
    let raw = side.raw.to_string();
    Side {
        asset: (&side.asset).into(),
        amount: side.decimals.map(|decimals| with_decimal_point(&raw, decimals).into()),
        raw: raw.into(),
        decimals: side.decimals,
        symbol: side.symbol.as_deref().map(Into::into),
        quote: side.quote,
    }
}

fn wire_amount(amount: &tape::AssetAmount) -> Amount<'_> {
    Amount { asset: (&amount.asset).into(), raw: amount.raw.to_string().into() }
}

/// Sets the decimal point: `1234` with 3 decimals is `1.234`.
pub fn with_decimal_point(raw: &str, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let padded = if raw.len() <= decimals { format!("{raw:0>width$}", width = decimals + 1) } else { raw.to_owned() };
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}
