//! What the fold asks of PostgreSQL: many keys, one query, each key looked up by an index.

use crate::adapters::columns::{
    Columns, RowError, book, checkpoint, floors_of, owned, stored as stored_row, to_int, user,
};
use metrics_domain::{Book, BookKey, Floors, Method, Order, Stored, Tail, TradeKey, User, UserKey};
use sqlx::PgPool;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tape::{Share, Unavailable};

/// The columns of a trade, amounts as text.
macro_rules! trade_columns {
    () => {
        "t.block_time_ms, t.trade_id, t.chain, t.trader, t.height, t.tx_index, t.ordinal, t.status, t.cycle,
         t.sold_asset, t.sold_raw::text AS sold_raw, t.sold_quote,
         t.bought_asset, t.bought_raw::text AS bought_raw, t.bought_quote,
         t.notional_usd::text AS notional_usd, t.fee_usd::text AS fee_usd, t.platform,
         t.realized_pnl_usd::text AS realized_pnl_usd,
         t.proceeds_without_basis_usd::text AS proceeds_without_basis_usd,
         t.sold_taken, t.sold_parcels_after, t.bought_parcels_after,
         t.sold_quantity_after::text AS sold_quantity_after, t.sold_unknown_after::text AS sold_unknown_after,
         t.sold_basis_after::text AS sold_basis_after,
         t.bought_quantity_after::text AS bought_quantity_after,
         t.bought_unknown_after::text AS bought_unknown_after, t.bought_basis_after::text AS bought_basis_after"
    };
}

/// The books asked for, numbered, each with the trade it is asked from.
macro_rules! asked {
    () => {
        "UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
         WITH ORDINALITY AS k(trader, chain, asset, height, tx_index, ordinal, trade_id, n)"
    };
}

/// Which trades are of the book asked for.
macro_rules! of_book {
    () => {
        "t.trader = k.trader AND t.chain = k.chain AND t.status = 'live'
         AND ((t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL)
              OR (t.bought_asset = k.asset AND t.bought_quantity_after IS NOT NULL))"
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

/// The newest trade before the one asked from that a book can be folded on from: by average (`$8`) every trade is one.
const CHECKPOINTS: &str = concat!(
    "SELECT k.n, t.height, t.tx_index, t.ordinal, t.trade_id,
            t.quantity_after::text AS quantity_after, t.unknown_after::text AS unknown_after,
            t.basis_after::text AS basis_after, t.parcels_after FROM ",
    asked!(),
    " CROSS JOIN LATERAL (SELECT * FROM (SELECT t.height, t.tx_index, t.ordinal, t.trade_id,
          CASE WHEN t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL
               THEN t.sold_quantity_after ELSE t.bought_quantity_after END AS quantity_after,
          CASE WHEN t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL
               THEN t.sold_unknown_after ELSE t.bought_unknown_after END AS unknown_after,
          CASE WHEN t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL
               THEN t.sold_basis_after ELSE t.bought_basis_after END AS basis_after,
          CASE WHEN t.sold_asset = k.asset AND t.sold_quantity_after IS NOT NULL
               THEN t.sold_parcels_after ELSE t.bought_parcels_after END AS parcels_after
      FROM trades t WHERE ",
    of_book!(),
    " AND (t.height, t.tx_index, t.ordinal, t.trade_id) < (k.height, k.tx_index, k.ordinal, k.trade_id)) t
      WHERE $8 OR t.parcels_after IS NOT NULL
      ORDER BY t.height DESC, t.tx_index DESC, t.ordinal DESC, t.trade_id DESC LIMIT 1) t"
);

const TAILS: &str = concat!(
    "SELECT k.n, ",
    trade_columns!(),
    " FROM ",
    asked!(),
    " JOIN trades t ON ",
    of_book!(),
    " AND (t.height, t.tx_index, t.ordinal, t.trade_id) > (k.height, k.tx_index, k.ordinal, k.trade_id)
      ORDER BY k.n, t.height, t.tx_index, t.ordinal, t.trade_id"
);

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn position(pool: &PgPool, share: &Share) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = $1 AND partition = $2")
        .bind(&*share.log)
        .bind(i64::from(share.number))
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

pub(super) async fn tails(pool: &PgPool, method: Method, from: &[(BookKey, Order)]) -> Result<Vec<Tail>, Unavailable> {
    let mut tails = vec![Tail::default(); from.len()];
    let mut since: Vec<(BookKey, Order)> = from.iter().map(|(book, _)| (book.clone(), beginning())).collect();
    let asked = ask(CHECKPOINTS, from).bind(method == Method::Average);
    for row in asked.fetch_all(pool).await.map_err(failed)? {
        if let Some(at) = numbered(&row)?
            && let (Some(tail), Some(since)) = (tails.get_mut(at), since.get_mut(at))
        {
            (since.1, tail.checkpoint) = checkpoint(&row)?;
        }
    }
    for row in ask(TAILS, &since).fetch_all(pool).await.map_err(failed)? {
        if let Some(tail) = numbered(&row)?.and_then(|at| tails.get_mut(at)) {
            tail.trades.push(stored_row(&row, method)?);
        }
    }
    Ok(tails)
}

/// Below every trade: no id is empty.
fn beginning() -> Order {
    Order { place: tape::Place { height: 0, index: 0, ordinal: 0 }, id: "".into() }
}

fn ask(query: &'static str, from: &[(BookKey, Order)]) -> Query<'static, sqlx::Postgres, PgArguments> {
    let texts =
        |of: fn(&(BookKey, Order)) -> &std::sync::Arc<str>| from.iter().map(|k| owned(of(k))).collect::<Vec<_>>();
    let places =
        |of: fn(&tape::Place) -> u64| from.iter().map(|(_, order)| to_int(of(&order.place))).collect::<Vec<_>>();
    sqlx::query(query)
        .bind(texts(|(book, _)| &book.user.trader))
        .bind(texts(|(book, _)| &book.user.chain))
        .bind(texts(|(book, _)| &book.asset))
        .bind(places(|place| place.height))
        .bind(places(|place| place.index.into()))
        .bind(places(|place| place.ordinal.into()))
        .bind(texts(|(_, order)| &order.id))
}

/// The place in the list asked of the one that a row belongs to; rows are numbered from one.
fn numbered(row: &PgRow) -> Result<Option<usize>, Unavailable> {
    let number = Columns::int(row, "n")?;
    Ok(usize::try_from(number - 1).ok())
}
