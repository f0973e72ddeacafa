//! Decoding a trade event: every rule of the wire is checked on the way.

use super::{Amount, Fee, Leg, Side, Text, TradeExecuted, Valuation};
use crate::check::{self, Invalid, broken};
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::{BlockId, BlockRef, Event, TradeRecord, Usd};

/// Reads and checks one event.
pub fn decode(bytes: &[u8]) -> Result<Event, Invalid> {
    decode_text(str::from_utf8(bytes).map_err(|e| Invalid::Shape(e.to_string()))?)
}

/// Decodes and checks one record and keeps its text; the bytes of a record that is refused are given back.
pub fn decode_record(position: u64, bytes: Vec<u8>) -> Result<TradeRecord, (Invalid, Vec<u8>)> {
    let text = String::from_utf8(bytes).map_err(|e| (Invalid::Shape(e.to_string()), e.into_bytes()))?;
    match decode_text(&text) {
        Ok(event) => Ok(TradeRecord { position, event, text }),
        Err(invalid) => Err((invalid, text.into_bytes())),
    }
}

fn decode_text(text: &str) -> Result<Event, Invalid> {
    if text.len() > check::MAX_EVENT_BYTES {
        return Err(Invalid::Shape(format!("{} bytes, more than {}", text.len(), check::MAX_EVENT_BYTES)));
    }
    let read: TradeExecuted<'_> = serde_json::from_str(text).map_err(|e| Invalid::Shape(e.to_string()))?;
    let trade = tape::Trade {
        kind: ident("kind", &read.kind)?,
        chain: shared("chain", &read.chain)?,
        network: shared("network", &read.network)?,
        block: BlockRef {
            id: BlockId { height: read.block.height, hash: shared("block.hash", &read.block.hash)? },
            timestamp_ms: read.block.timestamp,
        },
        transaction: tape::Transaction {
            hash: shared("transaction.hash", &read.transaction.hash)?,
            index: read.transaction.index,
            from: ident("transaction.from", &read.transaction.from)?,
            to: read.transaction.to.map(|to| ident("transaction.to", &to)).transpose()?,
        },
        ordinal: read.ordinal,
        trader: tape::Trader {
            address: ident("trader.address", &read.trader.address)?,
            evidence: ident("trader.evidence", &read.trader.evidence)?,
        },
        sold: to_side("sold", read.sold)?,
        bought: to_side("bought", read.bought)?,
        legs: to_legs(read.legs)?,
        fees: to_fees(read.fees)?,
        platform: read.platform.map(|platform| ident("platform", &platform)).transpose()?,
        valuation: read.valuation.map(to_valuation).transpose()?,
        attributes: to_attributes(read.attributes)?,
        detector: Arc::new(tape::Detector {
            plugin: ident("detector.plugin", &read.detector.plugin)?,
            version: ident("detector.version", &read.detector.version)?,
            digest: ident("detector.digest", &read.detector.digest)?,
        }),
    };
    if !trade.has_id(&read.trade_id) {
        return Err(broken("tradeId", "must be chain/blockHash/txHash/ordinal of this trade"));
    }
    Ok(Event { id: ident("eventId", &read.event_id)?, status: read.status.into(), trade: Box::new(trade) })
}

fn ident(field: &str, text: &str) -> Result<String, Invalid> {
    check::id(field, text).map(|()| text.to_owned())
}

fn shared(field: &str, text: &str) -> Result<Arc<str>, Invalid> {
    check::id(field, text).map(|()| Arc::from(text))
}

fn to_side(field: &str, side: Side<'_>) -> Result<tape::Side, Invalid> {
    let read = || {
        if let Some(symbol) = &side.symbol {
            check::symbol("symbol", symbol)?;
        }
        Ok((ident("asset", &side.asset)?, check::raw("raw", &side.raw)?))
    };
    let (asset, raw) = read().map_err(|broken: Invalid| broken.within(field))?;
    Ok(tape::Side { asset, raw, decimals: side.decimals, symbol: side.symbol.map(Text::into_owned), quote: side.quote })
}

fn to_amount(field: &str, amount: &Amount<'_>) -> Result<tape::AssetAmount, Invalid> {
    let read = || Ok(tape::AssetAmount { asset: ident("asset", &amount.asset)?, raw: check::raw("raw", &amount.raw)? });
    read().map_err(|broken: Invalid| broken.within(field))
}

fn to_legs(legs: Vec<Leg<'_>>) -> Result<Vec<tape::Leg>, Invalid> {
    check::count("legs", legs.len(), tape::Trade::MAX_LEGS)?;
    let read = |leg: Leg<'_>| {
        Ok(tape::Leg {
            venue: ident("venue", &leg.venue)?,
            pool: ident("pool", &leg.pool)?,
            sold: to_amount("sold", &leg.sold)?,
            bought: to_amount("bought", &leg.bought)?,
            ordinal: leg.ordinal,
        })
    };
    let within = |(at, leg)| read(leg).map_err(|broken: Invalid| broken.within(format_args!("legs[{at}]")));
    legs.into_iter().enumerate().map(within).collect()
}

fn to_fees(fees: Vec<Fee<'_>>) -> Result<Vec<tape::Fee>, Invalid> {
    check::count("fees", fees.len(), tape::Trade::MAX_LEGS)?;
    let read = |fee: Fee<'_>| {
        Ok(tape::Fee {
            kind: ident("kind", &fee.kind)?,
            asset: ident("asset", &fee.asset)?,
            raw: check::raw("raw", &fee.raw)?,
            recipient: fee.recipient.map(|recipient| ident("recipient", &recipient)).transpose()?,
            included: fee.included,
        })
    };
    let within = |(at, fee)| read(fee).map_err(|broken: Invalid| broken.within(format_args!("fees[{at}]")));
    fees.into_iter().enumerate().map(within).collect()
}

fn to_attributes(attributes: BTreeMap<Text<'_>, Text<'_>>) -> Result<BTreeMap<String, String>, Invalid> {
    check::count("attributes", attributes.len(), tape::Trade::MAX_ATTRIBUTES)?;
    let read = |(name, value): (Text<'_>, Text<'_>)| {
        let own = ident("attributes", &name)?;
        Ok((own, ident(&name, &value).map_err(|broken| broken.within("attributes"))?))
    };
    attributes.into_iter().map(read).collect()
}

fn to_valuation(valuation: Valuation<'_>) -> Result<tape::Valuation, Invalid> {
    Ok(tape::Valuation {
        notional: to_usd("valuation.notionalUsd", &valuation.notional_usd)?,
        fee: valuation.fee_usd.map(|fee| to_usd("valuation.feeUsd", &fee)).transpose()?,
        source: ident("valuation.source", &valuation.source)?,
    })
}

fn to_usd(field: &str, text: &str) -> Result<Usd, Invalid> {
    let usd = Usd::parse(text).map_err(|e| broken(field, format!("is {e}")))?;
    if usd < Usd::ZERO || usd > Usd::MAX_NOTIONAL {
        return Err(broken(field, "must lie between 0 and 10^15 dollars"));
    }
    Ok(usd)
}
