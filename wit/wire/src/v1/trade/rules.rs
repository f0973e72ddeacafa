//! The rules of a trade: checked before it is published, and again when it is read.

use crate::check::{self, Invalid, broken};
use tape::{AssetAmount, Fee, Leg, Side, Status, Trade, Usd, Valuation};

/// The longest name of the event that carries a trade, beside the trade itself, bytes.
const MAX_EVENT_ID_BYTES: usize = check::MAX_ID_BYTES;
/// So many legs and fees never make an event too large, whatever their texts are.
const ALWAYS_SMALL_ITEMS: usize = 64;

/// Whether the wire takes this trade; a refusal names the field.
pub fn check(trade: &Trade) -> Result<(), Invalid> {
    check::id("kind", &trade.kind)?;
    check::id("chain", &trade.chain)?;
    check::id("network", &trade.network)?;
    check::id("block.hash", &trade.block.id.hash)?;
    check::id("transaction.hash", &trade.transaction.hash)?;
    check::id("transaction.from", &trade.transaction.from)?;
    optional_id("transaction.to", trade.transaction.to.as_deref())?;
    check::id("trader.address", &trade.trader.address)?;
    check::id("trader.evidence", &trade.trader.evidence)?;
    side(&trade.sold).map_err(|broken| broken.within("sold"))?;
    side(&trade.bought).map_err(|broken| broken.within("bought"))?;
    check::count("legs", trade.legs.len(), Trade::MAX_LEGS)?;
    for (at, one) in trade.legs.iter().enumerate() {
        leg(one).map_err(|broken| broken.within(format_args!("legs[{at}]")))?;
    }
    check::count("fees", trade.fees.len(), Trade::MAX_LEGS)?;
    for (at, one) in trade.fees.iter().enumerate() {
        fee(one).map_err(|broken| broken.within(format_args!("fees[{at}]")))?;
    }
    optional_id("platform", trade.platform.as_deref())?;
    trade.valuation.as_ref().map_or(Ok(()), valuation)?;
    check::count("attributes", trade.attributes.len(), Trade::MAX_ATTRIBUTES)?;
    for (name, value) in &trade.attributes {
        check::id("attributes", name)?;
        check::id(name, value).map_err(|broken| broken.within("attributes"))?;
    }
    check::id("detector.plugin", &trade.detector.plugin)?;
    check::id("detector.version", &trade.detector.version)?;
    check::id("detector.digest", &trade.detector.digest)
}

/// Whether the wire takes every event of this trade: its fields, and its size once it is encoded.
pub fn check_event(trade: &Trade) -> Result<(), Invalid> {
    check(trade)?;
    if trade.legs.len() + trade.fees.len() <= ALWAYS_SMALL_ITEMS {
        return Ok(());
    }
    let bytes = super::encode_as("", Status::Finalized, trade).len() + MAX_EVENT_ID_BYTES;
    if bytes > check::MAX_EVENT_BYTES {
        let max = check::MAX_EVENT_BYTES;
        return Err(broken("legs", format!("make an event of {bytes} bytes, more than {max}")));
    }
    Ok(())
}

fn optional_id(field: &str, text: Option<&str>) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check::id(field, text))
}

fn side(side: &Side) -> Result<(), Invalid> {
    check::id("asset", &side.asset)
}

fn amount(field: &str, amount: &AssetAmount) -> Result<(), Invalid> {
    check::id("asset", &amount.asset).map_err(|broken| broken.within(field))
}

fn leg(leg: &Leg) -> Result<(), Invalid> {
    check::id("venue", &leg.venue)?;
    check::id("pool", &leg.pool)?;
    amount("sold", &leg.sold)?;
    amount("bought", &leg.bought)
}

fn fee(fee: &Fee) -> Result<(), Invalid> {
    check::id("kind", &fee.kind)?;
    check::id("asset", &fee.asset)?;
    optional_id("recipient", fee.recipient.as_deref())
}

fn valuation(valuation: &Valuation) -> Result<(), Invalid> {
    usd("valuation.notionalUsd", valuation.notional)?;
    valuation.fee.map_or(Ok(()), |fee| usd("valuation.feeUsd", fee))?;
    check::id("valuation.source", &valuation.source)
}

fn usd(field: &str, usd: Usd) -> Result<(), Invalid> {
    if usd < Usd::ZERO || usd > Usd::MAX_NOTIONAL {
        return Err(broken(field, "must lie between 0 and 10^15 dollars"));
    }
    Ok(())
}
