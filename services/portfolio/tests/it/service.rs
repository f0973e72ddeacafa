//! The whole service on a log in memory and a real store: trades in, balances and messages out.

use crate::stores;
use crate::trades::{event, trade};
use environment::{Shutdown, health};
use migrations::MigrateCommand;
use portfolio::Settings;
use portfolio::settings::{Database, ProviderSettings};
use portfolio_domain::{RefreshRules, Tracking};
use std::net::SocketAddr;
use std::time::Duration;
use tape::{Event, Status};
use tape_log::guard::AdoptCommand;
use tape_log::{Log, Record, Stored, Target, topics};
use tokio::task::JoinHandle;
use wire::v1::portfolio::PortfolioUpdated;

fn settings(database: &Database, health: Option<SocketAddr>) -> Settings {
    Settings {
        database: database.clone(),
        providers: vec![ProviderSettings::Mock],
        tracking: Tracking::All,
        rules: RefreshRules { debounce_ms: 20, ..Settings::default_rules() },
        health,
    }
}

struct Running {
    shutdown: Shutdown,
    handle: JoinHandle<anyhow::Result<()>>,
}

fn start(settings: Settings, log: &Log) -> Running {
    let shutdown = Shutdown::default();
    let handle = tokio::spawn(portfolio::run(settings, log.clone(), shutdown.clone()));
    Running { shutdown, handle }
}

impl Running {
    async fn stop(self) {
        self.shutdown.trigger();
        tokio::time::timeout(Duration::from_secs(10), self.handle).await.unwrap().unwrap().unwrap();
    }
}

async fn publish_value(log: &Log, value: Vec<u8>, key: &str) {
    let key = key.as_bytes().to_vec();
    let record = Record { partition: topics::TRADES.partition_of(&key), key, headers: vec![], value: Some(value) };
    log.publish(vec![record]).await.unwrap();
}

async fn publish_event(log: &Log, event: &Event) {
    publish_value(log, wire::v1::trade::encode(event), &event.trade.key()).await;
}

/// Calls `found` until it returns something, for ten seconds at most.
async fn eventually<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = found().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("did not happen within ten seconds: {what}");
}

/// All messages about wallet `mock/0xa`, once there are `count`.
async fn published_updates(log: &Log, count: usize) -> Vec<PortfolioUpdated> {
    let partition = topics::PORTFOLIO_UPDATED.partition_of(b"mock/0xa");
    let decoded = |stored: Vec<Stored>| {
        assert!(stored.iter().all(|stored| stored.key == b"mock/0xa"));
        let values = stored.into_iter().filter_map(|stored| stored.value);
        let mut updates: Vec<_> = values.map(|value| wire::v1::portfolio::decode(&value).unwrap()).collect();
        // A service that ended between publishing and forgetting publishes the same message again.
        updates.dedup();
        updates
    };
    let found = async || Some(decoded(log.read_all(&partition).await.unwrap())).filter(|all| all.len() >= count);
    eventually(&format!("{count} messages"), found).await
}

fn balance_difference(update: &PortfolioUpdated, asset: &str) -> i128 {
    let change = update.changes.iter().find(|change| change.asset == asset).unwrap();
    change.after.parse::<i128>().unwrap() - change.before.parse::<i128>().unwrap()
}

#[tokio::test]
async fn trades_change_balances_and_reverts_undo_them() {
    for fresh in stores::fresh().await {
        let Some(database) = fresh.database.clone() else { continue };
        let log = Log::open(&Target::Memory).await.unwrap();
        let running = start(settings(&database, None), &log);
        let (one, two) = (trade("0xa", 1), trade("0xa", 2));
        publish_event(&log, &event(&one, Status::Observed)).await;
        let first = published_updates(&log, 1).await;
        assert_eq!((first[0].provider.as_str(), first[0].address.as_str()), ("mock", "0xa"));
        assert!(first[0].changes.iter().any(|change| change.asset == "coin"), "{first:?}");

        publish_event(&log, &event(&two, Status::Observed)).await;
        let second = published_updates(&log, 2).await;
        assert_eq!((balance_difference(&second[1], "coin"), balance_difference(&second[1], "usd")), (4, -10));
        running.stop().await;

        // While the service is stopped: a revert, the same revert again, and a record that is not a trade.
        publish_event(&log, &event(&two, Status::Reverted)).await;
        publish_event(&log, &event(&two, Status::Reverted)).await;
        publish_value(&log, b"{\"eventId\": 7}".to_vec(), "mock/0xa").await;
        let running = start(settings(&database, None), &log);
        let third = published_updates(&log, 3).await;
        assert_eq!(
            (balance_difference(&third[2], "coin"), balance_difference(&third[2], "usd")),
            (-4, 10),
            "{}",
            fresh.name
        );
        let dead = eventually("a dead letter", async || {
            let dead = log.read_all(&topics::PORTFOLIO_DLQ.partition(0)).await.unwrap();
            dead.into_iter().next()
        });
        assert_eq!(dead.await.value.unwrap(), b"{\"eventId\": 7}", "its original bytes");
        running.stop().await;
        assert_eq!(published_updates(&log, 3).await.len(), 3, "{}: nothing is counted twice", fresh.name);
        fresh.remove().await;
    }
}

#[tokio::test]
async fn health_shows_readiness_and_counters() {
    let fresh = stores::sqlite().await;
    let log = Log::open(&Target::Memory).await.unwrap();
    let addr = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let running = start(settings(fresh.database.as_ref().unwrap(), Some(addr)), &log);
    publish_event(&log, &event(&trade("0xa", 1), Status::Observed)).await;
    published_updates(&log, 1).await;
    let ready = eventually("readiness", async || health::probe_ready(addr).await.ok()).await;
    assert!(ready.contains(r#""status":"ready""#) && ready.contains(r#""refreshed":1"#), "{ready}");
    running.stop().await;
    assert!(health::probe(addr).await.is_err(), "the health server has stopped");
}

/// The log was lost and made again, and has grown past what was read: the service is not ready and says so, until the
/// new one is adopted.
#[tokio::test]
async fn another_tape_is_not_read_on_until_it_is_adopted() {
    let fresh = stores::sqlite().await;
    let addr = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let settings = settings(fresh.database.as_ref().unwrap(), Some(addr));
    let log = Log::open(&Target::Memory).await.unwrap();
    let running = start(settings.clone(), &log);
    publish_event(&log, &event(&trade("0xa", 1), Status::Observed)).await;
    let published = published_updates(&log, 1).await;
    running.stop().await;
    let log = Log::open(&Target::Memory).await.unwrap();
    for height in 2..5 {
        publish_event(&log, &event(&trade("0xa", height), Status::Observed)).await;
    }
    let running = start(settings.clone(), &log);
    let refused = eventually("the sentence", async || {
        let refused = health::probe_ready(addr).await.err()?.to_string();
        refused.contains("not the one that was read").then_some(refused)
    });
    let refused = refused.await;
    assert!(refused.contains("503") && refused.contains("portfolio adopt --accept-new-tape"), "{refused}");
    let further = published_updates(&log, 0).await;
    assert!(further.iter().all(|update| published.contains(update)), "nothing of it was read: {further:?}");
    portfolio::adopt(&settings, &log, AdoptCommand { accept_new_tape: true }).await.unwrap();
    published_updates(&log, further.len() + 1).await;
    eventually("readiness", async || health::probe_ready(addr).await.ok()).await;
    running.stop().await;
}

#[tokio::test]
async fn the_command_migrate_makes_the_tables_and_may_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().to_owned());
    for _ in 0..2 {
        portfolio::migrate(&settings(&database, None), MigrateCommand { grants: false }).await.unwrap();
    }
    assert!(directory.path().join("portfolio.db").is_file());
}

#[tokio::test]
async fn the_service_waits_for_an_unavailable_database() {
    let nowhere = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("postgres://nobody@{}/none", free.local_addr().unwrap())
    };
    let addr = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let log = Log::open(&Target::Memory).await.unwrap();
    let running = start(settings(&Database::parse(&nowhere).unwrap(), Some(addr)), &log);
    let alive = eventually("liveness", async || health::probe(addr).await.ok()).await;
    assert!(alive.contains(r#""status":"waiting""#) && alive.contains("database"), "{alive}");
    assert!(health::probe_ready(addr).await.is_err());
    running.stop().await;
}
