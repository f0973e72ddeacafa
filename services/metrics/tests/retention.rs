//! Dropping old trades leaves the books as they were, and a migration counts the trades of books from before they were
//! counted.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics_domain::memory::MemoryStore;
use metrics_domain::retention::TRADE_PERIOD_MS;
use metrics_domain::{CommitOutcome, Method, PruneOutcome, Retention, Store};
use std::collections::BTreeMap;
use stores::{assert_same, empty_facts, postgres_server, run_sql};
use trades::{Dice, batches, history, partition, play};

const HISTORY_START_MS: u64 = 655 * TRADE_PERIOD_MS;
/// Heights 0 to 3 of the old histories are below it.
const CUT_MS: u64 = HISTORY_START_MS + 2 * TRADE_PERIOD_MS;

/// Plays the beginnings of histories in which half a period passes from one height to the next.
async fn play_old_history(upto: usize, store: &impl Store) {
    for number in 0..16 {
        let mut events = history(&format!("old{number}"), &mut Dice::new(u64::from(number) + 900), 120);
        for event in &mut events {
            event.trade.block.timestamp_ms = HISTORY_START_MS + event.trade.block.id.height * TRADE_PERIOD_MS / 2;
        }
        play(batches(&partition(number), &events[..upto], 1 + number as usize), store, 7).await;
    }
}

/// Drops old trades in the middle of histories: apart from late events, the result is as if nothing had been dropped.
async fn drops_old_trades_and_keeps_the_books(store: &(impl Store + Retention)) {
    let memory = MemoryStore::with_method(store.method());
    let both = async |upto: usize| {
        play_old_history(upto, store).await;
        play_old_history(upto, &memory).await;
    };
    both(60).await;
    let mut finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 3)).collect();
    finalized.insert("old7".to_owned(), 2);
    let early = store.prune(CUT_MS, &finalized).await.unwrap();
    assert_eq!(early, memory.prune(CUT_MS, &finalized).await.unwrap());
    assert_eq!(early, PruneOutcome::NotFinal { chain: "old7".into(), height: 3 });
    assert_same(store, &memory).await;
    finalized.insert("old7".to_owned(), 3);
    let PruneOutcome::Done { kept } = store.prune(CUT_MS, &finalized).await.unwrap() else {
        panic!("nothing was dropped")
    };
    memory.prune(CUT_MS, &finalized).await.unwrap();
    let below = memory.state().trades.values().filter(|stored| stored.entry.time_ms < CUT_MS).count() as u64;
    assert!(0 < kept && kept < below, "{kept} of {below} are needed still");
    assert_eq!(
        store.prune(CUT_MS, &finalized).await.unwrap(),
        PruneOutcome::Nothing,
        "a second time there is nothing to drop"
    );
    assert_eq!(store.read_floors().await.unwrap(), memory.read_floors().await.unwrap());
    let blind = empty_facts(0, Some(60), 61);
    assert_eq!(
        store.commit(&blind).await.unwrap(),
        CommitOutcome::Moved,
        "a reader that does not know the cut commits nothing"
    );
    both(120).await;
    let late: u64 = memory.state().floors.values().map(|(_, late)| late).sum();
    assert!(late > 100, "{late} came too late");
    assert_same(store, &memory).await;
    // Again with a later cut: rows that were kept and are no longer needed are dropped too.
    let further = CUT_MS + TRADE_PERIOD_MS;
    let finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 9)).collect();
    assert!(matches!(store.prune(further, &finalized).await.unwrap(), PruneOutcome::Done { .. }));
    memory.prune(further, &finalized).await.unwrap();
    assert_same(store, &memory).await;
}

/// `before` turns a database back into one whose books do not count their trades. Opened again, it is as if they had
/// been counted from the beginning.
async fn counts_the_trades_of_old_books<S: Store + Retention>(open: impl AsyncFn() -> S, before: impl AsyncFnOnce(S)) {
    let store = open().await;
    let memory = MemoryStore::with_method(store.method());
    play_old_history(90, &store).await;
    play_old_history(90, &memory).await;
    let finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 3)).collect();
    let pruned = store.prune(CUT_MS, &finalized).await.unwrap();
    assert!(matches!(pruned, PruneOutcome::Done { kept: 1.. }), "{pruned:?}");
    memory.prune(CUT_MS, &finalized).await.unwrap();
    before(store).await;
    let store = open().await;
    assert_same(&store, &memory).await;
    play_old_history(120, &store).await;
    play_old_history(120, &memory).await;
    assert_same(&store, &memory).await;
}

#[tokio::test]
async fn trades_kept_from_before_are_counted_on_sqlite() {
    for method in [Method::Average, Method::Fifo] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let open = async || Sqlite::open(&path, method).await.unwrap();
        counts_the_trades_of_old_books(open, async |store: Sqlite| {
            let uncount = "DROP VIEW trades_v1; CREATE VIEW trades_v1 AS SELECT 1;
                ALTER TABLE trades DROP COLUMN sold_trades_after; ALTER TABLE trades DROP COLUMN bought_trades_after;
                CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);
                DELETE FROM _sqlx_migrations WHERE version = 6";
            sqlx::raw_sql(uncount).execute(store.pool()).await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn trades_kept_from_before_are_counted_on_postgres() {
    for method in [Method::Average, Method::Fifo] {
        let Some((url, schema, mut connection)) = postgres_server(&format!("counted_{method}")).await else { return };
        let open = async || Postgres::open(&url, &schema, method).await.unwrap();
        counts_the_trades_of_old_books(open, async |store: Postgres| {
            let uncount = "DROP VIEW trades_v1;
                ALTER TABLE trades DROP COLUMN sold_trades_after, DROP COLUMN bought_trades_after;
                CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);
                DELETE FROM _sqlx_migrations WHERE version = 7";
            sqlx::raw_sql(uncount).execute(store.pool()).await.unwrap();
        })
        .await;
        run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}

/// Counts trades whose event is not stored as published, with a leading space.
const COUNT_REENCODED_EVENTS: &str = "SELECT count(*) FROM trades WHERE event NOT LIKE ' {%'";

#[tokio::test]
async fn old_trades_are_dropped_and_nothing_else_changes_on_sqlite() {
    for method in [Method::Average, Method::Fifo] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let store = Sqlite::open(&path, method).await.unwrap();
        drops_old_trades_and_keeps_the_books(&store).await;
        let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM trades_v1 WHERE height < 6")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(shown, 0, "rows kept for the books are not shown");
        let reencoded = sqlx::query_scalar::<_, i64>(COUNT_REENCODED_EVENTS).fetch_one(store.pool()).await.unwrap();
        assert_eq!(reencoded, 0, "an event is stored word for word");
        let late: i64 = sqlx::query_scalar("SELECT sum(late) FROM floors").fetch_one(store.pool()).await.unwrap();
        assert!(late > 100, "{late}");
    }
}

#[tokio::test]
async fn old_trades_are_dropped_by_partition_and_nothing_else_changes_on_postgres() {
    for method in [Method::Average, Method::Fifo] {
        let Some((url, schema, mut connection)) = postgres_server(&format!("old_{method}")).await else { return };
        let store = Postgres::open(&url, &schema, method).await.unwrap();
        drops_old_trades_and_keeps_the_books(&store).await;
        let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM trades_v1 WHERE height < 6")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(shown, 0, "rows kept for the books are not shown");
        let reencoded = sqlx::query_scalar::<_, i64>(COUNT_REENCODED_EVENTS).fetch_one(store.pool()).await.unwrap();
        assert_eq!(reencoded, 0, "an event is stored word for word");
        let late: i64 =
            sqlx::query_scalar("SELECT sum(late)::bigint FROM floors").fetch_one(store.pool()).await.unwrap();
        assert!(late > 100, "{late}");
        let query = "SELECT DISTINCT t.tableoid::regclass::text FROM trades t ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(query).fetch_all(store.pool()).await.unwrap();
        assert_eq!(tables, ["trades_other"], "partitions are dropped");
        run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}
