//! Reads what the fold needs from PostgreSQL: one query for many keys, each found by an index.

use crate::adapters::columns::{text_of, to_bigint};
use crate::adapters::rows::{NamedColumns, RowError, floors_from_rows, read_book, read_stored_trade, read_user};
use metrics_domain::{Book, BookKey, BookToRefold, Floors, Method, StoredTrade, Tail, TradeKey, User, UserKey};
use migrations::Sessions;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tape::{Partition, Unavailable};

/// The columns of a trade, amounts as text.
macro_rules! trade_columns {
    () => {
        "t.block_time_ms, t.trade_id, t.chain, t.trader, t.height, t.tx_index, t.ordinal, t.status, t.cycle,
         t.sold_asset, t.sold_raw::text AS sold_raw, t.sold_quote,
         t.bought_asset, t.bought_raw::text AS bought_raw, t.bought_quote,
         t.notional_usd::text AS notional_usd, t.fee_usd::text AS fee_usd, t.platform, t.confidence,
         t.implausible_usd::text AS implausible_usd,
         t.realized_pnl_usd::text AS realized_pnl_usd,
         t.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
         t.released_quantity::text AS released_quantity, t.released_usd::text AS released_usd,
         t.sold_taken, t.sold_parcels_after, t.bought_parcels_after, t.sold_trades_after, t.bought_trades_after,
         t.sold_quantity_after::text AS sold_quantity_after, t.sold_unknown_after::text AS sold_unknown_after,
         t.sold_basis_after::text AS sold_basis_after,
         t.bought_quantity_after::text AS bought_quantity_after,
         t.bought_unknown_after::text AS bought_unknown_after, t.bought_basis_after::text AS bought_basis_after"
    };
}

/// The requested books, numbered, each with its first trade to refold.
macro_rules! requested_books {
    () => {
        "UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
         WITH ORDINALITY AS k(trader, chain, asset, block_time_ms, height, tx_index, ordinal, trade_id, n)"
    };
}

/// The live trades of a requested book: the side of its asset changes a position and fulfils a further condition.
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

const SELECT_USERS: &str = "
    SELECT u.trader, u.chain, u.volume_usd::text AS volume_usd, u.swaps, u.unvalued, u.cycles,
           u.volume_exact_usd::text AS volume_exact_usd, u.volume_reported_usd::text AS volume_reported_usd,
           u.volume_estimated_usd::text AS volume_estimated_usd, u.volume_traced_usd::text AS volume_traced_usd,
           u.implausible, u.implausible_usd::text AS implausible_usd,
           u.fees_usd::text AS fees_usd, u.realized_pnl_usd::text AS realized_pnl_usd,
           u.proceeds_usd::text AS proceeds_usd, u.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
           u.basis_without_proceeds_usd::text AS basis_without_proceeds_usd, u.seen_height, u.seen_index, u.seen_ordinal
    FROM UNNEST($1::text[], $2::text[]) AS k(trader, chain)
    CROSS JOIN LATERAL (SELECT * FROM user_totals u WHERE u.trader = k.trader AND u.chain = k.chain LIMIT 1) u";

const SELECT_BOOKS: &str = "
    SELECT b.trader, b.chain, b.asset, b.symbol, b.decimals::bigint AS decimals, b.trades,
           b.quantity::text AS quantity, b.unknown_quantity::text AS unknown_quantity, b.basis_usd::text AS basis_usd,
           b.decorated_height, b.decorated_index, b.decorated_ordinal, b.parcels,
           b.realized_pnl_usd::text AS realized_pnl_usd, b.proceeds_usd::text AS proceeds_usd,
           b.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
           b.basis_without_proceeds_usd::text AS basis_without_proceeds_usd, b.bought_quantity::text AS bought_quantity
    FROM UNNEST($1::text[], $2::text[], $3::text[]) AS k(trader, chain, asset)
    CROSS JOIN LATERAL (SELECT * FROM positions b
        WHERE b.trader = k.trader AND b.chain = k.chain AND b.asset = k.asset LIMIT 1) b";

const SELECT_TRADES: &str = concat!(
    "SELECT ",
    trade_columns!(),
    " FROM UNNEST($1::bigint[], $2::text[], $3::text[]) AS k(block_time_ms, trade_id, trader)
      CROSS JOIN LATERAL (SELECT * FROM trades t
          WHERE t.block_time_ms = k.block_time_ms AND t.trade_id = k.trade_id AND t.trader = k.trader LIMIT 1) t"
);

/// The trades of each book from the block time of a checkpoint on: of those before the requested trade, in chain order
/// and in block time, the newest. All trades where there is none. With the average method (`$9`) every trade is a
/// checkpoint.
const SELECT_TRADES_SINCE_CHECKPOINT: &str = concat!(
    "SELECT k.n, ",
    trade_columns!(),
    " FROM ",
    requested_books!(),
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
const SELECT_ALL_TRADES_OF_BOOKS: &str = concat!(
    "SELECT k.n, ",
    trade_columns!(),
    " FROM ",
    requested_books!(),
    " JOIN trades t ON ",
    of_book!("TRUE", "TRUE")
);

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn read_position(pool: &Sessions, partition: &Partition) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = $1 AND partition = $2")
        .bind(&*partition.topic)
        .bind(i64::from(partition.index))
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    Ok(next.map(i64::cast_unsigned))
}

pub(super) async fn read_floors(pool: &Sessions) -> Result<Floors, Unavailable> {
    // One statement, so that both tables are read at the same moment.
    let query = "SELECT r.cut_ms, f.chain, f.height FROM retention r LEFT JOIN floors f ON TRUE";
    let rows: Vec<(i64, Option<String>, Option<i64>)> = sqlx::query_as(query).fetch_all(pool).await.map_err(failed)?;
    Ok(floors_from_rows(rows))
}

pub(super) async fn load_users(pool: &Sessions, keys: &[UserKey]) -> Result<Vec<(UserKey, User)>, Unavailable> {
    let (traders, chains): (Vec<_>, Vec<_>) =
        keys.iter().map(|key| (text_of(&key.trader), text_of(&key.chain))).unzip();
    let rows = sqlx::query(SELECT_USERS).bind(traders).bind(chains).fetch_all(pool).await.map_err(failed)?;
    Ok(rows.iter().map(read_user).collect::<Result<_, RowError>>()?)
}

pub(super) async fn load_books(pool: &Sessions, keys: &[BookKey]) -> Result<Vec<(BookKey, Book)>, Unavailable> {
    let each = |of: fn(&BookKey) -> &std::sync::Arc<str>| keys.iter().map(|key| text_of(of(key))).collect::<Vec<_>>();
    let rows = sqlx::query(SELECT_BOOKS)
        .bind(each(|key| &key.user.trader))
        .bind(each(|key| &key.user.chain))
        .bind(each(|key| &key.asset))
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(read_book).collect::<Result<_, RowError>>()?)
}

pub(super) async fn load_trades(
    pool: &Sessions,
    method: Method,
    keys: &[TradeKey],
) -> Result<Vec<StoredTrade>, Unavailable> {
    let rows = sqlx::query(SELECT_TRADES)
        .bind(keys.iter().map(|key| to_bigint(key.time_ms)).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| text_of(&key.id)).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| text_of(&key.trader)).collect::<Vec<_>>())
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(|row| read_stored_trade(row, method)).collect::<Result<_, RowError>>()?)
}

pub(super) async fn load_tails(
    pool: &Sessions,
    method: Method,
    books: &[BookToRefold],
) -> Result<Vec<Tail>, Unavailable> {
    let all: Vec<&BookToRefold> = books.iter().collect();
    let recent = trades_by_book(
        bind_books(SELECT_TRADES_SINCE_CHECKPOINT, &all).bind(method == Method::Average),
        books.len(),
        pool,
        method,
    )
    .await?;
    let mut tails: Vec<Option<Tail>> =
        books.iter().zip(recent).map(|(book, trades)| book.tail_from_some(trades)).collect();
    let incomplete: Vec<&BookToRefold> =
        books.iter().zip(&tails).filter(|(_, tail)| tail.is_none()).map(|(book, _)| book).collect();
    if !incomplete.is_empty() {
        let whole =
            trades_by_book(bind_books(SELECT_ALL_TRADES_OF_BOOKS, &incomplete), incomplete.len(), pool, method).await?;
        let found = incomplete.iter().zip(whole).map(|(book, trades)| book.tail_from_all(trades));
        tails.iter_mut().filter(|tail| tail.is_none()).zip(found).for_each(|(tail, found)| *tail = Some(found));
    }
    Ok(tails.into_iter().flatten().collect())
}

/// The trades that a query finds, for each requested book.
async fn trades_by_book(
    query: Query<'static, sqlx::Postgres, PgArguments>,
    books: usize,
    pool: &Sessions,
    method: Method,
) -> Result<Vec<Vec<StoredTrade>>, Unavailable> {
    let mut trades = vec![vec![]; books];
    for row in query.fetch_all(pool).await.map_err(failed)? {
        if let Some(of_book) = requested_index(&row)?.and_then(|at| trades.get_mut(at)) {
            of_book.push(read_stored_trade(&row, method)?);
        }
    }
    Ok(trades)
}

fn bind_books(query: &'static str, books: &[&BookToRefold]) -> Query<'static, sqlx::Postgres, PgArguments> {
    let texts =
        |of: fn(&BookToRefold) -> &std::sync::Arc<str>| books.iter().map(|book| text_of(of(book))).collect::<Vec<_>>();
    let places =
        |of: fn(&tape::Place) -> u64| books.iter().map(|book| to_bigint(of(&book.first.place))).collect::<Vec<_>>();
    sqlx::query(query)
        .bind(texts(|refold| &refold.book.user.trader))
        .bind(texts(|refold| &refold.book.user.chain))
        .bind(texts(|refold| &refold.book.asset))
        .bind(books.iter().map(|book| to_bigint(book.time_ms)).collect::<Vec<_>>())
        .bind(places(|place| place.height))
        .bind(places(|place| place.index.into()))
        .bind(places(|place| place.ordinal.into()))
        .bind(texts(|refold| &refold.first.id))
}

/// The index of the requested book that a row belongs to. The query numbers books from one.
fn requested_index(row: &PgRow) -> Result<Option<usize>, Unavailable> {
    let number = NamedColumns::int(row, "n")?;
    Ok(usize::try_from(number - 1).ok())
}
