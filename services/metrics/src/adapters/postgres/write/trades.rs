//! Writes trade rows: many new ones by COPY; few, and those that may exist, by an upsert. Updates changed effects in
//! place.

use super::copy::CopyRows;
use super::{Done, column};
use crate::adapters::columns::{
    changed_effects_of, holding_columns, parcels_after_column, parcels_taken_column, released_columns, sale_columns,
    text_of, to_bigint, trades_after_column,
};
use metrics_domain::{BookFacts, Dollars, Method, TradeRow, TradeSide, display_quantity};
use migrations::Session as PgConnection;
use serde_json::{Value, json};

/// The columns of a row, in the order in which COPY writes them.
macro_rules! trade_columns {
    () => {
        "block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle,
         sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd, platform,
         venues, pools, event, realized_pnl_usd, proceeds_without_basis_usd, sold_taken,
         released_quantity, released_usd, implausible_usd, confidence, sold_quantity_after, sold_unknown_after, sold_basis_after, sold_parcels_after, sold_trades_after,
         bought_quantity_after, bought_unknown_after, bought_basis_after, bought_parcels_after, bought_trades_after"
    };
}

/// How many columns there are.
const COLUMN_COUNT: i16 = 39;

const COPY_TRADES: &str = concat!("COPY trades (", trade_columns!(), ") FROM STDIN (FORMAT binary)");

/// Inserts or replaces rows given as JSON, which the server reads by column name.
const UPSERT_TRADES: &str = concat!(
    "INSERT INTO trades (",
    trade_columns!(),
    ") SELECT ",
    trade_columns!(),
    " FROM json_populate_recordset(NULL::trades, $1::text::json)
     ON CONFLICT (block_time_ms, trade_id, trader) DO UPDATE SET
        height = excluded.height, tx_index = excluded.tx_index, ordinal = excluded.ordinal,
        kind = excluded.kind, status = excluded.status, cycle = excluded.cycle,
        sold_asset = excluded.sold_asset, sold_raw = excluded.sold_raw, sold_quote = excluded.sold_quote,
        bought_asset = excluded.bought_asset, bought_raw = excluded.bought_raw, bought_quote = excluded.bought_quote,
        notional_usd = excluded.notional_usd, fee_usd = excluded.fee_usd, platform = excluded.platform,
        venues = excluded.venues, pools = excluded.pools, event = excluded.event, realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd, sold_taken = excluded.sold_taken,
        released_quantity = excluded.released_quantity, released_usd = excluded.released_usd,
        implausible_usd = excluded.implausible_usd, confidence = excluded.confidence,
        sold_quantity_after = excluded.sold_quantity_after, sold_unknown_after = excluded.sold_unknown_after,
        sold_basis_after = excluded.sold_basis_after, sold_parcels_after = excluded.sold_parcels_after,
        bought_quantity_after = excluded.bought_quantity_after,
        bought_unknown_after = excluded.bought_unknown_after, bought_basis_after = excluded.bought_basis_after,
        bought_parcels_after = excluded.bought_parcels_after,
        sold_trades_after = excluded.sold_trades_after, bought_trades_after = excluded.bought_trades_after"
);

/// Up to this many trades are upserted by one statement, without the round trips of COPY. A guess, see the README.
const MAX_UPSERTED_NEW_TRADES: usize = 256;

/// Writes the rows; with `upsert_all`, also those that are expected to be new are upserted.
pub(super) async fn write_trades(
    connection: &mut PgConnection,
    method: Method,
    trade_rows: &[TradeRow],
    upsert_all: bool,
) -> Done {
    let upsert_all = upsert_all || trade_rows.len() <= MAX_UPSERTED_NEW_TRADES;
    let (upserted, mut new): (Vec<&TradeRow>, Vec<&TradeRow>) =
        trade_rows.iter().partition(|row| row.has_row || upsert_all);
    // The primary key begins with the trader: sorted rows fill neighbouring pages of its index.
    new.sort_by(|a, b| (&a.entry.user, a.entry.order.place).cmp(&(&b.entry.user, b.entry.order.place)));
    copy_trades(connection, method, &new).await?;
    if !upserted.is_empty() {
        let rows: Value = upserted.iter().map(|row| json_row(method, row)).collect();
        sqlx::query(UPSERT_TRADES).bind(rows.to_string()).execute(connection).await?;
    }
    Ok(())
}

async fn copy_trades(connection: &mut PgConnection, method: Method, trade_rows: &[&TradeRow]) -> Done {
    if trade_rows.is_empty() {
        return Ok(());
    }
    let mut copy = connection.connection().copy_in_raw(COPY_TRADES).await?;
    let mut rows = CopyRows::new(COLUMN_COUNT, COPY_CHUNK_BYTES + COPY_CHUNK_BYTES / 4);
    for row in trade_rows {
        add_copy_row(&mut rows, method, row);
        if rows.len() >= COPY_CHUNK_BYTES {
            copy.send(rows.bytes()).await?;
            rows.clear();
        }
    }
    rows.end();
    copy.send(rows.bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// A row as JSON by column name, amounts as text.
fn json_row(method: Method, row: &TradeRow) -> Value {
    let (entry, place) = (&row.entry, row.entry.order.place);
    let (sold, bought) = (row.effects.sold.as_ref(), row.effects.bought.as_ref());
    let text = |dollars: Option<&Dollars>| dollars.map(ToString::to_string);
    let ([pnl, without_basis], [sold_after, bought_after]) =
        (sale_columns(sold), [sold, bought].map(|one| holding_columns(one.map(|one| &one.after))));
    let [released_quantity, released_usd] = released_columns(sold);
    json!({
        "block_time_ms": to_bigint(entry.time_ms),
        "trade_id": &*entry.order.id,
        "chain": &*entry.user.chain,
        "trader": &*entry.user.trader,
        "height": to_bigint(place.height),
        "tx_index": place.index,
        "ordinal": place.ordinal,
        "kind": row.details.kind,
        "status": if row.live { "live" } else { "reverted" },
        "cycle": entry.cycle,
        "sold_asset": &*entry.sold.asset,
        "sold_raw": entry.sold.raw.to_string(),
        "sold_quote": entry.sold.quote,
        "bought_asset": &*entry.bought.asset,
        "bought_raw": entry.bought.raw.to_string(),
        "bought_quote": entry.bought.quote,
        "notional_usd": text(entry.notional.as_ref()),
        "fee_usd": text(entry.fee.as_ref()),
        "platform": entry.platform,
        "venues": row.details.venues,
        "pools": row.details.pools,
        "event": row.details.raw_text,
        "realized_pnl_usd": pnl,
        "proceeds_without_basis_usd": without_basis,
        "sold_taken": parcels_taken_column(sold),
        "released_quantity": released_quantity,
        "released_usd": released_usd,
        "implausible_usd": text(entry.implausible.as_ref()),
        "confidence": entry.confidence.word(),
        "sold_quantity_after": sold_after[0],
        "sold_unknown_after": sold_after[1],
        "sold_basis_after": sold_after[2],
        "sold_parcels_after": parcels_after_column(sold, method),
        "sold_trades_after": trades_after_column(sold),
        "bought_quantity_after": bought_after[0],
        "bought_unknown_after": bought_after[1],
        "bought_basis_after": bought_after[2],
        "bought_parcels_after": parcels_after_column(bought, method),
        "bought_trades_after": trades_after_column(bought),
    })
}

/// How much is sent to the server at once: little enough to stay in the processor's cache until it is sent.
const COPY_CHUNK_BYTES: usize = 128 * 1024;

fn add_copy_row(rows: &mut CopyRows, method: Method, row: &TradeRow) {
    let (entry, effects, place) = (&row.entry, &row.effects, row.entry.order.place);
    rows.begin_row();
    rows.int(to_bigint(entry.time_ms));
    rows.text(&entry.order.id);
    rows.text(&entry.user.chain);
    rows.text(&entry.user.trader);
    rows.int(to_bigint(place.height));
    rows.int(place.index.into());
    rows.int(place.ordinal.into());
    rows.text(&row.details.kind);
    rows.text(if row.live { "live" } else { "reverted" });
    rows.flag(entry.cycle);
    for lot in [&entry.sold, &entry.bought] {
        rows.text(&lot.asset);
        rows.number(display_quantity(&lot.raw));
        rows.flag(lot.quote);
    }
    rows.number_or_null(entry.notional.as_ref());
    rows.number_or_null(entry.fee.as_ref());
    rows.text_or_null(entry.platform.as_deref());
    rows.texts(&row.details.venues);
    rows.text(&row.details.pools);
    rows.text(&row.details.raw_text);
    let sold = effects.sold.as_ref().map(|effect| &effect.realized);
    rows.number_or_null(sold.map(|realized| &realized.pnl));
    rows.number_or_null(sold.map(|realized| &realized.without_basis));
    rows.text_or_null(parcels_taken_column(effects.sold.as_ref()).as_deref());
    let released = effects.sold.as_ref().map(|effect| &effect.released).filter(|released| !released.is_empty());
    rows.number_or_null(released.map(|released| display_quantity(&released.quantity)));
    rows.number_or_null(released.map(|released| &released.basis));
    rows.number_or_null(entry.implausible.as_ref());
    rows.text_or_null(entry.confidence.word());
    for side in TradeSide::BOTH {
        let effect = effects.on_side(side);
        let after = effect.map(|effect| &effect.after);
        rows.number_or_null(after.map(|after| display_quantity(&after.quantity)));
        rows.number_or_null(after.map(|after| display_quantity(&after.unknown)));
        rows.number_or_null(after.map(|after| &after.basis));
        rows.text_or_null(parcels_after_column(effect, method).as_deref());
        rows.int_or_null(trades_after_column(effect));
    }
}

const UPDATE_SOLD_EFFECTS: &str = "
    UPDATE trades t SET sold_quantity_after = v.q::numeric, sold_unknown_after = v.u::numeric,
        sold_basis_after = v.b::numeric, sold_parcels_after = v.parcels, realized_pnl_usd = v.realized::numeric,
        proceeds_without_basis_usd = v.without_basis::numeric, sold_taken = v.taken, sold_trades_after = v.trades,
        released_quantity = v.released_q::numeric, released_usd = v.released_b::numeric
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken, trades, released_q,
            released_b)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

const UPDATE_BOUGHT_EFFECTS: &str = "
    UPDATE trades t SET bought_quantity_after = v.q::numeric, bought_unknown_after = v.u::numeric,
        bought_basis_after = v.b::numeric, bought_parcels_after = v.parcels, bought_trades_after = v.trades
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken, trades, released_q,
            released_b)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

/// Updates the effects that changed, for one side.
pub(super) async fn update_effects(
    connection: &mut PgConnection,
    method: Method,
    facts: &BookFacts,
    side: TradeSide,
) -> Done {
    let rows: Vec<_> = changed_effects_of(facts, side).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let figure = |at: usize| column(&rows, |row| holding_columns(Some(&row.effect.after))[at].clone());
    let sold = |at: usize| column(&rows, |row| sale_columns(Some(&row.effect))[at].clone());
    let released = |at: usize| column(&rows, |row| released_columns(Some(&row.effect))[at].clone());
    sqlx::query(if side == TradeSide::Sold { UPDATE_SOLD_EFFECTS } else { UPDATE_BOUGHT_EFFECTS })
        .bind(column(&rows, |row| to_bigint(row.key.time_ms)))
        .bind(column(&rows, |row| text_of(&row.key.id)))
        .bind(column(&rows, |row| text_of(&row.key.trader)))
        .bind(figure(0))
        .bind(figure(1))
        .bind(figure(2))
        .bind(sold(0))
        .bind(sold(1))
        .bind(column(&rows, |row| parcels_after_column(Some(&row.effect), method)))
        .bind(column(&rows, |row| parcels_taken_column(Some(&row.effect))))
        .bind(column(&rows, |row| trades_after_column(Some(&row.effect))))
        .bind(released(0))
        .bind(released(1))
        .execute(connection)
        .await?;
    Ok(())
}
