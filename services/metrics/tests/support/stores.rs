//! What tests of stores share: a server, and what it means that two stores keep the same.

use crate::trades::partition;
use metrics_domain::memory::{Kept, Memory};
use metrics_domain::{BookKey, Facts, Late, Order, Store, Stored, TradeKey, UserKey};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;

/// Everything asked of both has one answer.
pub(crate) async fn same(store: &impl Store, memory: &Memory) {
    let (kept, books) = same_rows(store, memory).await;
    let orders: BTreeSet<(Order, u64)> =
        kept.trades.values().map(|stored| (stored.entry.order.clone(), stored.entry.time_ms)).collect();
    let orders: Vec<(Order, u64)> = orders.into_iter().step_by(37).collect();
    let late = |(book, (first, time_ms)): (&BookKey, &(Order, u64))| Late {
        book: book.clone(),
        first: first.clone(),
        time_ms: *time_ms,
        trades: kept.books.get(book).map_or(0, |book| book.trades),
    };
    let late = books.iter().flat_map(|book| orders.iter().map(move |order| late((book, order))));
    let late: Vec<Late> = late.filter(|late| is_above(&kept, &late.first, &late.book.user.chain)).collect();
    assert_eq!(store.tails(&late).await.unwrap(), memory.tails(&late).await.unwrap());
}

/// Below a floor nobody asks, and nothing need be there.
pub(crate) fn is_above(kept: &Kept, order: &Order, chain: &str) -> bool {
    kept.floors.get(chain).is_none_or(|(floor, _)| order.place.height > *floor)
}

/// The same users, books and trades are kept; says which.
pub(crate) async fn same_rows(store: &impl Store, memory: &Memory) -> (Kept, Vec<BookKey>) {
    let kept: Kept = memory.kept();
    let users: Vec<UserKey> = kept.users.keys().cloned().collect();
    let assets = ["$usd", "$eth", "cat", "dog"];
    let book = |user: &UserKey, asset: &str| BookKey { user: user.clone(), asset: asset.into() };
    let books: Vec<BookKey> = users.iter().flat_map(|user| assets.map(|asset| book(user, asset))).collect();
    let (ours, theirs) = (store.heads(&users, &books).await.unwrap(), memory.heads(&users, &books).await.unwrap());
    assert_eq!(sorted(ours.users), theirs.users);
    assert_eq!(sorted(ours.books), sorted(theirs.books));
    let stands = |stored: &&Stored| is_above(&kept, &stored.entry.order, &stored.entry.user.chain);
    let trades: Vec<TradeKey> = kept.trades.values().filter(stands).map(|stored| stored.entry.key()).collect();
    let mut ours = store.stored(&trades).await.unwrap();
    ours.sort_by_key(|stored| stored.entry.key());
    assert_eq!(ours, memory.stored(&trades).await.unwrap());
    (kept, books)
}

pub(crate) fn sorted<K: Ord, V>(mut rows: Vec<(K, V)>) -> Vec<(K, V)> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

pub(crate) fn empty(number: u32, from: Option<u64>, next: u64) -> Facts {
    let (puts, changed, users, books, hours, fees) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (beside, late, trace) = (vec![], vec![], None);
    Facts {
        partition: partition(number),
        from,
        next,
        beside,
        cut_ms: 0,
        late,
        trace,
        puts,
        changed,
        users,
        books,
        hours,
        fees,
    }
}

/// A schema that this test alone uses; none without a server.
pub(crate) async fn server(test: &str) -> Option<(String, String, PgConnection)> {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    let Some(url) = url else {
        println!("skipped: DATABASE_URL names no PostgreSQL server");
        return None;
    };
    let schema = format!("metrics_{test}_{}_{}", std::process::id(), environment::now_ms());
    let connection = PgConnection::connect(&url).await.unwrap();
    Some((url, schema, connection))
}

pub(crate) async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
