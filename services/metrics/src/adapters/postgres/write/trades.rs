//! Trade rows: many new ones by COPY, few and those that may be known by an upsert; effects that changed in place.

use super::rows::Rows;
use super::{Done, each};
use crate::adapters::columns::{changed, held, owned, parcels_after, parcels_taken, sale, to_int, trades_after};
use metrics_domain::{Dollars, Facts, Method, Put, SideOf, plain};
use serde_json::{Value, json};
use sqlx::PgConnection;

/// The columns of a row, in the order in which COPY fills them.
macro_rules! columns {
    () => {
        "block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle,
         sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd, platform,
         venues, event, realized_pnl_usd, proceeds_without_basis_usd, sold_taken,
         sold_quantity_after, sold_unknown_after, sold_basis_after, sold_parcels_after, sold_trades_after,
         bought_quantity_after, bought_unknown_after, bought_basis_after, bought_parcels_after, bought_trades_after"
    };
}

/// How many they are.
const COLUMNS: i16 = 34;

const COPY: &str = concat!("COPY trades (", columns!(), ") FROM STDIN (FORMAT binary)");

/// New or known, as JSON: the server makes rows of it by the names of its columns.
const UPSERT: &str = concat!(
    "INSERT INTO trades (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM json_populate_recordset(NULL::trades, $1::text::json)
     ON CONFLICT (block_time_ms, trade_id, trader) DO UPDATE SET
        height = excluded.height, tx_index = excluded.tx_index, ordinal = excluded.ordinal,
        kind = excluded.kind, status = excluded.status, cycle = excluded.cycle,
        sold_asset = excluded.sold_asset, sold_raw = excluded.sold_raw, sold_quote = excluded.sold_quote,
        bought_asset = excluded.bought_asset, bought_raw = excluded.bought_raw, bought_quote = excluded.bought_quote,
        notional_usd = excluded.notional_usd, fee_usd = excluded.fee_usd, platform = excluded.platform,
        venues = excluded.venues, event = excluded.event, realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd, sold_taken = excluded.sold_taken,
        sold_quantity_after = excluded.sold_quantity_after, sold_unknown_after = excluded.sold_unknown_after,
        sold_basis_after = excluded.sold_basis_after, sold_parcels_after = excluded.sold_parcels_after,
        bought_quantity_after = excluded.bought_quantity_after,
        bought_unknown_after = excluded.bought_unknown_after, bought_basis_after = excluded.bought_basis_after,
        bought_parcels_after = excluded.bought_parcels_after,
        sold_trades_after = excluded.sold_trades_after, bought_trades_after = excluded.bought_trades_after"
);

/// Up to so many trades go by one statement, which spares them the round trips of COPY: a guess, see the README.
const FEW: usize = 256;

/// Writes the rows; with `doubt`, also those that are held for new are written as if they might be known.
pub(super) async fn put(connection: &mut PgConnection, method: Method, puts: &[Put], doubt: bool) -> Done {
    let doubt = doubt || puts.len() <= FEW;
    let (known, mut new): (Vec<&Put>, Vec<&Put>) = puts.iter().partition(|put| put.known || doubt);
    // The key begins with the trader: one row after the other belongs beside it.
    new.sort_by(|a, b| (&a.entry.user, a.entry.order.place).cmp(&(&b.entry.user, b.entry.order.place)));
    copy(connection, method, &new).await?;
    if !known.is_empty() {
        let rows: Value = known.iter().map(|put| named(method, put)).collect();
        sqlx::query(UPSERT).bind(rows.to_string()).execute(connection).await?;
    }
    Ok(())
}

async fn copy(connection: &mut PgConnection, method: Method, puts: &[&Put]) -> Done {
    if puts.is_empty() {
        return Ok(());
    }
    let mut copy = connection.copy_in_raw(COPY).await?;
    let mut rows = Rows::new(COLUMNS, PIECE + PIECE / 4);
    for put in puts {
        row(&mut rows, method, put);
        if rows.len() >= PIECE {
            copy.send(rows.bytes()).await?;
            rows.clear();
        }
    }
    rows.end();
    copy.send(rows.bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// A row by the names of its columns, numbers as text.
fn named(method: Method, put: &Put) -> Value {
    let (entry, place) = (&put.entry, put.entry.order.place);
    let (sold, bought) = (put.effects.sold.as_ref(), put.effects.bought.as_ref());
    let text = |dollars: Option<&Dollars>| dollars.map(ToString::to_string);
    let ([pnl, without_basis], [sold_after, bought_after]) =
        (sale(sold), [sold, bought].map(|one| held(one.map(|one| &one.after))));
    json!({
        "block_time_ms": to_int(entry.time_ms),
        "trade_id": &*entry.order.id,
        "chain": &*entry.user.chain,
        "trader": &*entry.user.trader,
        "height": to_int(place.height),
        "tx_index": place.index,
        "ordinal": place.ordinal,
        "kind": put.said.kind,
        "status": if put.live { "live" } else { "reverted" },
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
        "venues": put.said.venues,
        "event": put.said.text,
        "realized_pnl_usd": pnl,
        "proceeds_without_basis_usd": without_basis,
        "sold_taken": parcels_taken(sold),
        "sold_quantity_after": sold_after[0],
        "sold_unknown_after": sold_after[1],
        "sold_basis_after": sold_after[2],
        "sold_parcels_after": parcels_after(sold, method),
        "sold_trades_after": trades_after(sold),
        "bought_quantity_after": bought_after[0],
        "bought_unknown_after": bought_after[1],
        "bought_basis_after": bought_after[2],
        "bought_parcels_after": parcels_after(bought, method),
        "bought_trades_after": trades_after(bought),
    })
}

/// Bytes that are handed to the server at once: no more than stay in the processor's cache until they are sent.
const PIECE: usize = 128 * 1024;

fn row(rows: &mut Rows, method: Method, put: &Put) {
    let (entry, effects, place) = (&put.entry, &put.effects, put.entry.order.place);
    rows.row();
    rows.int(to_int(entry.time_ms));
    rows.text(&entry.order.id);
    rows.text(&entry.user.chain);
    rows.text(&entry.user.trader);
    rows.int(to_int(place.height));
    rows.int(place.index.into());
    rows.int(place.ordinal.into());
    rows.text(&put.said.kind);
    rows.text(if put.live { "live" } else { "reverted" });
    rows.flag(entry.cycle);
    for lot in [&entry.sold, &entry.bought] {
        rows.text(&lot.asset);
        rows.number(plain(&lot.raw));
        rows.flag(lot.quote);
    }
    rows.number_or_null(entry.notional.as_ref());
    rows.number_or_null(entry.fee.as_ref());
    rows.text_or_null(entry.platform.as_deref());
    rows.texts(&put.said.venues);
    rows.text(&put.said.text);
    let sold = effects.sold.as_ref().map(|effect| &effect.realized);
    rows.number_or_null(sold.map(|realized| &realized.pnl));
    rows.number_or_null(sold.map(|realized| &realized.without_basis));
    rows.text_or_null(parcels_taken(effects.sold.as_ref()).as_deref());
    for side in SideOf::BOTH {
        let effect = effects.of(side);
        let after = effect.map(|effect| &effect.after);
        rows.number_or_null(after.map(|after| plain(&after.quantity)));
        rows.number_or_null(after.map(|after| plain(&after.unknown)));
        rows.number_or_null(after.map(|after| &after.basis));
        rows.text_or_null(parcels_after(effect, method).as_deref());
        rows.int_or_null(trades_after(effect));
    }
}

const CHANGE_SOLD: &str = "
    UPDATE trades t SET sold_quantity_after = v.q::numeric, sold_unknown_after = v.u::numeric,
        sold_basis_after = v.b::numeric, sold_parcels_after = v.parcels, realized_pnl_usd = v.realized::numeric,
        proceeds_without_basis_usd = v.without_basis::numeric, sold_taken = v.taken, sold_trades_after = v.trades
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::bigint[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken, trades)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

const CHANGE_BOUGHT: &str = "
    UPDATE trades t SET bought_quantity_after = v.q::numeric, bought_unknown_after = v.u::numeric,
        bought_basis_after = v.b::numeric, bought_parcels_after = v.parcels, bought_trades_after = v.trades
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::bigint[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken, trades)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

/// Writes effects that are others now.
pub(super) async fn change(connection: &mut PgConnection, method: Method, facts: &Facts, side: SideOf) -> Done {
    let rows: Vec<_> = changed(facts, side).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let figure = |at: usize| each(&rows, |row| held(Some(&row.effect.after))[at].clone());
    let sold = |at: usize| each(&rows, |row| sale(Some(&row.effect))[at].clone());
    sqlx::query(if side == SideOf::Sold { CHANGE_SOLD } else { CHANGE_BOUGHT })
        .bind(each(&rows, |row| to_int(row.key.time_ms)))
        .bind(each(&rows, |row| owned(&row.key.id)))
        .bind(each(&rows, |row| owned(&row.key.trader)))
        .bind(figure(0))
        .bind(figure(1))
        .bind(figure(2))
        .bind(sold(0))
        .bind(sold(1))
        .bind(each(&rows, |row| parcels_after(Some(&row.effect), method)))
        .bind(each(&rows, |row| parcels_taken(Some(&row.effect))))
        .bind(each(&rows, |row| trades_after(Some(&row.effect))))
        .execute(connection)
        .await?;
    Ok(())
}
