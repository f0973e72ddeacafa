//! Rows of either database as the book's own types; what does not fit is an error with an address.

use metrics_domain::{
    Book, BookKey, Dollars, Effect, Effects, Entry, Facts, Floors, Holding, Lot, Method, Order, Parcel, Quantity,
    Realized, SideOf, Stored, Totals, User, UserKey,
};
use sqlx::Row;
use std::sync::Arc;
use tape::{Place, Unavailable};

/// Why a row cannot be read. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// The column is missing or of another type.
    #[error("read a column")]
    Column(#[from] sqlx::Error),
    /// The value is not of the column's form.
    #[error("understand `{value}` in column `{column}`")]
    Value {
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
}

impl From<RowError> for Unavailable {
    fn from(error: RowError) -> Self {
        Self::new("read the book", error)
    }
}

/// A row whose columns have names; amounts are text.
pub(crate) trait Columns {
    fn text(&self, name: &'static str) -> Result<String, RowError>;
    fn maybe(&self, name: &'static str) -> Result<Option<String>, RowError>;
    fn int(&self, name: &'static str) -> Result<i64, RowError>;
    fn maybe_int(&self, name: &'static str) -> Result<Option<i64>, RowError>;
    fn flag(&self, name: &'static str) -> Result<bool, RowError>;
}

macro_rules! columns {
    ($row:ty) => {
        impl Columns for $row {
            fn text(&self, name: &'static str) -> Result<String, RowError> {
                Ok(self.try_get(name)?)
            }
            fn maybe(&self, name: &'static str) -> Result<Option<String>, RowError> {
                Ok(self.try_get(name)?)
            }
            fn int(&self, name: &'static str) -> Result<i64, RowError> {
                Ok(self.try_get(name)?)
            }
            fn maybe_int(&self, name: &'static str) -> Result<Option<i64>, RowError> {
                Ok(self.try_get(name)?)
            }
            fn flag(&self, name: &'static str) -> Result<bool, RowError> {
                Ok(self.try_get(name)?)
            }
        }
    };
}

columns!(sqlx::postgres::PgRow);
columns!(sqlx::sqlite::SqliteRow);

pub(crate) fn user(row: &impl Columns) -> Result<(UserKey, User), RowError> {
    let totals = Totals {
        volume: dollars(row, "volume_usd")?,
        swaps: count(row, "swaps")?,
        unvalued: count(row, "unvalued")?,
        cycles: count(row, "cycles")?,
        fees: dollars(row, "fees_usd")?,
        realized: realized(row)?,
    };
    let seen = place(row, ["seen_height", "seen_index", "seen_ordinal"])?;
    Ok((user_key(row)?, User { totals, seen: Some(seen) }))
}

pub(crate) fn book(row: &impl Columns) -> Result<(BookKey, Book), RowError> {
    let holding = Holding {
        quantity: quantity(row, "quantity")?,
        unknown: quantity(row, "unknown_quantity")?,
        basis: dollars(row, "basis_usd")?,
        parcels: parcels("parcels", row.maybe("parcels")?)?.into(),
    };
    let key = BookKey { user: user_key(row)?, asset: row.text("asset")?.into() };
    let decimals = row.maybe_int("decimals")?.and_then(|decimals| u8::try_from(decimals).ok());
    let decorated = match row.maybe_int("decorated_height")? {
        Some(_) => Some(place(row, ["decorated_height", "decorated_index", "decorated_ordinal"])?),
        None => None,
    };
    let (realized, trades) = (realized(row)?, count(row, "trades")?);
    Ok((key, Book { holding, realized, trades, symbol: row.maybe("symbol")?, decimals, decorated }))
}

pub(crate) fn stored(row: &impl Columns, method: Method) -> Result<Stored, RowError> {
    let place = place(row, ["height", "tx_index", "ordinal"])?;
    let lot = |asset, raw, quote| -> Result<Lot, RowError> {
        let (asset, raw) = (row.text(asset)?.into(), quantity(row, raw)?);
        Ok(Lot { asset, raw, quote: row.flag(quote)?, symbol: None, decimals: None })
    };
    let entry = Entry {
        order: Order { place, id: row.text("trade_id")?.into() },
        time_ms: count(row, "block_time_ms")?,
        user: user_key(row)?,
        cycle: row.flag("cycle")?,
        sold: lot("sold_asset", "sold_raw", "sold_quote")?,
        bought: lot("bought_asset", "bought_raw", "bought_quote")?,
        notional: maybe_dollars(row, "notional_usd")?,
        fee: maybe_dollars(row, "fee_usd")?,
        platform: row.maybe("platform")?,
    };
    let mut effects = Effects { sold: effect(row, SOLD_AFTER, method)?, bought: effect(row, BOUGHT_AFTER, method)? };
    if let Some(sold) = &mut effects.sold {
        sold.realized = sale_of(row, entry.notional.as_ref())?;
        sold.taken = parcels("sold_taken", row.maybe("sold_taken")?)?;
    }
    Ok(Stored { entry, live: row.text("status")? == "live", effects })
}

/// The columns of what a book was after a trade.
type After = [&'static str; 5];
const SOLD_AFTER: After =
    ["sold_quantity_after", "sold_unknown_after", "sold_basis_after", "sold_parcels_after", "sold_trades_after"];
const BOUGHT_AFTER: After = [
    "bought_quantity_after",
    "bought_unknown_after",
    "bought_basis_after",
    "bought_parcels_after",
    "bought_trades_after",
];

/// What a trade left of a book, without what it realized; none where the side makes no position.
fn effect(row: &impl Columns, columns: After, method: Method) -> Result<Option<Effect>, RowError> {
    let [quantity, unknown, basis, kept, trades] = columns;
    let Some(held) = row.maybe(quantity)? else { return Ok(None) };
    let kept = row.maybe(kept)?;
    let checkpoint = method == Method::Average || kept.is_some();
    let after = Holding {
        quantity: parse(quantity, held)?,
        unknown: parse(unknown, row.maybe(unknown)?.unwrap_or_default())?,
        basis: maybe_dollars(row, basis)?.unwrap_or_default(),
        parcels: parcels("parcels", kept)?.into(),
    };
    let trades = count(row, trades)?;
    Ok(Some(Effect { realized: Realized::default(), taken: vec![], after, trades, checkpoint }))
}

/// What a stored sale realized: the proceeds are what is left of its worth.
fn sale_of(row: &impl Columns, worth: Option<&Dollars>) -> Result<Realized, RowError> {
    let pnl = maybe_dollars(row, "realized_pnl_usd")?.unwrap_or_default();
    let without_basis = maybe_dollars(row, "proceeds_without_basis_usd")?.unwrap_or_default();
    let proceeds = worth.map(|worth| worth - &without_basis).unwrap_or_default();
    Ok(Realized { pnl, proceeds, without_basis })
}

/// Parcels as `[[trade, quantity, basis], …]`.
fn parcels(column: &'static str, text: Option<String>) -> Result<Vec<Parcel>, RowError> {
    let Some(text) = text else { return Ok(vec![]) };
    let wrong = |_| RowError::Value { column, value: text.clone() };
    let rows: Vec<(String, String, String)> = serde_json::from_str(&text).map_err(wrong)?;
    let parcel = |(trade, quantity, basis): (String, String, String)| {
        Ok(Parcel { trade: trade.into(), quantity: parse(column, quantity)?, basis: parse(column, basis)? })
    };
    rows.into_iter().map(parcel).collect()
}

/// The text of parcels.
fn listed<'a>(parcels: impl Iterator<Item = &'a Parcel>) -> String {
    let row =
        |parcel: &Parcel| serde_json::json!([&*parcel.trade, parcel.quantity.to_string(), parcel.basis.to_string()]);
    serde_json::Value::Array(parcels.map(row).collect()).to_string()
}

/// The parcels of a book as it is now; nothing by average.
pub(crate) fn open_parcels(holding: &Holding, method: Method) -> Option<String> {
    (method == Method::Fifo).then(|| listed(holding.parcels.iter()))
}

/// The parcels that a trade left, where it is a checkpoint; nothing by average.
pub(crate) fn parcels_after(effect: Option<&Effect>, method: Method) -> Option<String> {
    let kept = effect.filter(|effect| effect.checkpoint && method == Method::Fifo)?;
    Some(listed(kept.after.parcels.iter()))
}

/// The parcels that a sale took; nothing by average, or where it took none.
pub(crate) fn parcels_taken(effect: Option<&Effect>) -> Option<String> {
    let effect = effect.filter(|effect| !effect.taken.is_empty())?;
    Some(listed(effect.taken.iter()))
}

fn realized(row: &impl Columns) -> Result<Realized, RowError> {
    Ok(Realized {
        pnl: dollars(row, "realized_pnl_usd")?,
        proceeds: dollars(row, "proceeds_usd")?,
        without_basis: dollars(row, "proceeds_without_basis_usd")?,
    })
}

fn user_key(row: &impl Columns) -> Result<UserKey, RowError> {
    Ok(UserKey { trader: row.text("trader")?.into(), chain: row.text("chain")?.into() })
}

fn place(row: &impl Columns, [height, index, ordinal]: [&'static str; 3]) -> Result<Place, RowError> {
    let small = |name: &'static str| -> Result<u32, RowError> {
        let value = row.int(name)?;
        u32::try_from(value).map_err(|_| RowError::Value { column: name, value: value.to_string() })
    };
    Ok(Place { height: count(row, height)?, index: small(index)?, ordinal: small(ordinal)? })
}

/// The cut, beside each floor or beside nothing.
pub(crate) fn floors_of(rows: Vec<(i64, Option<String>, Option<i64>)>) -> Floors {
    let mut floors = Floors::default();
    for (cut_ms, chain, height) in rows {
        floors.cut_ms = cut_ms.cast_unsigned();
        floors.heights.extend(chain.map(|chain| (chain.into(), height.unwrap_or(0).cast_unsigned())));
    }
    floors
}

fn count(row: &impl Columns, column: &'static str) -> Result<u64, RowError> {
    let value = row.int(column)?;
    u64::try_from(value).map_err(|_| RowError::Value { column, value: value.to_string() })
}

fn dollars(row: &impl Columns, column: &'static str) -> Result<Dollars, RowError> {
    parse(column, row.text(column)?)
}

fn maybe_dollars(row: &impl Columns, column: &'static str) -> Result<Option<Dollars>, RowError> {
    row.maybe(column)?.map(|text| parse(column, text)).transpose()
}

fn quantity(row: &impl Columns, column: &'static str) -> Result<Quantity, RowError> {
    parse(column, row.text(column)?)
}

fn parse<T: std::str::FromStr>(column: &'static str, value: String) -> Result<T, RowError> {
    value.parse().map_err(|_| RowError::Value { column, value })
}

/// A number as a column holds it; the domain keeps what it stores below the limit.
pub(crate) fn to_int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The partition that owns what these facts touch.
pub(crate) fn partition(facts: &Facts) -> i32 {
    i32::try_from(facts.partition.index).unwrap_or(i32::MAX)
}

/// The three amounts of what a book held.
pub(crate) fn held(after: Option<&Holding>) -> [Option<String>; 3] {
    let Some(after) = after else { return [None, None, None] };
    [Some(after.quantity.to_string()), Some(after.unknown.to_string()), Some(after.basis.to_string())]
}

/// What a trade realized and its proceeds without basis; nothing where it sold no position.
pub(crate) fn sale(effect: Option<&Effect>) -> [Option<String>; 2] {
    let Some(effect) = effect else { return [None, None] };
    [Some(effect.realized.pnl.to_string()), Some(effect.realized.without_basis.to_string())]
}

/// The number of trades that a book was made of after a trade.
pub(crate) fn trades_after(effect: Option<&Effect>) -> Option<i64> {
    effect.map(|effect| to_int(effect.trades))
}

/// The effects of one side that changed: block time, id, trader, then what it realized and what was held.
pub(crate) fn changed(facts: &Facts, side: SideOf) -> impl Iterator<Item = &metrics_domain::Changed> {
    facts.changed.iter().filter(move |changed| changed.side == side)
}

pub(crate) fn owned(text: &Arc<str>) -> String {
    text.to_string()
}
