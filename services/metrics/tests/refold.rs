//! The tables in force and those of a fold from the first record are byte for byte the same; a row that was meddled with shows.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use metrics::Settings;
use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics::refold::{in_schema, refold};
use metrics::settings::Database;
use metrics_domain::{Limits, Method, Pruned, Retention};
use sqlx::AssertSqlSafe;
use std::sync::Mutex;
use tape::{Event, Partition};
use tape_log::{Log, Record, Target, topics};
use trades::{Dice, batches, history, play, said};

fn settings(database: Database, method: Method) -> Settings {
    Settings {
        database,
        health: None,
        limits: Limits { events: 7, remembered: 20 },
        method,
        workers: 1,
        retention_days: None,
    }
}

/// A tape of many chains and users, poison included; what was read of it, per partition, as the service would be handed it.
async fn tape(log: &Log) -> Vec<(Partition, Vec<Event>)> {
    let mut read: Vec<(Partition, Vec<Event>)> = vec![];
    for number in 0..12 {
        let events = history(&format!("chain{number}"), &mut Dice::new(number + 100), 80);
        for event in events {
            let key = event.trade.key().into_bytes();
            let partition = topics::TRADES.partition_of(&key);
            let value = Some(said(&event));
            log.publish(vec![Record { partition: partition.clone(), key, headers: vec![], value }]).await.unwrap();
            match read.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, events)) => events.push(event),
                None => read.push((partition, vec![event])),
            }
        }
    }
    read
}

/// Some trades are older than is wished: what is left must come out the same.
async fn drop_old(store: &impl Retention) {
    let finalized = (0..12).map(|number| (format!("chain{number}"), 99)).collect();
    let dropped = store.prune(1_700_000_000_000 + 120_000_000, &finalized).await.unwrap();
    assert!(matches!(dropped, Pruned::Done { .. }), "{dropped:?}");
}

#[tokio::test]
async fn a_file_is_refolded_to_the_byte() {
    for method in [Method::Average, Method::Fifo] {
        let log = Log::open(&Target::Memory).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.db");
        let store = Sqlite::open(&path, method).await.unwrap();
        for (at, (partition, events)) in tape(&log).await.iter().enumerate() {
            play(batches(partition, events, 1 + at * 3), &store, 1 + at * 2).await;
        }
        drop_old(&store).await;
        let settings = settings(Database::Sqlite(path), method);
        let told = Mutex::new(vec![]);
        let tell = |line: String| told.lock().unwrap().push(line);
        assert_eq!(refold(&settings, &log, tell).await.unwrap(), 0, "{:#?}", told.lock().unwrap());
        assert_eq!(told.lock().unwrap().len(), 6);
        let meddle = "UPDATE positions SET basis_usd = '-1' WHERE rowid = (SELECT min(rowid) FROM positions)";
        sqlx::query(meddle).execute(store.pool()).await.unwrap();
        assert_eq!(refold(&settings, &log, |_| ()).await.unwrap(), 1, "what was meddled with shows");
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
        for (at, (partition, events)) in tape(&log).await.iter().enumerate() {
            play(batches(partition, events, 1 + at * 3), &store, 1 + at * 2).await;
        }
        drop_old(&store).await;
        let settings = settings(Database::Sqlite("unused".into()), method);
        let told = Mutex::new(vec![]);
        let tell = |line: String| told.lock().unwrap().push(line);
        let differences = in_schema(&settings, &url, &schema, &log, tell).await.unwrap();
        assert_eq!(differences, 0, "{:#?}", told.lock().unwrap());
        let meddle = "UPDATE user_hours SET swaps = swaps + 1 WHERE ctid = (SELECT min(ctid) FROM user_hours)";
        sqlx::query(meddle).execute(store.pool()).await.unwrap();
        assert_eq!(in_schema(&settings, &url, &schema, &log, |_| ()).await.unwrap(), 1, "what was meddled with shows");
        let drop = format!("DROP SCHEMA {schema} CASCADE; DROP SCHEMA {schema}_refold CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(store.pool()).await.unwrap();
    }
}
