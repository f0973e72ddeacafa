//! What the fold asks of SQLite: one short query per key, in one transaction.

use crate::adapters::columns::{RowError, book, floors_of, stored as stored_row, to_int, user};
use metrics_domain::{BookKey, Floors, Heads, Late, Method, Stored, Tail, TradeKey, UserKey};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqlitePool};
use tape::{Partition, Unavailable};

/// Which trades are of the book `?1 ?2 ?3` (trader, chain, asset): by a side that moves a position, and that is more yet.
macro_rules! of_book {
    ($sold:literal, $bought:literal) => {
        concat!(
            "trader = ?1 AND chain = ?2 AND status = 'live'
             AND ((sold_asset = ?3 AND sold_quantity_after IS NOT NULL AND ",
            $sold,
            ") OR (bought_asset = ?3 AND bought_quantity_after IS NOT NULL AND ",
            $bought,
            "))"
        )
    };
}

/// The block time of the newest checkpoint that stands before the trade asked from, also in chain order: by average (`?9`)
/// every trade is one.
const CHECKPOINT: &str = concat!(
    "SELECT block_time_ms FROM trades WHERE ",
    of_book!("(?9 OR sold_parcels_after IS NOT NULL)", "(?9 OR bought_parcels_after IS NOT NULL)"),
    " AND block_time_ms <= ?4 AND (height, tx_index, ordinal, trade_id) < (?5, ?6, ?7, ?8)
     ORDER BY block_time_ms DESC LIMIT 1"
);

/// The trades of the book from a block time on.
const SINCE: &str = concat!("SELECT * FROM trades WHERE ", of_book!("TRUE", "TRUE"), " AND block_time_ms >= ?4");

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn position(pool: &SqlitePool, partition: &Partition) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = ? AND partition = ?")
        .bind(&*partition.topic)
        .bind(partition.index)
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

pub(super) async fn tails(pool: &SqlitePool, method: Method, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
    let mut tails = vec![];
    let mut transaction = pool.begin().await.map_err(failed)?;
    for late in late {
        let newest = ask(CHECKPOINT, late)
            .bind(to_int(late.time_ms))
            .bind(to_int(late.first.place.height))
            .bind(late.first.place.index)
            .bind(late.first.place.ordinal)
            .bind(late.first.id.to_string())
            .bind(method == Method::Average);
        let newest = newest.fetch_optional(&mut *transaction).await.map_err(failed)?;
        let since: i64 = newest.map_or(0, |row| row.get(0));
        let recent = ask(SINCE, late).bind(since).fetch_all(&mut *transaction).await.map_err(failed)?;
        if let Some(tail) = late.among(all_stored(&recent, method)?) {
            tails.push(tail);
            continue;
        }
        let whole = ask(SINCE, late).bind(0).fetch_all(&mut *transaction).await.map_err(failed)?;
        tails.push(late.of_all(all_stored(&whole, method)?));
    }
    Ok(tails)
}

fn all_stored(rows: &[SqliteRow], method: Method) -> Result<Vec<Stored>, RowError> {
    rows.iter().map(|row| stored_row(row, method)).collect()
}

fn ask(query: &'static str, late: &Late) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(query)
        .bind(late.book.user.trader.to_string())
        .bind(late.book.user.chain.to_string())
        .bind(late.book.asset.to_string())
}
