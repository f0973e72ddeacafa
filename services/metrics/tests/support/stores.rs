//! Shared by the tests of stores: the PostgreSQL server, and the comparison of two stores.

use crate::trades::partition;
use metrics_domain::memory::{MemoryState, MemoryStore};
use metrics_domain::{BookFacts, BookKey, BookToRefold, Store, StoredTrade, TradeKey, TradeOrder, UserKey};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;

/// What a next version may do to a schema of PostgreSQL.
pub(crate) const NEXT_VERSION: &str = include_str!("../../../../migrations/tests/next_version.sql");

/// Both stores return the same for every query.
pub(crate) async fn assert_same(store: &impl Store, memory: &MemoryStore) {
    let (state, books) = assert_same_rows(store, memory).await;
    let orders: BTreeSet<(TradeOrder, u64)> =
        state.trades.values().map(|stored| (stored.entry.order.clone(), stored.entry.time_ms)).collect();
    let orders: Vec<(TradeOrder, u64)> = orders.into_iter().step_by(37).collect();
    let refold = |(book, (first, time_ms)): (&BookKey, &(TradeOrder, u64))| BookToRefold {
        book: book.clone(),
        first: first.clone(),
        time_ms: *time_ms,
        trades: state.books.get(book).map_or(0, |book| book.trades),
    };
    let refolds = books.iter().flat_map(|book| orders.iter().map(move |order| refold((book, order))));
    let refolds: Vec<BookToRefold> =
        refolds.filter(|refold| is_above_floor(&state, &refold.first, &refold.book.user.chain)).collect();
    assert_eq!(store.load_tails(&refolds).await.unwrap(), memory.load_tails(&refolds).await.unwrap());
}

/// Whether a trade is above the floor of its chain. At or below it a store may have dropped it.
pub(crate) fn is_above_floor(state: &MemoryState, order: &TradeOrder, chain: &str) -> bool {
    state.floors.get(chain).is_none_or(|(floor, _)| order.place.height > *floor)
}

/// Both stores have the same users, books and trades; returns them.
pub(crate) async fn assert_same_rows(store: &impl Store, memory: &MemoryStore) -> (MemoryState, Vec<BookKey>) {
    let state: MemoryState = memory.state();
    let users: Vec<UserKey> = state.users.keys().cloned().collect();
    let assets = ["$usd", "$eth", "cat", "dog"];
    let book = |user: &UserKey, asset: &str| BookKey { user: user.clone(), asset: asset.into() };
    let books: Vec<BookKey> = users.iter().flat_map(|user| assets.map(|asset| book(user, asset))).collect();
    let (ours, theirs) =
        (store.load_accounts(&users, &books).await.unwrap(), memory.load_accounts(&users, &books).await.unwrap());
    assert_eq!(sorted(ours.users), theirs.users);
    assert_eq!(sorted(ours.books), sorted(theirs.books));
    let stands = |stored: &&StoredTrade| is_above_floor(&state, &stored.entry.order, &stored.entry.user.chain);
    let trades: Vec<TradeKey> = state.trades.values().filter(stands).map(|stored| stored.entry.key()).collect();
    let mut ours = store.load_trades(&trades).await.unwrap();
    ours.sort_by_key(|stored| stored.entry.key());
    assert_eq!(ours, memory.load_trades(&trades).await.unwrap());
    (state, books)
}

pub(crate) fn sorted<K: Ord, V>(mut rows: Vec<(K, V)>) -> Vec<(K, V)> {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

pub(crate) fn empty_facts(index: u32, from: Option<u64>, next: u64) -> BookFacts {
    let (trade_rows, changed_effects, users, books, hours, fees) = (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (companions, late_events, trace) = (vec![], vec![], None);
    BookFacts {
        partition: partition(index),
        from,
        next,
        companions,
        cut_ms: 0,
        late_events,
        trace,
        trade_rows,
        changed_effects,
        users,
        books,
        hours,
        fees,
    }
}

/// A schema that only this test uses; none without a server.
pub(crate) async fn postgres_server(test: &str) -> Option<(String, String, PgConnection)> {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    let Some(url) = url else {
        println!("skipped: DATABASE_URL names no PostgreSQL server");
        return None;
    };
    let schema = format!("metrics_{test}_{}_{}", std::process::id(), environment::now_ms());
    let connection = PgConnection::connect(&url).await.unwrap();
    Some((url, schema, connection))
}

pub(crate) async fn run_sql(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
