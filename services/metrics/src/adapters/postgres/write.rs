//! One commit: the read position moves first, or nothing happens; then rows and messages, a statement per table.

use crate::adapters::columns::{changed, event, held, owned, partition, sale, split_books, to_int, venues};
use crate::messages::messages;
use metrics_domain::{Book, BookKey, Facts, Outcome, Put, SideOf, UserKey};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;

type Done = Result<(), sqlx::Error>;

pub(super) async fn commit(pool: &PgPool, facts: &Facts) -> Result<Outcome, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if !advance(&mut transaction, facts).await? {
        transaction.rollback().await?;
        return Ok(Outcome::Moved);
    }
    put_trades(&mut transaction, &facts.puts).await?;
    for side in SideOf::BOTH {
        change_effects(&mut transaction, facts, side).await?;
    }
    put_users(&mut transaction, facts).await?;
    put_books(&mut transaction, facts).await?;
    add_fees(&mut transaction, facts).await?;
    put_messages(&mut transaction, facts).await?;
    transaction.commit().await?;
    Ok(Outcome::Committed)
}

/// Moves the read position from where the facts start; false if it is not there.
async fn advance(connection: &mut PgConnection, facts: &Facts) -> Result<bool, sqlx::Error> {
    let query = if facts.from.is_some() {
        "UPDATE position SET next = $3 WHERE log = $1 AND partition = $2 AND next = $4"
    } else {
        "INSERT INTO position (log, partition, next) SELECT $1, $2, $3 WHERE $4::bigint IS NULL ON CONFLICT DO NOTHING"
    };
    let moved = sqlx::query(query)
        .bind(&*facts.share.log)
        .bind(partition(facts))
        .bind(facts.next.cast_signed())
        .bind(facts.from.map(u64::cast_signed))
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

const PUT_TRADES: &str = "
    INSERT INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, cycle,
        sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd, platform,
        venues, event, realized_pnl_usd, proceeds_without_basis_usd,
        sold_quantity_after, sold_unknown_after, sold_basis_after,
        bought_quantity_after, bought_unknown_after, bought_basis_after)
    SELECT v.block_time_ms, v.trade_id, v.chain, v.trader, v.height, v.tx_index, v.ordinal, v.kind,
        CASE WHEN v.live THEN 'live' ELSE 'reverted' END, v.cycle,
        v.sold_asset, v.sold_raw::numeric, v.sold_quote, v.bought_asset, v.bought_raw::numeric, v.bought_quote,
        v.notional::numeric, v.fee::numeric, v.platform, string_to_array(v.venues, chr(31)), v.event,
        v.realized::numeric, v.without_basis::numeric, v.sold_q::numeric, v.sold_u::numeric, v.sold_b::numeric,
        v.bought_q::numeric, v.bought_u::numeric, v.bought_b::numeric
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
        $9::boolean[], $10::boolean[], $11::text[], $12::text[], $13::boolean[], $14::text[], $15::text[],
        $16::boolean[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
        $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[])
      AS v(block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, live, cycle, sold_asset, sold_raw,
        sold_quote, bought_asset, bought_raw, bought_quote, notional, fee, platform, venues, event, realized,
        without_basis, sold_q, sold_u, sold_b, bought_q, bought_u, bought_b)
    ON CONFLICT (block_time_ms, trade_id, trader) DO UPDATE SET
        height = excluded.height, tx_index = excluded.tx_index, ordinal = excluded.ordinal,
        kind = excluded.kind, status = excluded.status, cycle = excluded.cycle,
        sold_asset = excluded.sold_asset, sold_raw = excluded.sold_raw, sold_quote = excluded.sold_quote,
        bought_asset = excluded.bought_asset, bought_raw = excluded.bought_raw, bought_quote = excluded.bought_quote,
        notional_usd = excluded.notional_usd, fee_usd = excluded.fee_usd, platform = excluded.platform,
        venues = excluded.venues, event = excluded.event, realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd,
        sold_quantity_after = excluded.sold_quantity_after, sold_unknown_after = excluded.sold_unknown_after,
        sold_basis_after = excluded.sold_basis_after, bought_quantity_after = excluded.bought_quantity_after,
        bought_unknown_after = excluded.bought_unknown_after, bought_basis_after = excluded.bought_basis_after";

async fn put_trades(connection: &mut PgConnection, puts: &[Put]) -> Done {
    if puts.is_empty() {
        return Ok(());
    }
    let [sold_q, sold_u, sold_b] = after(puts, SideOf::Sold);
    let [bought_q, bought_u, bought_b] = after(puts, SideOf::Bought);
    let sales: Vec<[Option<String>; 2]> = puts.iter().map(|put| sale(put.effects.sold.as_ref())).collect();
    let (realized, without_basis): (Vec<_>, Vec<_>) = sales.into_iter().map(|[pnl, rest]| (pnl, rest)).unzip();
    sqlx::query(PUT_TRADES)
        .bind(each(puts, |put| to_int(put.entry.time_ms)))
        .bind(each(puts, |put| owned(&put.entry.order.id)))
        .bind(each(puts, |put| owned(&put.entry.user.chain)))
        .bind(each(puts, |put| owned(&put.entry.user.trader)))
        .bind(each(puts, |put| to_int(put.entry.order.place.height)))
        .bind(each(puts, |put| i64::from(put.entry.order.place.index)))
        .bind(each(puts, |put| i64::from(put.entry.order.place.ordinal)))
        .bind(each(puts, |put| put.event.trade.kind.clone()))
        .bind(each(puts, |put| put.live))
        .bind(each(puts, |put| put.entry.cycle))
        .bind(each(puts, |put| owned(&put.entry.sold.asset)))
        .bind(each(puts, |put| put.entry.sold.raw.to_string()))
        .bind(each(puts, |put| put.entry.sold.quote))
        .bind(each(puts, |put| owned(&put.entry.bought.asset)))
        .bind(each(puts, |put| put.entry.bought.raw.to_string()))
        .bind(each(puts, |put| put.entry.bought.quote))
        .bind(each(puts, |put| put.entry.notional.as_ref().map(ToString::to_string)))
        .bind(each(puts, |put| put.entry.fee.as_ref().map(ToString::to_string)))
        .bind(each(puts, |put| put.entry.platform.clone()))
        .bind(each(puts, |put| venues(put).join("\u{1f}")))
        .bind(each(puts, event))
        .bind(realized)
        .bind(without_basis)
        .bind(sold_q)
        .bind(sold_u)
        .bind(sold_b)
        .bind(bought_q)
        .bind(bought_u)
        .bind(bought_b)
        .execute(connection)
        .await?;
    Ok(())
}

fn after(puts: &[Put], side: SideOf) -> [Vec<Option<String>>; 3] {
    columns(puts.iter().map(|put| held(side.effect(&put.effects).map(|effect| &effect.after))))
}

const CHANGE_SOLD: &str = "
    UPDATE trades t SET sold_quantity_after = v.q::numeric, sold_unknown_after = v.u::numeric,
        sold_basis_after = v.b::numeric, realized_pnl_usd = v.realized::numeric,
        proceeds_without_basis_usd = v.without_basis::numeric
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

const CHANGE_BOUGHT: &str = "
    UPDATE trades t SET bought_quantity_after = v.q::numeric, bought_unknown_after = v.u::numeric,
        bought_basis_after = v.b::numeric
    FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
        AS v(block_time_ms, trade_id, trader, q, u, b, realized, without_basis)
    WHERE t.block_time_ms = v.block_time_ms AND t.trade_id = v.trade_id AND t.trader = v.trader";

async fn change_effects(connection: &mut PgConnection, facts: &Facts, side: SideOf) -> Done {
    let rows: Vec<_> = changed(facts, side).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let [quantity, unknown, basis] = columns(rows.iter().map(|row| held(Some(&row.effect.after))));
    let query = match side {
        SideOf::Sold => CHANGE_SOLD,
        SideOf::Bought => CHANGE_BOUGHT,
    };
    sqlx::query(query)
        .bind(each(&rows, |row| to_int(row.key.time_ms)))
        .bind(each(&rows, |row| owned(&row.key.id)))
        .bind(each(&rows, |row| owned(&row.key.trader)))
        .bind(quantity)
        .bind(unknown)
        .bind(basis)
        .bind(each(&rows, |row| row.effect.realized.pnl.to_string()))
        .bind(each(&rows, |row| row.effect.realized.without_basis.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}

const PUT_USERS: &str = "
    INSERT INTO user_totals (trader, chain, partition, as_of, volume_usd, swaps, unvalued, cycles, fees_usd,
        realized_pnl_usd, realized_pnl_net_usd, proceeds_without_basis_usd, seen_height, seen_index, seen_ordinal)
    SELECT v.trader, v.chain, $1, $2, v.volume::numeric, v.swaps, v.unvalued, v.cycles, v.fees::numeric,
        v.realized::numeric, v.net::numeric, v.without_basis::numeric, v.height, v.tx_index, v.ordinal
    FROM UNNEST($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[],
        $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[])
      AS v(trader, chain, volume, swaps, unvalued, cycles, fees, realized, net, without_basis, height, tx_index, ordinal)
    ON CONFLICT (trader, chain) DO UPDATE SET partition = excluded.partition, as_of = excluded.as_of,
        volume_usd = excluded.volume_usd, swaps = excluded.swaps, unvalued = excluded.unvalued,
        cycles = excluded.cycles, fees_usd = excluded.fees_usd, realized_pnl_usd = excluded.realized_pnl_usd,
        realized_pnl_net_usd = excluded.realized_pnl_net_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd, seen_height = excluded.seen_height,
        seen_index = excluded.seen_index, seen_ordinal = excluded.seen_ordinal";

async fn put_users(connection: &mut PgConnection, facts: &Facts) -> Done {
    let users = &facts.users;
    if users.is_empty() {
        return Ok(());
    }
    let seen = |of: fn(&tape::Place) -> u64| each(users, |(_, user)| user.seen.as_ref().map_or(0, |at| to_int(of(at))));
    sqlx::query(PUT_USERS)
        .bind(partition(facts))
        .bind(facts.next.cast_signed())
        .bind(each(users, |(key, _)| owned(&key.trader)))
        .bind(each(users, |(key, _)| owned(&key.chain)))
        .bind(each(users, |(_, user)| user.totals.volume.to_string()))
        .bind(each(users, |(_, user)| to_int(user.totals.swaps)))
        .bind(each(users, |(_, user)| to_int(user.totals.unvalued)))
        .bind(each(users, |(_, user)| to_int(user.totals.cycles)))
        .bind(each(users, |(_, user)| user.totals.fees.to_string()))
        .bind(each(users, |(_, user)| user.totals.realized.pnl.to_string()))
        .bind(each(users, |(_, user)| user.totals.net().to_string()))
        .bind(each(users, |(_, user)| user.totals.realized.without_basis.to_string()))
        .bind(seen(|place| place.height))
        .bind(seen(|place| place.index.into()))
        .bind(seen(|place| place.ordinal.into()))
        .execute(connection)
        .await?;
    Ok(())
}

const PUT_BOOKS: &str = "
    INSERT INTO positions (trader, chain, asset, partition, as_of, symbol, decimals, trades, quantity, unknown_quantity,
        basis_usd, realized_pnl_usd, proceeds_without_basis_usd)
    SELECT v.trader, v.chain, v.asset, $1, $2, v.symbol, v.decimals, v.trades, v.quantity::numeric,
        v.unknown::numeric, v.basis::numeric, v.realized::numeric, v.without_basis::numeric
    FROM UNNEST($3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bigint[], $9::text[], $10::text[],
        $11::text[], $12::text[], $13::text[])
      AS v(trader, chain, asset, symbol, decimals, trades, quantity, unknown, basis, realized, without_basis)
    ON CONFLICT (trader, chain, asset) DO UPDATE SET partition = excluded.partition, as_of = excluded.as_of,
        symbol = excluded.symbol, decimals = excluded.decimals, trades = excluded.trades,
        quantity = excluded.quantity, unknown_quantity = excluded.unknown_quantity, basis_usd = excluded.basis_usd,
        realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd";

const DROP_BOOKS: &str = "
    DELETE FROM positions p USING UNNEST($1::text[], $2::text[], $3::text[]) AS v(trader, chain, asset)
    WHERE p.trader = v.trader AND p.chain = v.chain AND p.asset = v.asset";

async fn put_books(connection: &mut PgConnection, facts: &Facts) -> Done {
    let (books, gone) = split_books(facts);
    if !books.is_empty() {
        let [traders, chains, assets] = book_keys(&books);
        sqlx::query(PUT_BOOKS)
            .bind(partition(facts))
            .bind(facts.next.cast_signed())
            .bind(traders)
            .bind(chains)
            .bind(assets)
            .bind(each(&books, |(_, book)| book.symbol.clone()))
            .bind(each(&books, |(_, book)| book.decimals.map(i16::from)))
            .bind(each(&books, |(_, book)| to_int(book.trades)))
            .bind(each(&books, |(_, book)| book.holding.quantity.to_string()))
            .bind(each(&books, |(_, book)| book.holding.unknown.to_string()))
            .bind(each(&books, |(_, book)| book.holding.basis.to_string()))
            .bind(each(&books, |(_, book)| book.realized.pnl.to_string()))
            .bind(each(&books, |(_, book)| book.realized.without_basis.to_string()))
            .execute(&mut *connection)
            .await?;
    }
    if !gone.is_empty() {
        let [traders, chains, assets] = book_keys(&gone);
        sqlx::query(DROP_BOOKS).bind(traders).bind(chains).bind(assets).execute(connection).await?;
    }
    Ok(())
}

fn book_keys(books: &[&(BookKey, Book)]) -> [Vec<String>; 3] {
    let all = |of: fn(&BookKey) -> &Arc<str>| each(books, |(key, _)| owned(of(key)));
    [all(|key| &key.user.trader), all(|key| &key.user.chain), all(|key| &key.asset)]
}

const ADD_FEES: &str = "
    INSERT INTO fees AS f (trader, chain, platform, day, partition, trades, fees_usd)
    SELECT v.trader, v.chain, v.platform, v.day, $1, v.trades, v.usd::numeric
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
        AS v(trader, chain, platform, day, trades, usd)
    ON CONFLICT (trader, chain, platform, day) DO UPDATE SET partition = excluded.partition,
        trades = f.trades + excluded.trades, fees_usd = trim_scale(f.fees_usd + excluded.fees_usd)";

const DROP_FEES: &str = "
    DELETE FROM fees f USING UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[]) AS v(trader, chain, platform, day)
    WHERE f.trader = v.trader AND f.chain = v.chain AND f.platform = v.platform AND f.day = v.day AND f.trades = 0";

async fn add_fees(connection: &mut PgConnection, facts: &Facts) -> Done {
    let fees = &facts.fees;
    if fees.is_empty() {
        return Ok(());
    }
    let user = |of: fn(&UserKey) -> &Arc<str>| each(fees, |(key, _)| owned(of(&key.user)));
    let platforms = each(fees, |(key, _)| key.platform.clone());
    let days = each(fees, |(key, _)| to_int(key.day));
    sqlx::query(ADD_FEES)
        .bind(partition(facts))
        .bind(user(|user| &user.trader))
        .bind(user(|user| &user.chain))
        .bind(&platforms)
        .bind(&days)
        .bind(each(fees, |(_, moved)| moved.trades))
        .bind(each(fees, |(_, moved)| moved.usd.to_string()))
        .execute(&mut *connection)
        .await?;
    if fees.iter().any(|(_, moved)| moved.trades < 0) {
        let drop = sqlx::query(DROP_FEES).bind(user(|user| &user.trader)).bind(user(|user| &user.chain));
        drop.bind(platforms).bind(days).execute(connection).await?;
    }
    Ok(())
}

async fn put_messages(connection: &mut PgConnection, facts: &Facts) -> Done {
    let messages = messages(facts);
    if messages.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO outbox (event_id, key, payload) SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[])")
        .bind(each(&messages, |message| message.event_id.clone()))
        .bind(each(&messages, |message| message.key.clone()))
        .bind(each(&messages, |message| message.payload.clone()))
        .execute(connection)
        .await?;
    Ok(())
}

fn each<T, V>(rows: &[T], of: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

/// Rows of three turned into three columns.
fn columns(rows: impl Iterator<Item = [Option<String>; 3]>) -> [Vec<Option<String>>; 3] {
    let mut columns = [vec![], vec![], vec![]];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}
