//! Old trades go: what is left of the books is as if they had not gone, and those from before they were counted are counted.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics_domain::memory::Memory;
use metrics_domain::retention::SPAN_MS;
use metrics_domain::{Method, Outcome, Pruned, Retention, Store};
use std::collections::BTreeMap;
use stores::{empty, run, same, server};
use trades::{Dice, batches, history, partition, play};

const BEGUN_MS: u64 = 655 * SPAN_MS;
/// Heights 0 to 3 of old histories lie below it.
const CUT_MS: u64 = BEGUN_MS + 2 * SPAN_MS;

/// The beginnings of histories in which there is half a span from one height to the next.
async fn told_of_old(upto: usize, store: &impl Store) {
    for number in 0..16 {
        let mut events = history(&format!("old{number}"), &mut Dice::new(u64::from(number) + 900), 120);
        for event in &mut events {
            event.trade.block.timestamp_ms = BEGUN_MS + event.trade.block.id.height * SPAN_MS / 2;
        }
        play(batches(&partition(number), &events[..upto], 1 + number as usize), store, 7).await;
    }
}

/// Histories in the midst of which old trades are dropped: what is left comes out as if nothing were, but for what came late.
async fn drops_what_is_old_and_forgets_nothing(store: &(impl Store + Retention)) {
    let memory = Memory::keeping(store.method());
    let both = async |upto: usize| {
        told_of_old(upto, store).await;
        told_of_old(upto, &memory).await;
    };
    both(60).await;
    let mut finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 3)).collect();
    finalized.insert("old7".to_owned(), 2);
    let early = store.prune(CUT_MS, &finalized).await.unwrap();
    assert_eq!(early, memory.prune(CUT_MS, &finalized).await.unwrap());
    assert_eq!(early, Pruned::NotFinal { chain: "old7".into(), height: 3 });
    same(store, &memory).await;
    finalized.insert("old7".to_owned(), 3);
    let Pruned::Done { kept } = store.prune(CUT_MS, &finalized).await.unwrap() else { panic!("nothing was dropped") };
    memory.prune(CUT_MS, &finalized).await.unwrap();
    let below = memory.kept().trades.values().filter(|stored| stored.entry.time_ms < CUT_MS).count() as u64;
    assert!(0 < kept && kept < below, "{kept} of {below} are needed still");
    assert_eq!(store.prune(CUT_MS, &finalized).await.unwrap(), Pruned::Nothing, "once is enough");
    assert_eq!(store.floors().await.unwrap(), memory.floors().await.unwrap());
    let blind = empty(0, Some(60), 61);
    assert_eq!(store.commit(&blind).await.unwrap(), Outcome::Moved, "who does not know the cut changes nothing");
    both(120).await;
    let late: u64 = memory.kept().floors.values().map(|(_, late)| late).sum();
    assert!(late > 100, "{late} came too late");
    same(store, &memory).await;
    // Once more, further up: what was kept and is needed no more goes too.
    let further = CUT_MS + SPAN_MS;
    let finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 9)).collect();
    assert!(matches!(store.prune(further, &finalized).await.unwrap(), Pruned::Done { .. }));
    memory.prune(further, &finalized).await.unwrap();
    same(store, &memory).await;
}

/// A book as it was before its trades were counted, old ones dropped: what `before` makes of it, opened again, stands as
/// if they had been counted from the beginning.
async fn counts_what_was_not_counted<S: Store + Retention>(open: impl AsyncFn() -> S, before: impl AsyncFnOnce(S)) {
    let store = open().await;
    let memory = Memory::keeping(store.method());
    told_of_old(90, &store).await;
    told_of_old(90, &memory).await;
    let finalized: BTreeMap<String, u64> = (0..16).map(|number| (format!("old{number}"), 3)).collect();
    let pruned = store.prune(CUT_MS, &finalized).await.unwrap();
    assert!(matches!(pruned, Pruned::Done { kept: 1.. }), "{pruned:?}");
    memory.prune(CUT_MS, &finalized).await.unwrap();
    before(store).await;
    let store = open().await;
    same(&store, &memory).await;
    told_of_old(120, &store).await;
    told_of_old(120, &memory).await;
    same(&store, &memory).await;
}

#[tokio::test]
async fn trades_kept_from_before_are_counted_on_sqlite() {
    for method in [Method::Average, Method::Fifo] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let open = async || Sqlite::open(&path, method).await.unwrap();
        counts_what_was_not_counted(open, async |store: Sqlite| {
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
        let Some((url, schema, mut connection)) = server(&format!("counted_{method}")).await else { return };
        let open = async || Postgres::open(&url, &schema, method).await.unwrap();
        counts_what_was_not_counted(open, async |store: Postgres| {
            let uncount = "DROP VIEW trades_v1;
                ALTER TABLE trades DROP COLUMN sold_trades_after, DROP COLUMN bought_trades_after;
                CREATE INDEX trades_of_book ON trades (trader, chain, height, tx_index, ordinal);
                DELETE FROM _sqlx_migrations WHERE version = 7";
            sqlx::raw_sql(uncount).execute(store.pool()).await.unwrap();
        })
        .await;
        run(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}

/// Trades whose event is not kept as it was told, with a space in front.
const ENCODED_ANEW: &str = "SELECT count(*) FROM trades WHERE event NOT LIKE ' {%'";

#[tokio::test]
async fn old_trades_go_and_nothing_else_changes_on_sqlite() {
    for method in [Method::Average, Method::Fifo] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let store = Sqlite::open(&path, method).await.unwrap();
        drops_what_is_old_and_forgets_nothing(&store).await;
        let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM trades_v1 WHERE height < 6")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(shown, 0, "what is kept for the books is not shown");
        let anew = sqlx::query_scalar::<_, i64>(ENCODED_ANEW).fetch_one(store.pool()).await.unwrap();
        assert_eq!(anew, 0, "an event is kept word for word");
        let late: i64 = sqlx::query_scalar("SELECT sum(late) FROM floors").fetch_one(store.pool()).await.unwrap();
        assert!(late > 100, "{late}");
    }
}

#[tokio::test]
async fn old_trades_go_by_the_partition_and_nothing_else_changes_on_postgres() {
    for method in [Method::Average, Method::Fifo] {
        let Some((url, schema, mut connection)) = server(&format!("old_{method}")).await else { return };
        let store = Postgres::open(&url, &schema, method).await.unwrap();
        drops_what_is_old_and_forgets_nothing(&store).await;
        let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM trades_v1 WHERE height < 6")
            .fetch_one(store.pool())
            .await
            .unwrap();
        assert_eq!(shown, 0, "what is kept for the books is not shown");
        let anew = sqlx::query_scalar::<_, i64>(ENCODED_ANEW).fetch_one(store.pool()).await.unwrap();
        assert_eq!(anew, 0, "an event is kept word for word");
        let late: i64 =
            sqlx::query_scalar("SELECT sum(late)::bigint FROM floors").fetch_one(store.pool()).await.unwrap();
        assert!(late > 100, "{late}");
        let query = "SELECT DISTINCT t.tableoid::regclass::text FROM trades t ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(query).fetch_all(store.pool()).await.unwrap();
        assert_eq!(tables, ["trades_other"], "partitions are gone");
        run(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    }
}
