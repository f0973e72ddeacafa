//! One commit: the read position moves first, from where it was, or nothing happens; then rows and messages, a statement per table.

mod rows;
mod trades;
mod sums;

use crate::adapters::columns::{open_parcels, owned, partition, to_int};
use crate::messages::messages;
use metrics_domain::{Book, BookKey, Facts, Method, Outcome, SideOf};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;

type Done = Result<(), sqlx::Error>;

/// A row that was held for new is there: somebody else's, or a trade that moved in its block.
const UNIQUE_VIOLATION: &str = "23505";

/// Commits. New trades are copied in; if one of them turns out to be known, everything is done again without that trust.
pub(super) async fn commit(pool: &PgPool, method: Method, facts: &Facts) -> Result<Outcome, sqlx::Error> {
    match attempt(pool, method, facts, false).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
            attempt(pool, method, facts, true).await
        }
        done => done,
    }
}

async fn attempt(pool: &PgPool, method: Method, facts: &Facts, doubt: bool) -> Result<Outcome, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let written = write(&mut transaction, method, facts, doubt).await;
    if matches!(written, Ok(Outcome::Committed)) {
        transaction.commit().await?;
        return written;
    }
    // Not left to the drop of the transaction: until it is through, its lock on the position holds up the next attempt.
    let undone = transaction.rollback().await;
    written.and_then(|outcome| undone.map(|()| outcome))
}

async fn write(
    connection: &mut PgConnection,
    method: Method,
    facts: &Facts,
    doubt: bool,
) -> Result<Outcome, sqlx::Error> {
    if !advance(connection, facts).await? {
        return Ok(Outcome::Moved);
    }
    trades::put(connection, method, &facts.puts, doubt).await?;
    for side in SideOf::BOTH {
        trades::change(connection, method, facts, side).await?;
    }
    put_users(connection, facts).await?;
    put_books(connection, method, facts).await?;
    sums::add_hours(connection, facts).await?;
    sums::add_fees(connection, facts).await?;
    put_messages(connection, facts).await?;
    Ok(Outcome::Committed)
}

/// Moves the read position, if every position of its number, and the cut, is where the facts say, and counts what came too
/// late. Commits about one number take turns, also those that find no row yet, and all of them wait while trades are dropped.
async fn advance(connection: &mut PgConnection, facts: &Facts) -> Result<bool, sqlx::Error> {
    let turn = sqlx::query(
        "SELECT pg_advisory_xact_lock(hashtext(current_schema()), $1),
                pg_advisory_xact_lock_shared(hashtext(current_schema() || '.retention'))",
    );
    turn.bind(partition(facts)).execute(&mut *connection).await?;
    let cut: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut.cast_unsigned() != facts.cut_ms {
        return Ok(false);
    }
    let standing: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM position WHERE partition = $1")
        .bind(partition(facts))
        .fetch_all(&mut *connection)
        .await?;
    if !facts.stand_on(standing.into_iter().map(|(log, next)| (log, next.cast_unsigned())).collect()) {
        return Ok(false);
    }
    let forward = "INSERT INTO position (log, partition, next) VALUES ($1, $2, $3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved =
        sqlx::query(forward).bind(&*facts.partition.topic).bind(partition(facts)).bind(facts.next.cast_signed());
    moved.execute(&mut *connection).await?;
    for (chain, count) in &facts.late {
        let more = sqlx::query("UPDATE floors SET late = late + $2 WHERE chain = $1");
        more.bind(&**chain).bind(to_int(*count)).execute(&mut *connection).await?;
    }
    Ok(true)
}

const PUT_USERS: &str = "
    INSERT INTO user_totals (trader, chain, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd,
        realized_pnl_net_usd, proceeds_usd, proceeds_without_basis_usd, seen_height, seen_index, seen_ordinal)
    SELECT v.trader, v.chain, $1, v.volume::numeric, v.swaps, v.unvalued, v.cycles, v.fees::numeric,
        v.realized::numeric, v.net::numeric, v.proceeds::numeric, v.without_basis::numeric, v.height, v.tx_index,
        v.ordinal
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[])
      AS v(trader, chain, volume, swaps, unvalued, cycles, fees, realized, net, proceeds, without_basis, height, tx_index,
        ordinal)
    ON CONFLICT (trader, chain) DO UPDATE SET partition = excluded.partition,
        volume_usd = excluded.volume_usd, swaps = excluded.swaps, unvalued = excluded.unvalued,
        cycles = excluded.cycles, fees_usd = excluded.fees_usd, realized_pnl_usd = excluded.realized_pnl_usd,
        realized_pnl_net_usd = excluded.realized_pnl_net_usd, proceeds_usd = excluded.proceeds_usd,
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
        .bind(each(users, |(key, _)| owned(&key.trader)))
        .bind(each(users, |(key, _)| owned(&key.chain)))
        .bind(each(users, |(_, user)| user.totals.volume.to_string()))
        .bind(each(users, |(_, user)| to_int(user.totals.swaps)))
        .bind(each(users, |(_, user)| to_int(user.totals.unvalued)))
        .bind(each(users, |(_, user)| to_int(user.totals.cycles)))
        .bind(each(users, |(_, user)| user.totals.fees.to_string()))
        .bind(each(users, |(_, user)| user.totals.realized.pnl.to_string()))
        .bind(each(users, |(_, user)| user.totals.net().to_string()))
        .bind(each(users, |(_, user)| user.totals.realized.proceeds.to_string()))
        .bind(each(users, |(_, user)| user.totals.realized.without_basis.to_string()))
        .bind(seen(|place| place.height))
        .bind(seen(|place| place.index.into()))
        .bind(seen(|place| place.ordinal.into()))
        .execute(connection)
        .await?;
    Ok(())
}

const PUT_BOOKS: &str = "
    INSERT INTO positions (trader, chain, asset, partition, symbol, decimals, decorated_height, decorated_index,
        decorated_ordinal, trades, quantity, unknown_quantity, basis_usd, parcels, realized_pnl_usd, proceeds_usd,
        proceeds_without_basis_usd)
    SELECT v.trader, v.chain, v.asset, $1, v.symbol, v.decimals, v.height, v.tx_index, v.ordinal, v.trades,
        v.quantity::numeric, v.unknown::numeric, v.basis::numeric, v.parcels, v.realized::numeric, v.proceeds::numeric,
        v.without_basis::numeric
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::text[])
      AS v(trader, chain, asset, symbol, decimals, height, tx_index, ordinal, trades, quantity, unknown, basis, parcels,
        realized, proceeds, without_basis)
    ON CONFLICT (trader, chain, asset) DO UPDATE SET partition = excluded.partition,
        symbol = excluded.symbol, decimals = excluded.decimals, decorated_height = excluded.decorated_height,
        decorated_index = excluded.decorated_index, decorated_ordinal = excluded.decorated_ordinal,
        trades = excluded.trades, quantity = excluded.quantity, unknown_quantity = excluded.unknown_quantity,
        basis_usd = excluded.basis_usd, parcels = excluded.parcels, realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_usd = excluded.proceeds_usd, proceeds_without_basis_usd = excluded.proceeds_without_basis_usd";

async fn put_books(connection: &mut PgConnection, method: Method, facts: &Facts) -> Done {
    let books = &facts.books;
    if books.is_empty() {
        return Ok(());
    }
    let keys = |of: fn(&BookKey) -> &Arc<str>| each(books, |(key, _)| owned(of(key)));
    let decorated =
        |of: fn(&tape::Place) -> u64| each(books, |(_, book)| book.decorated.as_ref().map(|at| to_int(of(at))));
    let text = |of: fn(&Book) -> String| each(books, |(_, book)| of(book));
    sqlx::query(PUT_BOOKS)
        .bind(partition(facts))
        .bind(keys(|key| &key.user.trader))
        .bind(keys(|key| &key.user.chain))
        .bind(keys(|key| &key.asset))
        .bind(each(books, |(_, book)| book.symbol.clone()))
        .bind(each(books, |(_, book)| book.decimals.map(i16::from)))
        .bind(decorated(|place| place.height))
        .bind(decorated(|place| place.index.into()))
        .bind(decorated(|place| place.ordinal.into()))
        .bind(each(books, |(_, book)| to_int(book.trades)))
        .bind(text(|book| book.holding.quantity.to_string()))
        .bind(text(|book| book.holding.unknown.to_string()))
        .bind(text(|book| book.holding.basis.to_string()))
        .bind(each(books, |(_, book)| open_parcels(&book.holding, method)))
        .bind(text(|book| book.realized.pnl.to_string()))
        .bind(text(|book| book.realized.proceeds.to_string()))
        .bind(text(|book| book.realized.without_basis.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_messages(connection: &mut PgConnection, facts: &Facts) -> Done {
    let messages = messages(facts);
    if messages.is_empty() {
        return Ok(());
    }
    let put = "INSERT INTO outbox (event_id, key, payload, trace)
        SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])";
    sqlx::query(put)
        .bind(each(&messages, |message| message.event_id.clone()))
        .bind(each(&messages, |message| message.key.clone()))
        .bind(each(&messages, |message| message.payload.clone()))
        .bind(each(&messages, |message| message.trace.clone()))
        .execute(connection)
        .await?;
    Ok(())
}

fn each<T, V>(rows: &[T], of: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}
