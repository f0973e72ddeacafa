//! The tables in force equal those of a fold from the first record, byte for byte; a changed row is found.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use metrics::Settings;
use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics::prices::Prices;
use metrics::refold::{refold, refold_schema};
use metrics::settings::Database;
use metrics_domain::{Limits, Method, PriceRules, PruneOutcome, Retention};
use sqlx::AssertSqlSafe;
use std::sync::Mutex;
use tape::{Event, Partition};
use tape_log::{Log, Record, Target, topics};
use trades::{Dice, batches, history, play, record_value};

fn settings(database: Database, method: Method) -> Settings {
    Settings {
        database,
        health: None,
        limits: Limits { events: 7, remembered: 20 },
        rules: method.into(),
        workers: 1,
        price_rules: PriceRules::default(),
        partitions: None,
        retention_days: None,
    }
}

/// Publishes trades of many chains and users. Returns the events of each partition as the service reads them.
async fn publish_tape(log: &Log) -> Vec<(Partition, Vec<Event>)> {
    let mut read: Vec<(Partition, Vec<Event>)> = vec![];
    for number in 0..12 {
        let events = history(&format!("chain{number}"), &mut Dice::new(number + 100), 80);
        for event in events {
            let key = event.trade.key().into_bytes();
            let partition = topics::TRADES.partition_of(&key);
            let value = Some(record_value(&event));
            log.publish(vec![Record { partition: partition.clone(), key, headers: vec![], value }]).await.unwrap();
            match read.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, events)) => events.push(event),
                None => read.push((partition, vec![event])),
            }
        }
    }
    read
}

/// Drops some trades and calculates candles: what is left must still be the same.
async fn drop_old_trades(store: &(impl Retention + Prices)) {
    let finalized = (0..12).map(|number| (format!("chain{number}"), 99)).collect();
    let dropped = store.prune(1_700_000_000_000 + 120_000_000, &finalized).await.unwrap();
    assert!(matches!(dropped, PruneOutcome::Done { .. }), "{dropped:?}");
    while store.refresh(&PriceRules::default()).await.unwrap() > 0 {}
}

#[tokio::test]
async fn a_file_is_refolded_to_the_byte() {
    for method in [Method::Average, Method::Fifo] {
        let log = Log::open(&Target::Memory).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let store = Sqlite::open(&path, method).await.unwrap();
        for (at, (partition, events)) in publish_tape(&log).await.iter().enumerate() {
            play(batches(partition, events, 1 + at * 3), &store, 1 + at * 2).await;
        }
        drop_old_trades(&store).await;
        let settings = settings(Database::Sqlite(path), method);
        let lines = Mutex::new(vec![]);
        let report = |line: String| lines.lock().unwrap().push(line);
        assert_eq!(refold(&settings, &log, report).await.unwrap(), 0, "{:#?}", lines.lock().unwrap());
        assert_eq!(lines.lock().unwrap().len(), 7);
        assert!(lines.lock().unwrap().iter().all(|line| line.starts_with("the same")), "candles too");
        let change_words = "UPDATE user_hours SET volume_exact_usd = '7'";
        sqlx::query(change_words).execute(store.pool()).await.unwrap();
        assert_eq!(refold(&settings, &log, |_| ()).await.unwrap(), 1, "volumes by confidence are compared");
        let incomplete = "UPDATE method SET confidence_complete = 0";
        sqlx::query(incomplete).execute(store.pool()).await.unwrap();
        lines.lock().unwrap().clear();
        assert_eq!(refold(&settings, &log, report).await.unwrap(), 0, "{:#?}", lines.lock().unwrap());
        assert!(lines.lock().unwrap()[0].starts_with("volumes by confidence are not compared"));
        let change_a_row = "UPDATE positions SET basis_usd = '-1' WHERE rowid = (SELECT min(rowid) FROM positions)";
        sqlx::query(change_a_row).execute(store.pool()).await.unwrap();
        assert_eq!(refold(&settings, &log, |_| ()).await.unwrap(), 1, "the changed row is found");
    }
}

#[tokio::test]
async fn a_schema_is_refolded_to_the_byte() {
    let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) else {
        println!("skipped: DATABASE_URL names no PostgreSQL server");
        return;
    };
    for method in [Method::Average, Method::Fifo] {
        let log = Log::open(&Target::Memory).await.unwrap();
        let schema = format!("metrics_refold_{method}_{}_{}", std::process::id(), environment::now_ms());
        let store = Postgres::open(&url, &schema, method).await.unwrap();
        for (at, (partition, events)) in publish_tape(&log).await.iter().enumerate() {
            play(batches(partition, events, 1 + at * 3), &store, 1 + at * 2).await;
        }
        drop_old_trades(&store).await;
        let settings = settings(Database::Sqlite("unused".into()), method);
        let lines = Mutex::new(vec![]);
        let report = |line: String| lines.lock().unwrap().push(line);
        let differences = refold_schema(&settings, &url, &schema, &log, report).await.unwrap();
        assert_eq!(differences, 0, "{:#?}", lines.lock().unwrap());
        let change_words = "UPDATE user_totals SET volume_traced_usd = 7";
        sqlx::query(change_words).execute(store.pool()).await.unwrap();
        assert_eq!(refold_schema(&settings, &url, &schema, &log, |_| ()).await.unwrap(), 1, "words are compared");
        let incomplete = "UPDATE method SET confidence_complete = false";
        sqlx::query(incomplete).execute(store.pool()).await.unwrap();
        assert_eq!(refold_schema(&settings, &url, &schema, &log, |_| ()).await.unwrap(), 0);
        let change_a_row = "UPDATE user_hours SET swaps = swaps + 1 WHERE ctid = (SELECT min(ctid) FROM user_hours)";
        sqlx::query(change_a_row).execute(store.pool()).await.unwrap();
        assert_eq!(refold_schema(&settings, &url, &schema, &log, |_| ()).await.unwrap(), 1, "the changed row is found");
        let drop = format!("DROP SCHEMA {schema} CASCADE; DROP SCHEMA {schema}_refold CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(store.pool()).await.unwrap();
    }
}
