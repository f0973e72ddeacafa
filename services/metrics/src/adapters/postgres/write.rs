//! One commit. The read position moves first, and only from where it was; then rows and messages are written, one
//! statement per table.

mod copy;
mod trades;
mod sums;

use super::numeric::Numeric;
use super::{flows, prices};
use crate::adapters::columns::{open_parcels_column, partition_column, text_of, to_bigint};
use crate::messages::messages_about;
use metrics_domain::{Book, BookFacts, BookKey, CommitOutcome, Dollars, Method, Quantity, TradeSide, display_quantity};
use migrations::{Session as PgConnection, Sessions};
use std::sync::Arc;

type Done = Result<(), sqlx::Error>;

/// PostgreSQL's error code when a row that was expected to be new exists, because a trade moved within its block.
const UNIQUE_VIOLATION: &str = "23505";

/// Commits. New trades are written by COPY; if a row of one of them exists, the commit is repeated with upserts only.
pub(super) async fn commit(pool: &Sessions, method: Method, facts: &BookFacts) -> Result<CommitOutcome, sqlx::Error> {
    match attempt(pool, method, facts, false).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
            attempt(pool, method, facts, true).await
        }
        done => done,
    }
}

async fn attempt(
    pool: &Sessions,
    method: Method,
    facts: &BookFacts,
    upsert_all: bool,
) -> Result<CommitOutcome, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let written = write(&mut transaction, method, facts, upsert_all).await;
    if matches!(written, Ok(CommitOutcome::Committed)) {
        transaction.commit().await?;
        return written;
    }
    // Rolled back here and not on drop: until the rollback is done, its lock on the position delays the next attempt.
    let rolled_back = transaction.rollback().await;
    written.and_then(|outcome| rolled_back.map(|()| outcome))
}

async fn write(
    connection: &mut PgConnection,
    method: Method,
    facts: &BookFacts,
    upsert_all: bool,
) -> Result<CommitOutcome, sqlx::Error> {
    if !move_position(connection, facts).await? {
        return Ok(CommitOutcome::Moved);
    }
    trades::write_trades(connection, method, &facts.trade_rows, upsert_all).await?;
    for side in TradeSide::BOTH {
        trades::update_effects(connection, method, facts, side).await?;
    }
    upsert_users(connection, facts).await?;
    upsert_books(connection, method, facts).await?;
    sums::add_hours(connection, facts).await?;
    sums::add_fees(connection, facts).await?;
    flows::note_changes(connection, facts).await?;
    prices::note_changes(connection, facts).await?;
    insert_messages(connection, facts).await?;
    Ok(CommitOutcome::Committed)
}

/// Moves the read position and counts late events, if the retention cut and all read positions of the partition index
/// are what the facts say. Commits of one partition index take turns, even before its first row exists, and all commits
/// wait while trades are dropped.
async fn move_position(connection: &mut PgConnection, facts: &BookFacts) -> Result<bool, sqlx::Error> {
    let lock = sqlx::query(
        "SELECT pg_advisory_xact_lock(hashtext(current_schema()), $1),
                pg_advisory_xact_lock_shared(hashtext(current_schema() || '.retention'))",
    );
    lock.bind(partition_column(facts)).execute(&mut *connection).await?;
    let cut: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut.cast_unsigned() != facts.cut_ms {
        return Ok(false);
    }
    let committed: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM position WHERE partition = $1")
        .bind(partition_column(facts))
        .fetch_all(&mut *connection)
        .await?;
    if !facts.rests_on_positions(committed.into_iter().map(|(log, next)| (log, next.cast_unsigned())).collect()) {
        return Ok(false);
    }
    let upsert_position = "INSERT INTO position (log, partition, next, noted) VALUES ($1, $2, $3, $3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next,
                       noted = position.noted + excluded.next - position.next";
    let update = sqlx::query(upsert_position)
        .bind(&*facts.partition.topic)
        .bind(partition_column(facts))
        .bind(facts.next.cast_signed());
    update.execute(&mut *connection).await?;
    for (chain, count) in &facts.late_events {
        let count_late = sqlx::query("UPDATE floors SET late = late + $2 WHERE chain = $1");
        count_late.bind(&**chain).bind(to_bigint(*count)).execute(&mut *connection).await?;
    }
    Ok(true)
}

const UPSERT_USERS: &str = "
    INSERT INTO user_totals (trader, chain, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd,
        realized_pnl_net_usd, proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd, implausible,
        implausible_usd, seen_height, seen_index, seen_ordinal, volume_exact_usd, volume_reported_usd,
        volume_estimated_usd, volume_traced_usd)
    SELECT v.trader, v.chain, $1, v.volume, v.swaps, v.unvalued, v.cycles, v.fees,
        v.realized, v.net, v.proceeds, v.without_basis, v.without_proceeds,
        v.implausible, v.implausible_usd, v.height, v.tx_index, v.ordinal, v.exact,
        v.reported, v.estimated, v.traced
    FROM UNNEST($2::text[], $3::text[], $4::numeric[], $5::bigint[], $6::bigint[], $7::bigint[], $8::numeric[],
        $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::bigint[], $15::numeric[],
        $16::bigint[], $17::bigint[], $18::bigint[], $19::numeric[], $20::numeric[], $21::numeric[], $22::numeric[])
      AS v(trader, chain, volume, swaps, unvalued, cycles, fees, realized, net, proceeds, without_basis,
        without_proceeds, implausible, implausible_usd, height, tx_index, ordinal, exact, reported, estimated, traced)
    ON CONFLICT (trader, chain) DO UPDATE SET partition = excluded.partition,
        volume_usd = excluded.volume_usd, swaps = excluded.swaps, unvalued = excluded.unvalued,
        cycles = excluded.cycles, fees_usd = excluded.fees_usd, realized_pnl_usd = excluded.realized_pnl_usd,
        realized_pnl_net_usd = excluded.realized_pnl_net_usd, proceeds_usd = excluded.proceeds_usd,
        proceeds_without_basis_usd = excluded.proceeds_without_basis_usd,
        basis_without_proceeds_usd = excluded.basis_without_proceeds_usd, implausible = excluded.implausible,
        implausible_usd = excluded.implausible_usd, seen_height = excluded.seen_height,
        seen_index = excluded.seen_index, seen_ordinal = excluded.seen_ordinal,
        volume_exact_usd = excluded.volume_exact_usd, volume_reported_usd = excluded.volume_reported_usd,
        volume_estimated_usd = excluded.volume_estimated_usd, volume_traced_usd = excluded.volume_traced_usd";

async fn upsert_users(connection: &mut PgConnection, facts: &BookFacts) -> Done {
    let users = &facts.users;
    if users.is_empty() {
        return Ok(());
    }
    let seen =
        |of: fn(&tape::Place) -> u64| column(users, |(_, user)| user.seen.as_ref().map_or(0, |at| to_bigint(of(at))));
    let confidence = |at: usize| column(users, |(_, user)| Numeric(user.totals.by_confidence.amounts()[at]));
    sqlx::query(UPSERT_USERS)
        .bind(partition_column(facts))
        .bind(column(users, |(key, _)| text_of(&key.trader)))
        .bind(column(users, |(key, _)| text_of(&key.chain)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.volume)))
        .bind(column(users, |(_, user)| to_bigint(user.totals.swaps)))
        .bind(column(users, |(_, user)| to_bigint(user.totals.unvalued)))
        .bind(column(users, |(_, user)| to_bigint(user.totals.cycles)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.fees)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.realized.pnl)))
        .bind(column(users, |(_, user)| Numeric(user.totals.net())))
        .bind(column(users, |(_, user)| Numeric(&user.totals.realized.proceeds)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.realized.without_basis)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.realized.basis_without_proceeds)))
        .bind(column(users, |(_, user)| to_bigint(user.totals.implausible)))
        .bind(column(users, |(_, user)| Numeric(&user.totals.implausible_usd)))
        .bind(seen(|place| place.height))
        .bind(seen(|place| place.index.into()))
        .bind(seen(|place| place.ordinal.into()))
        .bind(confidence(0))
        .bind(confidence(1))
        .bind(confidence(2))
        .bind(confidence(3))
        .execute(connection)
        .await?;
    Ok(())
}

const UPSERT_BOOKS: &str = "
    INSERT INTO positions (trader, chain, asset, partition, symbol, decimals, decorated_height, decorated_index,
        decorated_ordinal, trades, quantity, unknown_quantity, basis_usd, parcels, realized_pnl_usd, proceeds_usd,
        proceeds_without_basis_usd, basis_without_proceeds_usd, bought_quantity)
    SELECT v.trader, v.chain, v.asset, $1, v.symbol, v.decimals, v.height, v.tx_index, v.ordinal, v.trades,
        v.quantity, v.unknown, v.basis, v.parcels, v.realized, v.proceeds,
        v.without_basis, v.without_proceeds, v.bought
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::numeric[], $12::numeric[], $13::numeric[], $14::text[], $15::numeric[],
        $16::numeric[], $17::numeric[], $18::numeric[], $19::numeric[])
      AS v(trader, chain, asset, symbol, decimals, height, tx_index, ordinal, trades, quantity, unknown, basis, parcels,
        realized, proceeds, without_basis, without_proceeds, bought)
    ON CONFLICT (trader, chain, asset) DO UPDATE SET partition = excluded.partition,
        symbol = excluded.symbol, decimals = excluded.decimals, decorated_height = excluded.decorated_height,
        decorated_index = excluded.decorated_index, decorated_ordinal = excluded.decorated_ordinal,
        trades = excluded.trades, quantity = excluded.quantity, unknown_quantity = excluded.unknown_quantity,
        basis_usd = excluded.basis_usd, parcels = excluded.parcels, realized_pnl_usd = excluded.realized_pnl_usd,
        proceeds_usd = excluded.proceeds_usd, proceeds_without_basis_usd = excluded.proceeds_without_basis_usd,
        basis_without_proceeds_usd = excluded.basis_without_proceeds_usd, bought_quantity = excluded.bought_quantity";

async fn upsert_books(connection: &mut PgConnection, method: Method, facts: &BookFacts) -> Done {
    let books = &facts.books;
    if books.is_empty() {
        return Ok(());
    }
    let keys = |of: fn(&BookKey) -> &Arc<str>| column(books, |(key, _)| text_of(of(key)));
    let decorated =
        |of: fn(&tape::Place) -> u64| column(books, |(_, book)| book.decorated.as_ref().map(|at| to_bigint(of(at))));
    let quantity = |of: fn(&Book) -> &Quantity| column(books, |(_, book)| Numeric(display_quantity(of(book))));
    let dollars = |of: fn(&Book) -> &Dollars| column(books, |(_, book)| Numeric(of(book)));
    sqlx::query(UPSERT_BOOKS)
        .bind(partition_column(facts))
        .bind(keys(|key| &key.user.trader))
        .bind(keys(|key| &key.user.chain))
        .bind(keys(|key| &key.asset))
        .bind(column(books, |(_, book)| book.symbol.as_deref()))
        .bind(column(books, |(_, book)| book.decimals.map(i16::from)))
        .bind(decorated(|place| place.height))
        .bind(decorated(|place| place.index.into()))
        .bind(decorated(|place| place.ordinal.into()))
        .bind(column(books, |(_, book)| to_bigint(book.trades)))
        .bind(quantity(|book| &book.holding.quantity))
        .bind(quantity(|book| &book.holding.unknown))
        .bind(dollars(|book| &book.holding.basis))
        .bind(column(books, |(_, book)| open_parcels_column(&book.holding, method)))
        .bind(dollars(|book| &book.realized.pnl))
        .bind(dollars(|book| &book.realized.proceeds))
        .bind(dollars(|book| &book.realized.without_basis))
        .bind(dollars(|book| &book.realized.basis_without_proceeds))
        .bind(quantity(|book| &book.bought))
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_messages(connection: &mut PgConnection, facts: &BookFacts) -> Done {
    let messages = messages_about(facts);
    if messages.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO outbox (event_id, key, payload, trace)
        SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])";
    sqlx::query(insert)
        .bind(column(&messages, |message| message.event_id.clone()))
        .bind(column(&messages, |message| message.key.clone()))
        .bind(column(&messages, |message| message.payload.clone()))
        .bind(column(&messages, |message| message.trace.clone()))
        .execute(connection)
        .await?;
    Ok(())
}

/// The values of one column, one of each row.
pub(super) fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
