//! Reads rows of either database into the domain's types. An unreadable value is an error that names its column.

use metrics_domain::{
    Book, BookKey, Confidence, ConfidenceVolumes, Dollars, Effect, Effects, Entry, Floors, Holding, KnownPart, Lot,
    Method, Parcel, Quantity, Realized, StoredTrade, Totals, TradeOrder, User, UserKey,
};
use sqlx::Row;
use tape::{Place, Unavailable};

/// Why a row cannot be read. Messages follow "failed to".
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// The column is missing or has another type.
    #[error("read a column")]
    Column(#[from] sqlx::Error),
    /// The value cannot be parsed.
    #[error("parse `{value}` in column `{column}`")]
    Value {
        /// The column.
        column: &'static str,
        /// Its value.
        value: String,
    },
}

impl From<RowError> for Unavailable {
    fn from(error: RowError) -> Self {
        Self::new("read the book", error)
    }
}

/// A row with named columns; amounts are text.
pub(crate) trait NamedColumns {
    fn text(&self, name: &'static str) -> Result<String, RowError>;
    fn optional_text(&self, name: &'static str) -> Result<Option<String>, RowError>;
    fn int(&self, name: &'static str) -> Result<i64, RowError>;
    fn optional_int(&self, name: &'static str) -> Result<Option<i64>, RowError>;
    fn flag(&self, name: &'static str) -> Result<bool, RowError>;
}

macro_rules! named_columns {
    ($row:ty) => {
        impl NamedColumns for $row {
            fn text(&self, name: &'static str) -> Result<String, RowError> {
                Ok(self.try_get(name)?)
            }
            fn optional_text(&self, name: &'static str) -> Result<Option<String>, RowError> {
                Ok(self.try_get(name)?)
            }
            fn int(&self, name: &'static str) -> Result<i64, RowError> {
                Ok(self.try_get(name)?)
            }
            fn optional_int(&self, name: &'static str) -> Result<Option<i64>, RowError> {
                Ok(self.try_get(name)?)
            }
            fn flag(&self, name: &'static str) -> Result<bool, RowError> {
                Ok(self.try_get(name)?)
            }
        }
    };
}

named_columns!(sqlx::postgres::PgRow);
named_columns!(sqlx::sqlite::SqliteRow);

pub(crate) fn read_user(row: &impl NamedColumns) -> Result<(UserKey, User), RowError> {
    let totals = Totals {
        volume: dollars(row, "volume_usd")?,
        by_confidence: confidence_volumes(row)?,
        swaps: count(row, "swaps")?,
        unvalued: count(row, "unvalued")?,
        implausible: count(row, "implausible")?,
        implausible_usd: dollars(row, "implausible_usd")?,
        cycles: count(row, "cycles")?,
        fees: dollars(row, "fees_usd")?,
        realized: realized(row)?,
    };
    let seen = place(row, ["seen_height", "seen_index", "seen_ordinal"])?;
    Ok((user_key(row)?, User { totals, seen: Some(seen) }))
}

pub(crate) fn read_book(row: &impl NamedColumns) -> Result<(BookKey, Book), RowError> {
    let holding = Holding {
        quantity: quantity(row, "quantity")?,
        unknown: quantity(row, "unknown_quantity")?,
        basis: dollars(row, "basis_usd")?,
        parcels: parcels("parcels", row.optional_text("parcels")?)?.into(),
    };
    let key = BookKey { user: user_key(row)?, asset: row.text("asset")?.into() };
    let decimals = row.optional_int("decimals")?.and_then(|decimals| u8::try_from(decimals).ok());
    let decorated = match row.optional_int("decorated_height")? {
        Some(_) => Some(place(row, ["decorated_height", "decorated_index", "decorated_ordinal"])?),
        None => None,
    };
    let (realized, trades, bought) = (realized(row)?, count(row, "trades")?, quantity(row, "bought_quantity")?);
    Ok((key, Book { holding, realized, bought, trades, symbol: row.optional_text("symbol")?, decimals, decorated }))
}

pub(crate) fn read_stored_trade(row: &impl NamedColumns, method: Method) -> Result<StoredTrade, RowError> {
    let place = place(row, ["height", "tx_index", "ordinal"])?;
    let lot = |asset, raw, quote| -> Result<Lot, RowError> {
        let (asset, raw) = (row.text(asset)?.into(), quantity(row, raw)?);
        Ok(Lot { asset, raw, quote: row.flag(quote)?, symbol: None, decimals: None })
    };
    let entry = Entry {
        order: TradeOrder { place, id: row.text("trade_id")?.into() },
        time_ms: count(row, "block_time_ms")?,
        user: user_key(row)?,
        cycle: row.flag("cycle")?,
        sold: lot("sold_asset", "sold_raw", "sold_quote")?,
        bought: lot("bought_asset", "bought_raw", "bought_quote")?,
        notional: optional_dollars(row, "notional_usd")?,
        fee: optional_dollars(row, "fee_usd")?,
        implausible: optional_dollars(row, "implausible_usd")?,
        platform: row.optional_text("platform")?,
        confidence: Confidence::from_word(row.optional_text("confidence")?.as_deref()),
    };
    let mut effects =
        Effects { sold: effect(row, SOLD_AFTER_COLUMNS, method)?, bought: effect(row, BOUGHT_AFTER_COLUMNS, method)? };
    if let Some(sold) = &mut effects.sold {
        sold.released = released(row)?;
        sold.realized = realized_by_sale(row, &entry, &sold.released)?;
        sold.taken = parcels("sold_taken", row.optional_text("sold_taken")?)?;
    }
    Ok(StoredTrade { entry, live: row.text("status")? == "live", effects })
}

/// The columns that describe a book after a trade.
type AfterColumns = [&'static str; 5];
const SOLD_AFTER_COLUMNS: AfterColumns =
    ["sold_quantity_after", "sold_unknown_after", "sold_basis_after", "sold_parcels_after", "sold_trades_after"];
const BOUGHT_AFTER_COLUMNS: AfterColumns = [
    "bought_quantity_after",
    "bought_unknown_after",
    "bought_basis_after",
    "bought_parcels_after",
    "bought_trades_after",
];

/// What a trade did to a book, without what it realized; none where the side makes no position.
fn effect(row: &impl NamedColumns, columns: AfterColumns, method: Method) -> Result<Option<Effect>, RowError> {
    let [quantity, unknown, basis, open_parcels, trades] = columns;
    let Some(held) = row.optional_text(quantity)? else { return Ok(None) };
    let open_parcels = row.optional_text(open_parcels)?;
    let checkpoint = method == Method::Average || open_parcels.is_some();
    let after = Holding {
        quantity: parse(quantity, held)?,
        unknown: parse(unknown, row.optional_text(unknown)?.unwrap_or_default())?,
        basis: optional_dollars(row, basis)?.unwrap_or_default(),
        parcels: parcels("parcels", open_parcels)?.into(),
    };
    let (trades, released) = (count(row, trades)?, KnownPart::default());
    Ok(Some(Effect { realized: Realized::default(), taken: vec![], released, after, trades, checkpoint }))
}

/// What a stored sale realized. Its proceeds are its worth without the proceeds without basis.
fn realized_by_sale(row: &impl NamedColumns, entry: &Entry, released: &KnownPart) -> Result<Realized, RowError> {
    let pnl = optional_dollars(row, "realized_pnl_usd")?.unwrap_or_default();
    let without_basis = optional_dollars(row, "proceeds_without_basis_usd")?.unwrap_or_default();
    let proceeds = entry.notional.as_ref().map(|worth| worth - &without_basis).unwrap_or_default();
    let basis_without_proceeds = if entry.hands_basis_on() { Dollars::ZERO } else { released.basis.clone() };
    Ok(Realized { pnl, proceeds, without_basis, basis_without_proceeds })
}

/// What a sale without a worth took of the known part.
fn released(row: &impl NamedColumns) -> Result<KnownPart, RowError> {
    let Some(quantity) = row.optional_text("released_quantity")? else { return Ok(KnownPart::default()) };
    let basis = optional_dollars(row, "released_usd")?.unwrap_or_default();
    Ok(KnownPart { quantity: parse("released_quantity", quantity)?, basis })
}

/// Parcels, stored as `[[trade, quantity, basis], …]`.
fn parcels(column: &'static str, text: Option<String>) -> Result<Vec<Parcel>, RowError> {
    let Some(text) = text else { return Ok(vec![]) };
    let unreadable = |_| RowError::Value { column, value: text.clone() };
    let rows: Vec<(String, String, String)> = serde_json::from_str(&text).map_err(unreadable)?;
    let parcel = |(trade, quantity, basis): (String, String, String)| {
        Ok(Parcel { trade: trade.into(), quantity: parse(column, quantity)?, basis: parse(column, basis)? })
    };
    rows.into_iter().map(parcel).collect()
}

pub(crate) fn realized(row: &impl NamedColumns) -> Result<Realized, RowError> {
    Ok(Realized {
        pnl: dollars(row, "realized_pnl_usd")?,
        proceeds: dollars(row, "proceeds_usd")?,
        without_basis: dollars(row, "proceeds_without_basis_usd")?,
        basis_without_proceeds: dollars(row, "basis_without_proceeds_usd")?,
    })
}

fn confidence_volumes(row: &impl NamedColumns) -> Result<ConfidenceVolumes, RowError> {
    let mut volumes = ConfidenceVolumes::default();
    for (amount, column) in volumes.amounts_mut().into_iter().zip(ConfidenceVolumes::COLUMNS) {
        *amount = dollars(row, column)?;
    }
    Ok(volumes)
}

fn user_key(row: &impl NamedColumns) -> Result<UserKey, RowError> {
    Ok(UserKey { trader: row.text("trader")?.into(), chain: row.text("chain")?.into() })
}

fn place(row: &impl NamedColumns, [height, index, ordinal]: [&'static str; 3]) -> Result<Place, RowError> {
    let small = |name: &'static str| -> Result<u32, RowError> {
        let value = row.int(name)?;
        u32::try_from(value).map_err(|_| RowError::Value { column: name, value: value.to_string() })
    };
    Ok(Place { height: count(row, height)?, index: small(index)?, ordinal: small(ordinal)? })
}

/// The floors from rows of (cut, chain, height); chain and height are null where there is no floor.
pub(crate) fn floors_from_rows(rows: Vec<(i64, Option<String>, Option<i64>)>) -> Floors {
    let mut floors = Floors::default();
    for (cut_ms, chain, height) in rows {
        floors.cut_ms = cut_ms.cast_unsigned();
        floors.heights.extend(chain.map(|chain| (chain.into(), height.unwrap_or(0).cast_unsigned())));
    }
    floors
}

pub(crate) fn count(row: &impl NamedColumns, column: &'static str) -> Result<u64, RowError> {
    let value = row.int(column)?;
    u64::try_from(value).map_err(|_| RowError::Value { column, value: value.to_string() })
}

pub(crate) fn dollars(row: &impl NamedColumns, column: &'static str) -> Result<Dollars, RowError> {
    parse(column, row.text(column)?)
}

pub(crate) fn optional_dollars(row: &impl NamedColumns, column: &'static str) -> Result<Option<Dollars>, RowError> {
    row.optional_text(column)?.map(|text| parse(column, text)).transpose()
}

pub(crate) fn quantity(row: &impl NamedColumns, column: &'static str) -> Result<Quantity, RowError> {
    parse_quantity(column, row.text(column)?)
}

/// Most are small enough for a machine's number, which is several times faster.
pub(crate) fn parse_quantity(column: &'static str, value: String) -> Result<Quantity, RowError> {
    value.parse::<u128>().map(Quantity::from).or_else(|_| parse(column, value))
}

pub(crate) fn parse<T: std::str::FromStr>(column: &'static str, value: String) -> Result<T, RowError> {
    value.parse().map_err(|_| RowError::Value { column, value })
}
