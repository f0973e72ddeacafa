//! The values that either database stores in the columns of a row.

use metrics_domain::{BookFacts, ChangedEffect, Effect, Holding, Method, Parcel, TradeSide};
use std::sync::Arc;

/// Parcels as text.
fn parcels_text<'a>(parcels: impl Iterator<Item = &'a Parcel>) -> String {
    let row =
        |parcel: &Parcel| serde_json::json!([&*parcel.trade, parcel.quantity.to_string(), parcel.basis.to_string()]);
    serde_json::Value::Array(parcels.map(row).collect()).to_string()
}

/// The open parcels of a book; null with the average method.
pub(crate) fn open_parcels_column(holding: &Holding, method: Method) -> Option<String> {
    (method == Method::Fifo).then(|| parcels_text(holding.parcels.iter()))
}

/// The open parcels after a trade, where it is a checkpoint; null with the average method.
pub(crate) fn parcels_after_column(effect: Option<&Effect>, method: Method) -> Option<String> {
    let checkpoint = effect.filter(|effect| effect.checkpoint && method == Method::Fifo)?;
    Some(parcels_text(checkpoint.after.parcels.iter()))
}

/// The parcels that a sale took; null with the average method, or where it took none.
pub(crate) fn parcels_taken_column(effect: Option<&Effect>) -> Option<String> {
    let effect = effect.filter(|effect| !effect.taken.is_empty())?;
    Some(parcels_text(effect.taken.iter()))
}

/// A number as a `bigint`; the domain never stores a larger one.
pub(crate) fn to_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The index of the partition that owns the rows of these facts.
pub(crate) fn partition_column(facts: &BookFacts) -> i32 {
    i32::try_from(facts.partition.index).unwrap_or(i32::MAX)
}

/// Quantity, unknown quantity and basis of a holding.
pub(crate) fn holding_columns(after: Option<&Holding>) -> [Option<String>; 3] {
    let Some(after) = after else { return [None, None, None] };
    [Some(after.quantity.to_string()), Some(after.unknown.to_string()), Some(after.basis.to_string())]
}

/// The realized PnL and the proceeds without basis of a trade; null where it sold no position.
pub(crate) fn sale_columns(effect: Option<&Effect>) -> [Option<String>; 2] {
    let Some(effect) = effect else { return [None, None] };
    [Some(effect.realized.pnl.to_string()), Some(effect.realized.without_basis.to_string())]
}

/// The known part that a sale without a worth took, as quantity and cost; null where it took none.
pub(crate) fn released_columns(effect: Option<&Effect>) -> [Option<String>; 2] {
    let Some(effect) = effect.filter(|effect| !effect.released.is_empty()) else { return [None, None] };
    [Some(effect.released.quantity.to_string()), Some(effect.released.basis.to_string())]
}

/// The number of trades in the book after a trade.
pub(crate) fn trades_after_column(effect: Option<&Effect>) -> Option<i64> {
    effect.map(|effect| to_bigint(effect.trades))
}

/// The changed effects of one side.
pub(crate) fn changed_effects_of(facts: &BookFacts, side: TradeSide) -> impl Iterator<Item = &ChangedEffect> {
    facts.changed_effects.iter().filter(move |changed| changed.side == side)
}

pub(crate) fn text_of(text: &Arc<str>) -> &str {
    text
}
