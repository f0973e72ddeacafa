//! What the fold asks of PostgreSQL: many keys, one query, each key looked up by an index.

use crate::adapters::columns::{Columns, RowError, book, floors_of, owned, stored as stored_row, to_int, user};
use metrics_domain::{Book, BookKey, Floors, Late, Method, Stored, Tail, TradeKey, User, UserKey};
use sqlx::PgPool;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tape::{Partition, Unavailable};

/// The columns of a trade, amounts as text.
macro_rules! trade_columns {
    () => {
        "t.block_time_ms, t.trade_id, t.chain, t.trader, t.height, t.tx_index, t.ordinal, t.status, t.cycle,
         t.sold_asset, t.sold_raw::text AS sold_raw, t.sold_quote,
         t.bought_asset, t.bought_raw::text AS bought_raw, t.bought_quote,
         t.notional_usd::text AS notional_usd, t.fee_usd::text AS fee_usd, t.platform,
         t.realized_pnl_usd::text AS realized_pnl_usd,
         t.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
         t.sold_taken, t.sold_parcels_after, t.bought_parcels_after, t.sold_trades_after, t.bought_trades_after,
         t.sold_quantity_after::text AS sold_quantity_after, t.sold_unknown_after::text AS sold_unknown_after,
         t.sold_basis_after::text AS sold_basis_after,
         t.bought_quantity_after::text AS bought_quantity_after,
         t.bought_unknown_after::text AS bought_unknown_after, t.bought_basis_after::text AS bought_basis_after"
    };
}

/// The books asked for, numbered, each with the trade it is asked from.
macro_rules! asked {
    () => {
        "UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
         WITH ORDINALITY AS k(trader, chain, asset, block_time_ms, height, tx_index, ordinal, trade_id, n)"
    };
}

/// Which trades are of the book asked for: by a side that moves a position, and that is more yet.
macro_rules! of_book {
    ($sold:literal, $bought:literal) => {
        concat!(
            "t.trader = k.trader AND t.chain = k.chain AND t.status = 'live'
             AND ((t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL AND ",
            $sold,
            ") OR (t.bought_asset = k.asset AND t.bought_quantity_after IS NOT NULL AND ",
            $bought,
            "))"
        )
    };
}

const USERS: &str = "
    SELECT u.trader, u.chain, u.volume_usd::text AS volume_usd, u.swaps, u.unvalued, u.cycles,
           u.fees_usd::text AS fees_usd, u.realized_pnl_usd::text AS realized_pnl_usd,
           u.proceeds_usd::text AS proceeds_usd, u.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
           u.seen_height, u.seen_index, u.seen_ordinal
    FROM UNNEST($1::text[], $2::text[]) AS k(trader, chain)
    CROSS JOIN LATERAL (SELECT * FROM user_totals u WHERE u.trader = k.trader AND u.chain = k.chain LIMIT 1) u";

const BOOKS: &str = "
    SELECT b.trader, b.chain, b.asset, b.symbol, b.decimals::bigint AS decimals, b.trades,
           b.quantity::text AS quantity, b.unknown_quantity::text AS unknown_quantity, b.basis_usd::text AS basis_usd,
           b.decorated_height, b.decorated_index, b.decorated_ordinal, b.parcels,
           b.realized_pnl_usd::text AS realized_pnl_usd, b.proceeds_usd::text AS proceeds_usd,
           b.proceeds_without_basis_usd::text AS proceeds_without_basis_usd
    FROM UNNEST($1::text[], $2::text[], $3::text[]) AS k(trader, chain, asset)
    CROSS JOIN LATERAL (SELECT * FROM positions b
        WHERE b.trader = k.trader AND b.chain = k.chain AND b.asset = k.asset LIMIT 1) b";

const STORED: &str = concat!(
    "SELECT ",
    trade_columns!(),
    " FROM UNNEST($1::bigint[], $2::text[], $3::text[]) AS k(block_time_ms, trade_id, trader)
      CROSS JOIN LATERAL (SELECT * FROM trades t
          WHERE t.block_time_ms = k.block_time_ms AND t.trade_id = k.trade_id AND t.trader = k.trader LIMIT 1) t"
);

/// The trades of each book, by block time from the newest checkpoint on that stands before the trade asked from, also in chain
/// order; all of them where there is none. By average (`$9`) every trade is a checkpoint.
const RECENT: &str = concat!(
    "SELECT k.n, ",
    trade_columns!(),
    " FROM ",
    asked!(),
    " CROSS JOIN LATERAL (SELECT coalesce((SELECT t.block_time_ms FROM trades t WHERE ",
    of_book!("($9 OR t.sold_parcels_after IS NOT NULL)", "($9 OR t.bought_parcels_after IS NOT NULL)"),
    " AND t.block_time_ms <= k.block_time_ms
      AND (t.height, t.tx_index, t.ordinal, t.trade_id) < (k.height, k.tx_index, k.ordinal, k.trade_id)
      ORDER BY t.block_time_ms DESC LIMIT 1), 0) AS since) c
      JOIN trades t ON ",
    of_book!("TRUE", "TRUE"),
    " AND t.block_time_ms >= c.since"
);

/// All trades of each book.
const WHOLE: &str =
    concat!("SELECT k.n, ", trade_columns!(), " FROM ", asked!(), " JOIN trades t ON ", of_book!("TRUE", "TRUE"));

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn position(pool: &PgPool, partition: &Partition) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = $1 AND partition = $2")
        .bind(&*partition.topic)
        .bind(i64::from(partition.index))
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    Ok(next.map(i64::cast_unsigned))
}

pub(super) async fn floors(pool: &PgPool) -> Result<Floors, Unavailable> {
    // In one statement: of one moment.
    let query = "SELECT r.cut_ms, f.chain, f.height FROM retention r LEFT JOIN floors f ON TRUE";
    let rows: Vec<(i64, Option<String>, Option<i64>)> = sqlx::query_as(query).fetch_all(pool).await.map_err(failed)?;
    Ok(floors_of(rows))
}

pub(super) async fn users(pool: &PgPool, keys: &[UserKey]) -> Result<Vec<(UserKey, User)>, Unavailable> {
    let (traders, chains): (Vec<_>, Vec<_>) = keys.iter().map(|key| (owned(&key.trader), owned(&key.chain))).unzip();
    let rows = sqlx::query(USERS).bind(traders).bind(chains).fetch_all(pool).await.map_err(failed)?;
    Ok(rows.iter().map(user).collect::<Result<_, RowError>>()?)
}

pub(super) async fn books(pool: &PgPool, keys: &[BookKey]) -> Result<Vec<(BookKey, Book)>, Unavailable> {
    let each = |of: fn(&BookKey) -> &std::sync::Arc<str>| keys.iter().map(|key| owned(of(key))).collect::<Vec<_>>();
    let rows = sqlx::query(BOOKS)
        .bind(each(|key| &key.user.trader))
        .bind(each(|key| &key.user.chain))
        .bind(each(|key| &key.asset))
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(book).collect::<Result<_, RowError>>()?)
}

pub(super) async fn stored(pool: &PgPool, method: Method, keys: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
    let rows = sqlx::query(STORED)
        .bind(keys.iter().map(|key| to_int(key.time_ms)).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| owned(&key.id)).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| owned(&key.trader)).collect::<Vec<_>>())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(|row| stored_row(row, method)).collect::<Result<_, RowError>>()?)
}

pub(super) async fn tails(pool: &PgPool, method: Method, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
    let all: Vec<&Late> = late.iter().collect();
    let recent = grouped(ask(RECENT, &all).bind(method == Method::Average), late.len(), pool, method).await?;
    let mut tails: Vec<Option<Tail>> = late.iter().zip(recent).map(|(late, trades)| late.among(trades)).collect();
    let unproved: Vec<&Late> =
        late.iter().zip(&tails).filter(|(_, tail)| tail.is_none()).map(|(late, _)| late).collect();
    if !unproved.is_empty() {
        let whole = grouped(ask(WHOLE, &unproved), unproved.len(), pool, method).await?;
        let found = unproved.iter().zip(whole).map(|(late, trades)| late.of_all(trades));
        tails.iter_mut().filter(|tail| tail.is_none()).zip(found).for_each(|(tail, found)| *tail = Some(found));
    }
    Ok(tails.into_iter().flatten().collect())
}

/// The trades that a query finds, by the number of the book they were asked for.
async fn grouped(
    query: Query<'static, sqlx::Postgres, PgArguments>,
    books: usize,
    pool: &PgPool,
    method: Method,
) -> Result<Vec<Vec<Stored>>, Unavailable> {
    let mut trades = vec![vec![]; books];
    for row in query.fetch_all(pool).await.map_err(failed)? {
        if let Some(of_book) = numbered(&row)?.and_then(|at| trades.get_mut(at)) {
            of_book.push(stored_row(&row, method)?);
        }
    }
    Ok(trades)
}

fn ask(query: &'static str, late: &[&Late]) -> Query<'static, sqlx::Postgres, PgArguments> {
    let texts = |of: fn(&Late) -> &std::sync::Arc<str>| late.iter().map(|k| owned(of(k))).collect::<Vec<_>>();
    let places = |of: fn(&tape::Place) -> u64| late.iter().map(|k| to_int(of(&k.first.place))).collect::<Vec<_>>();
    sqlx::query(query)
        .bind(texts(|late| &late.book.user.trader))
        .bind(texts(|late| &late.book.user.chain))
        .bind(texts(|late| &late.book.asset))
        .bind(late.iter().map(|late| to_int(late.time_ms)).collect::<Vec<_>>())
        .bind(places(|place| place.height))
        .bind(places(|place| place.index.into()))
        .bind(places(|place| place.ordinal.into()))
        .bind(texts(|late| &late.first.id))
}

/// The place in the list asked of the one that a row belongs to; rows are numbered from one.
fn numbered(row: &PgRow) -> Result<Option<usize>, Unavailable> {
    let number = Columns::int(row, "n")?;
    Ok(usize::try_from(number - 1).ok())
}
