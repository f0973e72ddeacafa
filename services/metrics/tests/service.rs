//! The whole service on a log in memory and a SQLite file: trades, messages, dead letters, restarts.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use environment::Shutdown;
use metrics::Settings;
use metrics::adapters::sqlite::Sqlite;
use metrics::settings::Database;
use metrics_domain::{Limits, Method, PriceRules};
use migrations::MigrateCommand;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tape::{Event, Start};
use tape_log::dead_letter::{self, ReplayOutcome};
use tape_log::guard::AdoptCommand;
use tape_log::settings::KafkaSettings;
use tape_log::{Arrival, Log, Reader, Record, Target, topics};
use trades::{absent, present, record_value, swap, worth};
use wire::v1::metrics::MetricsUpdated;
use wire::v1::progress::{Block, ChainProgressed, Generation, State};

fn settings(directory: &Path) -> Settings {
    let database = Database::Sqlite(directory.join("metrics.db"));
    Settings {
        database,
        health: None,
        limits: Limits::default(),
        rules: Method::Average.into(),
        workers: 2,
        price_rules: PriceRules::default(),
        partitions: None,
        retention_days: None,
    }
}

/// A W3C `traceparent`.
const TRACE: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn record(event: &Event) -> Record {
    let key = event.trade.key().into_bytes();
    let value = Some(record_value(event));
    Record { partition: topics::TRADES.partition_of(&key), key, headers: vec![], value }
}

/// A running service.
struct Process {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Process {
    fn start(log: &Log, directory: &Path) -> Self {
        Self::start_with(log, settings(directory))
    }

    fn start_with(log: &Log, settings: Settings) -> Self {
        let shutdown = Shutdown::default();
        let task = tokio::spawn(metrics::run(settings, log.clone(), shutdown.clone()));
        Self { shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap();
    }
}

/// The next `count` records of a topic.
async fn next_records(reader: &mut Reader, count: usize) -> Vec<tape_log::Stored> {
    let mut records_read = vec![];
    while records_read.len() < count {
        let arrival = tokio::time::timeout(Duration::from_mins(1), reader.next()).await.unwrap().unwrap();
        if let Arrival::Records { records, .. } = arrival {
            records_read.extend(records);
        }
    }
    records_read
}

/// The first message that counts at least `count` swaps; earlier messages may be repeated.
async fn state_with_swaps(updates: &mut Reader, count: u64) -> MetricsUpdated {
    loop {
        let states = next_records(updates, 1).await.iter().map(state).collect::<Vec<_>>();
        if let Some(state) = states.into_iter().find(|state| state.totals.swaps >= count) {
            return state;
        }
    }
}

fn state(record: &tape_log::Stored) -> MetricsUpdated {
    wire::v1::metrics::decode(record.value.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn trades_become_messages_and_unreadable_records_are_dead_lettered_in_memory() {
    trades_become_messages_and_unreadable_records_are_dead_lettered(&Target::Memory).await;
}

#[tokio::test]
async fn trades_become_messages_and_unreadable_records_are_dead_lettered_on_kafka() {
    if let Some(target) = kafka() {
        trades_become_messages_and_unreadable_records_are_dead_lettered(&target).await;
    }
}

fn kafka() -> Option<Target> {
    static ENVIRONMENTS: AtomicU32 = AtomicU32::new(0);
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("skipped: KAFKA_BROKERS is not set");
        return None;
    };
    let number = ENVIRONMENTS.fetch_add(1, Ordering::Relaxed);
    let environment = format!("metrics-{}-{}-{number}", std::process::id(), environment::now_ms());
    let prefix = format!("{environment}.");
    Some(Target::Kafka(KafkaSettings::plain(brokers, prefix, environment).into()))
}

async fn trades_become_messages_and_unreadable_records_are_dead_lettered(target: &Target) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(target).await.unwrap();
    log.own(topics::OF_INGESTOR).await.unwrap();
    log.own(topics::OF_METRICS).await.unwrap();
    let all = topics::METRICS_UPDATED.partitions().map(|partition| (partition, Start::Beginning)).collect();
    let mut updates = log.assigned(all).await.unwrap();
    let mut dead = log.assigned(vec![(topics::METRICS_DLQ.partition(0), Start::Beginning)]).await.unwrap();

    let buy = worth(swap("ethereum", "0xann", 1, ("$usd", 10), ("cat", 10)), "10");
    let sell = worth(swap("ethereum", "0xann", 2, ("cat", 4), ("$usd", 8)), "8");
    let poison = Record { value: Some(b"{\"status\":\"maybe\"}".to_vec()), ..record(&present(&buy)) };
    let process = Process::start(&log, directory.path());
    log.publish(vec![record(&present(&buy)), poison.clone(), record(&present(&sell))]).await.unwrap();

    let refused = next_records(&mut dead, 1).await.remove(0);
    assert_eq!(refused.value, poison.value);
    assert!(refused.headers.iter().any(|(name, value)| name == "dlq.position" && value == b"1"));
    let mut latest = state(next_records(&mut updates, 1).await.last().unwrap());
    while latest.as_of.offset < 3 {
        latest = state(next_records(&mut updates, 1).await.last().unwrap());
    }
    assert_eq!((latest.chain.as_str(), latest.trader.as_str()), ("ethereum", "0xann"));
    assert_eq!((latest.totals.volume_usd.as_str(), latest.totals.realized_pnl_usd.as_str()), ("18", "4"));
    process.stop().await;

    // A new process reads on from the position in the database, and a revert removes what the old process stored.
    let process = Process::start(&log, directory.path());
    let traced = vec![("traceparent".to_owned(), TRACE.to_vec())];
    log.publish(vec![Record { headers: traced.clone(), ..record(&absent(&buy)) }]).await.unwrap();
    // A message that was published but not yet deleted when the process stopped is repeated: readers keep the newest.
    let record = loop {
        let record = next_records(&mut updates, 1).await.remove(0);
        if state(&record).as_of.offset > 3 {
            break record;
        }
    };
    let after = state(&record);
    assert_eq!(after.as_of.offset, 4);
    assert_eq!((after.totals.volume_usd.as_str(), after.totals.realized_pnl_usd.as_str()), ("8", "0"));
    assert_eq!(after.totals.proceeds_without_basis_usd, "8");
    assert_eq!(record.key, b"ethereum/0xann");
    assert!(record.headers.contains(&("ce_type".to_owned(), b"MetricsUpdatedV1".to_vec())));
    assert!(record.headers.ends_with(&traced), "{:?}", record.headers);
    process.stop().await;
}

#[tokio::test]
async fn history_and_dead_letters_are_read_beside_live_trades_in_memory() {
    history_and_dead_letters_are_read_beside_live_trades(&Target::Memory).await;
}

#[tokio::test]
async fn history_and_dead_letters_are_read_beside_live_trades_on_kafka() {
    if let Some(target) = kafka() {
        history_and_dead_letters_are_read_beside_live_trades(&target).await;
    }
}

/// The newest state of the user, once it covers `records` records of all topics.
async fn state_as_of(updates: &mut Reader, records: u64) -> MetricsUpdated {
    loop {
        let state = state(next_records(updates, 1).await.last().unwrap());
        if state.as_of.offset >= records {
            return state;
        }
    }
}

/// The dead letter of a record that a service read at `position` of the live topic.
fn dead_letter(record: &Record, position: u64) -> Record {
    let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
    let headers = vec![
        header("dlq.reason", "an older version could not read it".to_owned()),
        header("dlq.topic", record.partition.topic.to_string()),
        header("dlq.partition", record.partition.index.to_string()),
        header("dlq.position", position.to_string()),
    ];
    Record { partition: topics::METRICS_DLQ.partition(0), headers, ..record.clone() }
}

async fn history_and_dead_letters_are_read_beside_live_trades(target: &Target) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(target).await.unwrap();
    log.own(topics::OF_INGESTOR).await.unwrap();
    log.own(topics::OF_METRICS).await.unwrap();
    let all = topics::METRICS_UPDATED.partitions().map(|partition| (partition, Start::Beginning)).collect();
    let mut updates = log.assigned(all).await.unwrap();
    let sell = worth(swap("ethereum", "0xann", 9, ("cat", 4), ("$usd", 8)), "8");
    let buy = worth(swap("ethereum", "0xann", 2, ("$usd", 10), ("cat", 10)), "10");
    let live = record(&present(&sell));
    let number = live.partition.index;

    let process = Process::start(&log, directory.path());
    log.publish(vec![live.clone()]).await.unwrap();
    let first = state_as_of(&mut updates, 1).await;
    assert_eq!((first.totals.realized_pnl_usd.as_str(), first.totals.proceeds_without_basis_usd.as_str()), ("0", "8"));
    // Published later by a backfill, it is before the sale in chain order.
    log.publish(vec![Record { partition: topics::HISTORY.partition(number), ..record(&present(&buy)) }]).await.unwrap();
    let filled = state_as_of(&mut updates, 2).await;
    assert_eq!((filled.totals.volume_usd.as_str(), filled.totals.realized_pnl_usd.as_str()), ("18", "4"));

    let more = |height| record(&present(&worth(swap("ethereum", "0xann", height, ("$usd", 5), ("dog", 5)), "5")));
    let garbage = Record { value: Some(b"{}".to_vec()), ..more(3) };
    let mut dead_letters =
        vec![dead_letter(&more(4), 70), dead_letter(&garbage, 71), dead_letter(&more(8), 72), dead_letter(&live, 0)];
    dead_letters.push(dead_letter(&record(&absent(&sell)), 0));
    log.publish(dead_letters).await.unwrap();
    log.publish(vec![live]).await.unwrap();
    log.publish(vec![finalized("ethereum", 7)]).await.unwrap();
    let outcomes = dead_letter::replay(&log, &topics::READ_BY_METRICS).await.unwrap();
    let outcomes: Vec<ReplayOutcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    assert!(matches!(outcomes[..2], [ReplayOutcome::Replayed, ReplayOutcome::Unreadable(_)]), "{outcomes:?}");
    assert_eq!(outcomes[2..], [ReplayOutcome::NotFinal, ReplayOutcome::Superseded, ReplayOutcome::AlreadyReplayed]);
    // The sale arrived twice, which changes nothing; a dead letter counts once, however often it is replayed.
    let replayed = state_as_of(&mut updates, 4).await;
    assert_eq!((replayed.totals.volume_usd.as_str(), replayed.totals.swaps), ("23", 3));
    let again = dead_letter::replay(&log, &topics::READ_BY_METRICS).await.unwrap();
    assert_eq!(again[0].1, ReplayOutcome::AlreadyReplayed);
    process.stop().await;
}

/// The progress of a chain whose block at a height is final.
fn finalized(chain: &str, height: u64) -> Record {
    let block = |height| Some(Block { height, hash: format!("block{height}") });
    let progress = ChainProgressed {
        chain: chain.to_owned(),
        network: "network".to_owned(),
        step: 1,
        at: 0,
        state: State::Live,
        reason: None,
        published: block(height + 2),
        latest: block(height + 2),
        finalized: block(height),
        lag_blocks: 0,
        detector: Generation { plugin: "p".to_owned(), version: "1".to_owned(), digest: "d".to_owned() },
        proof: "none".to_owned(),
        display: BTreeMap::new(),
        providers: BTreeMap::new(),
        partitions: vec![],
        history: vec![],
        covered: vec![],
        candidates: vec![],
        unbacked: 0,
        dropped: BTreeMap::new(),
        waiting: false,
        since: 0,
        endpoint: None,
        written_by: None,
    };
    let value = Some(wire::v1::progress::encode(&progress));
    Record { partition: topics::PROGRESS.partition(0), key: chain.as_bytes().to_vec(), headers: vec![], value }
}

/// Old trades are dropped once the progress of their chain says that they are final; later events below them change
/// nothing.
#[tokio::test]
async fn old_trades_are_dropped_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let trade = |height, usd| record(&present(&worth(swap("mock", "ann", height, ("$usd", 10), ("cat", 10)), usd)));
    let partition = topics::METRICS_UPDATED.partition_of(b"mock/ann");
    let mut updates = log.assigned(vec![(partition, Start::Beginning)]).await.unwrap();
    log.publish(vec![trade(1, "10"), trade(3, "10")]).await.unwrap();
    let process = Process::start(&log, directory.path());
    state_with_swaps(&mut updates, 2).await;
    process.stop().await;
    log.publish(vec![finalized("mock", 3)]).await.unwrap();
    let process = Process::start_with(&log, Settings { retention_days: Some(30), ..settings(directory.path()) });
    let store = Sqlite::open(&directory.path().join("metrics.db"), Method::Average).await.unwrap();
    let dropped = async {
        while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM trades_v1").fetch_one(store.pool()).await.unwrap() > 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), dropped).await.expect("old trades are dropped within a minute");
    log.publish(vec![trade(2, "7"), trade(4, "5")]).await.unwrap();
    assert_eq!(state_with_swaps(&mut updates, 3).await.totals.volume_usd, "25", "the one below is late");
    process.stop().await;
}

/// What a platform was used for is there within seconds of the first trades, not only with the regular rebuilding.
#[tokio::test]
async fn platforms_appear_within_seconds_of_the_first_trades() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let trade = |height| {
        let mut trade = worth(swap("mock", "ann", height, ("$usd", 10), ("cat", 10)), "10");
        trade.platform = Some("shop".to_owned());
        record(&present(&trade))
    };
    let mut updates =
        log.assigned(vec![(topics::METRICS_UPDATED.partition_of(b"mock/ann"), Start::Beginning)]).await.unwrap();
    let process = Process::start(&log, directory.path());
    log.publish(vec![trade(1)]).await.unwrap();
    state_with_swaps(&mut updates, 1).await;
    log.publish(vec![trade(2)]).await.unwrap();
    let store = Sqlite::open(&directory.path().join("metrics.db"), Method::Average).await.unwrap();
    let summed_up = async {
        let query = "SELECT swaps FROM platforms_v1 WHERE platform = 'shop'";
        while sqlx::query_scalar::<_, i64>(query).fetch_optional(store.pool()).await.unwrap() != Some(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), summed_up).await.expect("platforms are summed up within 20 s");
    process.stop().await;
}

/// The log was lost and made again, and has grown past what was read: nothing of it is read, and the service says so,
/// until it is adopted; then what it has is folded onto the tables as they are.
#[tokio::test]
async fn another_tape_is_not_read_on_until_it_is_adopted() {
    let directory = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let settings = Settings { health: Some(addr), ..settings(directory.path()) };
    let events =
        [1, 2, 3, 4].map(|height| present(&worth(swap("ethereum", "ann", height, ("$usd", 10), ("cat", 1)), "10")));
    let log = Log::open(&Target::Memory).await.unwrap();
    let mut updates = updates_of(&log).await;
    let process = Process::start_with(&log, settings.clone());
    log.publish(vec![record(&events[0])]).await.unwrap();
    state_with_swaps(&mut updates, 1).await;
    process.stop().await;
    let log = Log::open(&Target::Memory).await.unwrap();
    let mut updates = updates_of(&log).await;
    // The first trade is on it again, and others besides.
    log.publish(events.iter().rev().map(record).collect()).await.unwrap();
    let process = Process::start_with(&log, settings.clone());
    let said = async {
        loop {
            match environment::health::probe_ready(addr).await {
                Err(refused) if refused.to_string().contains("not the one that was read") => {
                    return refused.to_string();
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_mins(1), said).await.unwrap();
    assert!(said.contains("503") && said.contains("metrics adopt --accept-new-tape"), "{said}");
    let store = Sqlite::open(&directory.path().join("metrics.db"), Method::Average).await.unwrap();
    let trades: i64 = sqlx::query_scalar("SELECT count(*) FROM trades").fetch_one(store.pool()).await.unwrap();
    assert_eq!(trades, 1, "nothing of it was read");
    let refold = metrics::refold::refold(&settings, &log, |_| {}).await.unwrap_err();
    assert!(refold.to_string().contains("not the one that was read"), "{refold}");
    metrics::adopt(&settings, &log, AdoptCommand { accept_new_tape: true }).await.unwrap();
    let state = state_with_swaps(&mut updates, 4).await;
    assert_eq!((state.totals.volume_usd.as_str(), state.totals.swaps), ("40", 4), "the first counts once");
    process.stop().await;
}

#[tokio::test]
async fn the_command_migrate_makes_the_tables_and_may_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        metrics::migrate(&settings(directory.path()), MigrateCommand { grants: false }).await.unwrap();
    }
    let fifo = Settings { rules: Method::Fifo.into(), ..settings(directory.path()) };
    let refused = metrics::migrate(&fifo, MigrateCommand { grants: false }).await.unwrap_err();
    assert!(format!("{refused:#}").starts_with("use the database: "), "tables of another method: {refused:#}");
}

async fn updates_of(log: &Log) -> Reader {
    let all = topics::METRICS_UPDATED.partitions().map(|partition| (partition, Start::Beginning));
    log.assigned(all.collect()).await.unwrap()
}

#[tokio::test]
async fn a_health_address_in_use_ends_the_service_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let settings = Settings { health: Some(taken.local_addr().unwrap()), ..settings(directory.path()) };
    let ended = metrics::run(settings, log, Shutdown::default()).await;
    assert!(ended.unwrap_err().to_string().starts_with("serve health on 127.0.0.1:"));
}
