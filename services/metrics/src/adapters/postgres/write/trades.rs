//! Trade rows: new ones by COPY, those that may be known by an upsert; effects that changed in place.

use super::{Done, each};
use crate::adapters::columns::{changed, event, held, owned, parcels_after, parcels_taken, sale, to_int, venues};
use metrics_domain::{Facts, Method, Put, SideOf};
use sqlx::PgConnection;
use std::fmt::Write;

/// The columns of a row, in the order in which both ways of writing fill them.
macro_rules! columns {
    () => {
        "block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle,
         sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd, platform,
         venues, event, realized_pnl_usd, proceeds_without_basis_usd, sold_taken,
         sold_quantity_after, sold_unknown_after, sold_basis_after, sold_parcels_after,
         bought_quantity_after, bought_unknown_after, bought_basis_after, bought_parcels_after"
    };
}

const COPY: &str = concat!("COPY trades (", columns!(), ") FROM STDIN");

/// COPY takes a table, not a row type; what may be known goes through one that lives as long as the transaction.
const STAGE: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS staged (LIKE trades) ON COMMIT DELETE ROWS";
const COPY_STAGED: &str = concat!("COPY staged (", columns!(), ") FROM STDIN");
const UPSERT: &str = concat!(
    "INSERT INTO trades (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM staged
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
        bought_parcels_after = excluded.bought_parcels_after"
);

/// Writes the rows; with `doubt`, also those that are held for new are written as if they might be known.
pub(super) async fn put(connection: &mut PgConnection, method: Method, puts: &[Put], doubt: bool) -> Done {
    let (known, new): (Vec<&Put>, Vec<&Put>) = puts.iter().partition(|put| put.known || doubt);
    copy(connection, COPY, method, &new).await?;
    if !known.is_empty() {
        sqlx::raw_sql(STAGE).execute(&mut *connection).await?;
        copy(connection, COPY_STAGED, method, &known).await?;
        sqlx::query(UPSERT).execute(&mut *connection).await?;
        sqlx::raw_sql("TRUNCATE staged").execute(connection).await?;
    }
    Ok(())
}

async fn copy(connection: &mut PgConnection, statement: &str, method: Method, puts: &[&Put]) -> Done {
    if puts.is_empty() {
        return Ok(());
    }
    let mut lines = Lines(String::with_capacity(puts.len() * 2_048));
    for put in puts {
        lines.put(method, put);
    }
    let mut copy = connection.copy_in_raw(statement).await?;
    // In pieces: each is copied into the connection's buffer, which then need not grow to the size of the batch.
    for piece in lines.0.as_bytes().chunks(PIECE) {
        copy.send(piece).await?;
    }
    copy.finish().await?;
    Ok(())
}

/// Bytes that are handed to the server at once.
const PIECE: usize = 128 * 1024;

/// Rows in the text format of COPY.
struct Lines(String);

impl Lines {
    fn put(&mut self, method: Method, put: &Put) {
        let (entry, effects, place) = (&put.entry, &put.effects, put.entry.order.place);
        self.shown(to_int(entry.time_ms));
        self.text(&entry.order.id);
        self.text(&entry.user.chain);
        self.text(&entry.user.trader);
        self.shown(to_int(place.height));
        self.shown(place.index);
        self.shown(place.ordinal);
        self.text(&put.event.trade.kind);
        self.text(if put.live { "live" } else { "reverted" });
        self.shown(entry.cycle);
        for lot in [&entry.sold, &entry.bought] {
            self.text(&lot.asset);
            self.shown(&lot.raw);
            self.shown(lot.quote);
        }
        self.maybe(entry.notional.as_ref());
        self.maybe(entry.fee.as_ref());
        self.text_or_null(entry.platform.as_deref());
        self.text(&array(&venues(put)));
        self.text(&event(put));
        for amount in &sale(effects.sold.as_ref()) {
            self.maybe(amount.as_ref());
        }
        self.text_or_null(parcels_taken(effects.sold.as_ref()).as_deref());
        for side in SideOf::BOTH {
            let effect = side.effect(effects);
            for amount in &held(effect.map(|effect| &effect.after)) {
                self.maybe(amount.as_ref());
            }
            self.text_or_null(parcels_after(effect, method).as_deref());
        }
        self.0.pop();
        self.0.push('\n');
    }

    /// A field whose text needs no escape: numbers and truths.
    fn shown(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.0, "{value}\t");
    }

    fn maybe(&mut self, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.shown(value),
            None => self.0.push_str("\\N\t"),
        }
    }

    fn text(&mut self, text: &str) {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'\\' => "\\\\",
                b'\t' => "\\t",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => continue,
            };
            self.0.push_str(&text[plain..at]);
            self.0.push_str(escaped);
            plain = at + 1;
        }
        self.0.push_str(&text[plain..]);
        self.0.push('\t');
    }

    fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push_str("\\N\t"),
        }
    }
}

/// A literal of a `text[]`.
fn array(items: &[&str]) -> String {
    let quoted = |item: &&str| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""));
    format!("{{{}}}", items.iter().map(quoted).collect::<Vec<_>>().join(","))
}

const CHANGE_SOLD: &str = "
    UPDATE trades t SET sold_quantity_after = v.q::numeric, sold_unknown_after = v.u::numeric,
        sold_basis_after = v.b::numeric, sold_parcels_after = v.parcels, realized_pnl_usd = v.realized::numeric,
        proceeds_without_basis_usd = v.without_basis::numeric, sold_taken = v.taken
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

const CHANGE_BOUGHT: &str = "
    UPDATE trades t SET bought_quantity_after = v.q::numeric, bought_unknown_after = v.u::numeric,
        bought_basis_after = v.b::numeric, bought_parcels_after = v.parcels
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis, parcels, taken)
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
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_for_copy() {
        let mut lines = Lines(String::new());
        lines.text("a\\b\tc\nd\r\u{e9}\"");
        lines.maybe(None::<u8>);
        lines.text(&array(&["v\"3", "x\\y", "z"]));
        assert_eq!(lines.0, "a\\\\b\\tc\\nd\\r\u{e9}\"\t\\N\t{\"v\\\\\"3\",\"x\\\\\\\\y\",\"z\"}\t");
    }
}
