//! What the fold asks of SQLite: one short query per key, in one transaction.

use crate::adapters::columns::{book, checkpoint, floors_of, stored as stored_row, to_int, user};
use metrics_domain::{BookKey, Floors, Heads, Holding, Method, Order, Stored, Tail, TradeKey, UserKey};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqlitePool};
use tape::{Share, Unavailable};

/// Which trades are of the book `?1 ?2 ?3` (trader, chain, asset).
macro_rules! of_book {
    () => {
        "trader = ?1 AND chain = ?2 AND status = 'live'
         AND ((sold_asset = ?3 AND sold_quantity_after IS NOT NULL)
              OR (bought_asset = ?3 AND bought_quantity_after IS NOT NULL))"
    };
}

/// The newest trade before the one asked from that a book can be folded on from: by average (`?8`) every trade is one.
const CHECKPOINT: &str = concat!(
    "SELECT * FROM (SELECT height, tx_index, ordinal, trade_id,
            iif(sold_asset = ?3 AND sold_quantity_after IS NOT NULL, sold_quantity_after, bought_quantity_after)
                AS quantity_after,
            iif(sold_asset = ?3 AND sold_quantity_after IS NOT NULL, sold_unknown_after, bought_unknown_after)
                AS unknown_after,
            iif(sold_asset = ?3 AND sold_quantity_after IS NOT NULL, sold_basis_after, bought_basis_after)
                AS basis_after,
            iif(sold_asset = ?3 AND sold_quantity_after IS NOT NULL, sold_parcels_after, bought_parcels_after)
                AS parcels_after
     FROM trades WHERE ",
    of_book!(),
    " AND (height, tx_index, ordinal, trade_id) < (?4, ?5, ?6, ?7))
     WHERE ?8 OR parcels_after IS NOT NULL
     ORDER BY height DESC, tx_index DESC, ordinal DESC, trade_id DESC LIMIT 1"
);

const TAIL: &str = concat!(
    "SELECT * FROM trades WHERE ",
    of_book!(),
    " AND (height, tx_index, ordinal, trade_id) > (?4, ?5, ?6, ?7)
     ORDER BY height, tx_index, ordinal, trade_id"
);

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn position(pool: &SqlitePool, share: &Share) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = ? AND partition = ?")
        .bind(&*share.log)
        .bind(share.number)
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    Ok(next.map(i64::cast_unsigned))
}

pub(super) async fn floors(pool: &SqlitePool) -> Result<Floors, Unavailable> {
    let query = "SELECT r.cut_ms, f.chain, f.height FROM retention r LEFT JOIN floors f ON TRUE";
    Ok(floors_of(sqlx::query_as(query).fetch_all(pool).await.map_err(failed)?))
}

pub(super) async fn heads(pool: &SqlitePool, users: &[UserKey], books: &[BookKey]) -> Result<Heads, Unavailable> {
    let mut heads = Heads::default();
    let mut transaction = pool.begin().await.map_err(failed)?;
    for key in users {
        let query = sqlx::query("SELECT * FROM user_totals WHERE trader = ? AND chain = ?");
        let row = query.bind(&*key.trader).bind(&*key.chain).fetch_optional(&mut *transaction).await.map_err(failed)?;
        heads.users.extend(row.as_ref().map(user).transpose()?);
    }
    for key in books {
        let query = sqlx::query("SELECT * FROM positions WHERE trader = ? AND chain = ? AND asset = ?");
        let query = query.bind(&*key.user.trader).bind(&*key.user.chain).bind(&*key.asset);
        let row = query.fetch_optional(&mut *transaction).await.map_err(failed)?;
        heads.books.extend(row.as_ref().map(book).transpose()?);
    }
    Ok(heads)
}

pub(super) async fn stored(pool: &SqlitePool, method: Method, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
    let mut found = vec![];
    let mut transaction = pool.begin().await.map_err(failed)?;
    for key in trades {
        let query = sqlx::query("SELECT * FROM trades WHERE block_time_ms = ? AND trade_id = ? AND trader = ?");
        let query = query.bind(to_int(key.time_ms)).bind(&*key.id).bind(&*key.trader);
        let row = query.fetch_optional(&mut *transaction).await.map_err(failed)?;
        found.extend(row.as_ref().map(|row| stored_row(row, method)).transpose()?);
    }
    Ok(found)
}

pub(super) async fn tails(
    pool: &SqlitePool,
    method: Method,
    from: &[(BookKey, Order)],
) -> Result<Vec<Tail>, Unavailable> {
    let mut tails = vec![];
    let mut transaction = pool.begin().await.map_err(failed)?;
    for (book, order) in from {
        let asked = ask(CHECKPOINT, book, order).bind(method == Method::Average);
        let row = asked.fetch_optional(&mut *transaction).await.map_err(failed)?;
        let (since, checkpoint) =
            row.as_ref().map(checkpoint).transpose()?.unwrap_or_else(|| (beginning(), Holding::default()));
        let rows = ask(TAIL, book, &since).fetch_all(&mut *transaction).await.map_err(failed)?;
        let trades = rows.iter().map(|row| stored_row(row, method)).collect::<Result<_, _>>()?;
        tails.push(Tail { checkpoint, trades });
    }
    Ok(tails)
}

/// Below every trade: no id is empty.
fn beginning() -> Order {
    Order { place: tape::Place { height: 0, index: 0, ordinal: 0 }, id: "".into() }
}

fn ask(query: &'static str, book: &BookKey, order: &Order) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(query)
        .bind(book.user.trader.to_string())
        .bind(book.user.chain.to_string())
        .bind(book.asset.to_string())
        .bind(to_int(order.place.height))
        .bind(order.place.index)
        .bind(order.place.ordinal)
        .bind(order.id.to_string())
}
