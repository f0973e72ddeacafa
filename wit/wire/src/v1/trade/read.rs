//! Decoding a trade event: what is read passes the same rules as what is published.

use super::{Amount, Fee, Leg, Side, Text, TradeExecuted, Valuation};
use crate::check::{self, Invalid, broken};
use std::sync::Arc;
use tape::{BlockId, BlockRef, Event, TradeRecord, Usd};

/// Reads and checks one event.
pub fn decode(bytes: &[u8]) -> Result<Event, Invalid> {
    let text = str::from_utf8(bytes).map_err(|e| Invalid::Shape(e.to_string()))?;
    decode_text(text).map(|(event, _)| event)
}

/// Decodes and checks one record and keeps its text; the bytes of a record that is refused are given back. Where a symbol
/// had to be cleaned the text is that of the event as it was read, so that nobody is shown what is hidden in it.
pub fn decode_record(position: u64, bytes: Vec<u8>) -> Result<TradeRecord, (Invalid, Vec<u8>)> {
    let text = String::from_utf8(bytes).map_err(|e| (Invalid::Shape(e.to_string()), e.into_bytes()))?;
    match decode_text(&text) {
        Ok((event, Symbols::AsTheyStood)) => Ok(TradeRecord { position, event, text }),
        Ok((event, Symbols::Cleaned)) => {
            let text = String::from_utf8_lossy(&super::encode(&event)).into_owned();
            Ok(TradeRecord { position, event, text })
        }
        Err(invalid) => Err((invalid, text.into_bytes())),
    }
}

/// Whether the symbols of a trade were clean.
enum Symbols {
    AsTheyStood,
    Cleaned,
}

fn decode_text(text: &str) -> Result<(Event, Symbols), Invalid> {
    if text.len() > check::MAX_EVENT_BYTES {
        return Err(Invalid::Shape(format!("{} bytes, more than {}", text.len(), check::MAX_EVENT_BYTES)));
    }
    let read: TradeExecuted<'_> = serde_json::from_str(text).map_err(|e| Invalid::Shape(e.to_string()))?;
    let is_clean = |side: &Side<'_>| side.symbol.as_ref().is_none_or(|symbol| tape::symbol::is_clean_symbol(symbol));
    let symbols = if is_clean(&read.sold) && is_clean(&read.bought) { Symbols::AsTheyStood } else { Symbols::Cleaned };
    let trade = tape::Trade {
        kind: read.kind.into_owned(),
        chain: Arc::from(&*read.chain),
        network: Arc::from(&*read.network),
        block: BlockRef {
            id: BlockId { height: read.block.height, hash: Arc::from(&*read.block.hash) },
            timestamp_ms: read.block.timestamp,
        },
        transaction: tape::Transaction {
            hash: Arc::from(&*read.transaction.hash),
            index: read.transaction.index,
            from: read.transaction.from.into_owned(),
            to: read.transaction.to.map(Text::into_owned),
        },
        ordinal: read.ordinal,
        trader: tape::Trader { address: read.trader.address.into_owned(), evidence: read.trader.evidence.into_owned() },
        sold: to_side("sold", read.sold)?,
        bought: to_side("bought", read.bought)?,
        legs: to_legs(read.legs)?,
        fees: to_fees(read.fees)?,
        platform: read.platform.map(Text::into_owned),
        valuation: read.valuation.map(to_valuation).transpose()?,
        attributes: read.attributes.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        detector: Arc::new(tape::Detector {
            plugin: read.detector.plugin.into_owned(),
            version: read.detector.version.into_owned(),
            digest: read.detector.digest.into_owned(),
        }),
    };
    super::check(&trade)?;
    if !trade.has_id(&read.trade_id) {
        return Err(broken("tradeId", "must be chain/blockHash/txHash/ordinal of this trade"));
    }
    check::id("eventId", &read.event_id)?;
    Ok((Event { id: read.event_id.into_owned(), status: read.status.into(), trade: Box::new(trade) }, symbols))
}

fn to_side(field: &str, side: Side<'_>) -> Result<tape::Side, Invalid> {
    let raw = check::raw("raw", &side.raw).map_err(|broken| broken.within(field))?;
    // Decoration never keeps a trade off the book: whatever stands there is cleaned.
    let (asset, symbol) = (side.asset.into_owned(), side.symbol.and_then(|text| tape::clean_symbol(text.into_owned())));
    Ok(tape::Side { asset, raw, decimals: side.decimals, symbol, quote: side.quote })
}

fn to_amount(field: &str, amount: Amount<'_>) -> Result<tape::AssetAmount, Invalid> {
    let raw = check::raw("raw", &amount.raw).map_err(|broken| broken.within(field))?;
    Ok(tape::AssetAmount { asset: amount.asset.into_owned(), raw })
}

fn to_legs(legs: Vec<Leg<'_>>) -> Result<Vec<tape::Leg>, Invalid> {
    let read = |leg: Leg<'_>| {
        Ok(tape::Leg {
            venue: leg.venue.into_owned(),
            pool: leg.pool.into_owned(),
            sold: to_amount("sold", leg.sold)?,
            bought: to_amount("bought", leg.bought)?,
            ordinal: leg.ordinal,
        })
    };
    let within = |(at, leg)| read(leg).map_err(|broken: Invalid| broken.within(format_args!("legs[{at}]")));
    legs.into_iter().enumerate().map(within).collect()
}

fn to_fees(fees: Vec<Fee<'_>>) -> Result<Vec<tape::Fee>, Invalid> {
    let read = |fee: Fee<'_>| {
        Ok(tape::Fee {
            kind: fee.kind.into_owned(),
            asset: fee.asset.into_owned(),
            raw: check::raw("raw", &fee.raw)?,
            recipient: fee.recipient.map(Text::into_owned),
            included: fee.included,
        })
    };
    let within = |(at, fee)| read(fee).map_err(|broken: Invalid| broken.within(format_args!("fees[{at}]")));
    fees.into_iter().enumerate().map(within).collect()
}

fn to_valuation(valuation: Valuation<'_>) -> Result<tape::Valuation, Invalid> {
    Ok(tape::Valuation {
        notional: to_usd("valuation.notionalUsd", &valuation.notional_usd)?,
        fee: valuation.fee_usd.map(|fee| to_usd("valuation.feeUsd", &fee)).transpose()?,
        source: valuation.source.into_owned(),
    })
}

fn to_usd(field: &str, text: &str) -> Result<Usd, Invalid> {
    Usd::parse(text).map_err(|e| broken(field, format!("is {e}")))
}
