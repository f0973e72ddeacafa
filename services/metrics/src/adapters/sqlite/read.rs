//! Reads what the fold needs from SQLite: one short query per key, in one transaction.

use crate::adapters::columns::to_bigint;
use crate::adapters::rows::{RowError, floors_from_rows, read_book, read_stored_trade, read_user};
use metrics_domain::{Accounts, BookKey, BookToRefold, Floors, Method, StoredTrade, Tail, TradeKey, UserKey};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqlitePool};
use tape::{Partition, Unavailable};

/// The live trades of the book `?1 ?2 ?3` (trader, chain, asset): the side of its asset changes a position and fulfils
/// a further condition.
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

/// The block time of the newest checkpoint before the requested trade, in chain order and in block time. With the
/// average method (`?9`) every trade is a checkpoint.
const SELECT_CHECKPOINT_TIME: &str = concat!(
    "SELECT block_time_ms FROM trades WHERE ",
    of_book!("(?9 OR sold_parcels_after IS NOT NULL)", "(?9 OR bought_parcels_after IS NOT NULL)"),
    " AND block_time_ms <= ?4 AND (height, tx_index, ordinal, trade_id) < (?5, ?6, ?7, ?8)
     ORDER BY block_time_ms DESC LIMIT 1"
);

/// The trades of the book from a block time on.
const SELECT_TRADES_SINCE: &str =
    concat!("SELECT * FROM trades WHERE ", of_book!("TRUE", "TRUE"), " AND block_time_ms >= ?4");

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("read the book", error)
}

pub(super) async fn read_position(pool: &SqlitePool, partition: &Partition) -> Result<Option<u64>, Unavailable> {
    let next: Option<i64> = sqlx::query_scalar("SELECT next FROM position WHERE log = ? AND partition = ?")
        .bind(&*partition.topic)
        .bind(partition.index)
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    Ok(next.map(i64::cast_unsigned))
}

pub(super) async fn read_floors(pool: &SqlitePool) -> Result<Floors, Unavailable> {
    let query = "SELECT r.cut_ms, f.chain, f.height FROM retention r LEFT JOIN floors f ON TRUE";
    Ok(floors_from_rows(sqlx::query_as(query).fetch_all(pool).await.map_err(failed)?))
}

pub(super) async fn load_accounts(
    pool: &SqlitePool,
    users: &[UserKey],
    books: &[BookKey],
) -> Result<Accounts, Unavailable> {
    let mut accounts = Accounts::default();
    let mut transaction = pool.begin().await.map_err(failed)?;
    for key in users {
        let query = sqlx::query("SELECT * FROM user_totals WHERE trader = ? AND chain = ?");
        let row = query.bind(&*key.trader).bind(&*key.chain).fetch_optional(&mut *transaction).await.map_err(failed)?;
        accounts.users.extend(row.as_ref().map(read_user).transpose()?);
    }
    for key in books {
        let query = sqlx::query("SELECT * FROM positions WHERE trader = ? AND chain = ? AND asset = ?");
        let query = query.bind(&*key.user.trader).bind(&*key.user.chain).bind(&*key.asset);
        let row = query.fetch_optional(&mut *transaction).await.map_err(failed)?;
        accounts.books.extend(row.as_ref().map(read_book).transpose()?);
    }
    Ok(accounts)
}

pub(super) async fn load_trades(
    pool: &SqlitePool,
    method: Method,
    trades: &[TradeKey],
) -> Result<Vec<StoredTrade>, Unavailable> {
    let mut found = vec![];
    let mut transaction = pool.begin().await.map_err(failed)?;
    for key in trades {
        let query = sqlx::query("SELECT * FROM trades WHERE block_time_ms = ? AND trade_id = ? AND trader = ?");
        let query = query.bind(to_bigint(key.time_ms)).bind(&*key.id).bind(&*key.trader);
        let row = query.fetch_optional(&mut *transaction).await.map_err(failed)?;
        found.extend(row.as_ref().map(|row| read_stored_trade(row, method)).transpose()?);
    }
    Ok(found)
}

pub(super) async fn load_tails(
    pool: &SqlitePool,
    method: Method,
    books: &[BookToRefold],
) -> Result<Vec<Tail>, Unavailable> {
    let mut tails = vec![];
    let mut transaction = pool.begin().await.map_err(failed)?;
    for refold in books {
        let newest = bind_book(SELECT_CHECKPOINT_TIME, refold)
            .bind(to_bigint(refold.time_ms))
            .bind(to_bigint(refold.first.place.height))
            .bind(refold.first.place.index)
            .bind(refold.first.place.ordinal)
            .bind(refold.first.id.to_string())
            .bind(method == Method::Average);
        let newest = newest.fetch_optional(&mut *transaction).await.map_err(failed)?;
        let since: i64 = newest.map_or(0, |row| row.get(0));
        let recent =
            bind_book(SELECT_TRADES_SINCE, refold).bind(since).fetch_all(&mut *transaction).await.map_err(failed)?;
        if let Some(tail) = refold.tail_from_some(all_stored(&recent, method)?) {
            tails.push(tail);
            continue;
        }
        let whole =
            bind_book(SELECT_TRADES_SINCE, refold).bind(0).fetch_all(&mut *transaction).await.map_err(failed)?;
        tails.push(refold.tail_from_all(all_stored(&whole, method)?));
    }
    Ok(tails)
}

fn all_stored(rows: &[SqliteRow], method: Method) -> Result<Vec<StoredTrade>, RowError> {
    rows.iter().map(|row| read_stored_trade(row, method)).collect()
}

fn bind_book(query: &'static str, refold: &BookToRefold) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(query)
        .bind(refold.book.user.trader.to_string())
        .bind(refold.book.user.chain.to_string())
        .bind(refold.book.asset.to_string())
}
