//! The guard on every log: one that was replaced, cut or shortened is not read on, at the start and while it runs, until
//! it is adopted.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape::{Delivery, Feed, Partition, Start, Unavailable};
use tape_log::feed::TradeFeed;
use tape_log::guard::{AdoptCommand, KnownPartition, NotedPartition, PartitionProgress, TapeGuard, TapeMemory, adopt};
use tape_log::settings::KafkaSettings;
use tape_log::topics::{self, READ_BY_METRICS};
use tape_log::{Log, Record, Target};

const LONG: Duration = Duration::from_mins(1);

/// A consumer's database.
#[derive(Clone, Default)]
struct Database(Arc<Mutex<HashMap<Partition, KnownPartition>>>);

impl Database {
    fn change(&self, partition: &Partition, change: impl FnOnce(&mut KnownPartition)) {
        let mut known = self.0.lock().unwrap();
        let fresh = KnownPartition { partition: partition.clone(), tape: None, first: 0, next: None };
        change(known.entry(partition.clone()).or_insert(fresh));
    }

    fn next(&self, partition: &Partition) -> Option<u64> {
        self.0.lock().unwrap().get(partition).and_then(|known| known.next)
    }
}

impl TapeMemory for Database {
    async fn known_partitions(&self) -> Result<Vec<KnownPartition>, Unavailable> {
        Ok(self.0.lock().unwrap().values().cloned().collect())
    }

    async fn note_partitions(&self, noted: &[NotedPartition]) -> Result<(), Unavailable> {
        self.adopt_partitions(noted, &[]).await
    }

    async fn adopt_partitions(&self, noted: &[NotedPartition], unread: &[Partition]) -> Result<(), Unavailable> {
        for NotedPartition { partition, tape, first } in noted {
            self.change(partition, |known| (known.tape, known.first) = (Some(tape.to_string()), *first));
        }
        for partition in unread {
            self.change(partition, |known| known.next = None);
        }
        Ok(())
    }
}

/// A consumer of trades with its guard.
struct Consumer {
    feed: TradeFeed,
    guard: Arc<TapeGuard>,
    database: Database,
    watching: tokio::task::JoinHandle<()>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Consumer {
    async fn start(log: &Log, database: &Database) -> Self {
        let guard: Arc<TapeGuard> = Arc::default();
        let (watched, log_of_guard, memory) = (Arc::clone(&guard), log.clone(), database.clone());
        let watching =
            tokio::spawn(async move { match watched.watch(&log_of_guard, &READ_BY_METRICS, &memory).await {} });
        let feed = TradeFeed::join(log, READ_BY_METRICS).await.unwrap().guarded_by(&guard);
        Self { feed, guard, database: database.clone(), watching }
    }

    /// Reads until something was delivered of the partition, from where the database says; commits it and returns the
    /// traders.
    async fn read(&mut self, partition: &Partition) -> Vec<String> {
        let reading = async {
            loop {
                // A failure of the log is tried again, as services do.
                let Ok(delivery) = self.feed.next().await else { continue };
                match delivery {
                    Delivery::Gained(gained) => {
                        let start = self.database.next(&gained).map_or(Start::Beginning, Start::At);
                        self.feed.seek(&gained, start).await.unwrap();
                    }
                    Delivery::Batch(batch) if batch.partition == *partition => {
                        self.database.change(partition, |known| known.next = Some(batch.next));
                        let trader = |record: tape::TradeRecord| record.event.trade.trader.address;
                        return batch.events.into_iter().map(trader).collect();
                    }
                    Delivery::Batch(_) | Delivery::Lost(_) => {}
                }
            }
        };
        tokio::time::timeout(LONG, reading).await.expect("a batch within a minute")
    }

    async fn read_all(&mut self, partition: &Partition, count: usize) -> Vec<String> {
        let mut traders = vec![];
        while traders.len() < count {
            traders.extend(self.read(partition).await);
        }
        traders
    }

    /// Waits until the guard finds something wrong; until then and after, nothing is delivered.
    async fn stopped(&mut self, partition: &Partition) -> Arc<str> {
        let guard = Arc::clone(&self.guard);
        let found = async {
            loop {
                if let Some(why) = guard.problem() {
                    return why;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            read = self.read(partition) => panic!("{read:?} was delivered"),
            why = tokio::time::timeout(LONG, found) => why.expect("a finding within a minute"),
        }
    }

    async fn adopt(&self, log: &Log, accept_new_tape: bool) -> String {
        adopt(AdoptCommand { accept_new_tape }, log, &READ_BY_METRICS, &self.database).await.unwrap().join("\n")
    }
}

/// Trades of these traders, all in one partition.
async fn publish(log: &Log, partition: &Partition, traders: &[&str]) {
    let record = |trader: &&str| {
        let mut event = wire::v1::trade::decode(include_bytes!("../../wire/golden/trade-executed-v1.json")).unwrap();
        (*trader).clone_into(&mut event.trade.trader.address);
        let (key, value) = (event.trade.key().into_bytes(), Some(wire::v1::trade::encode(&event)));
        Record { partition: partition.clone(), key, headers: vec![], value }
    };
    log.publish(traders.iter().map(record).collect()).await.unwrap();
}

async fn open(target: &Target) -> Log {
    let log = Log::open(target).await.unwrap();
    own(&log).await;
    log
}

async fn own(log: &Log) {
    log.own(topics::OF_INGESTOR).await.unwrap();
    log.own(topics::OF_METRICS).await.unwrap();
}

/// What every log says of itself.
async fn a_log_knows_who_it_is(log: &Log) {
    let asked = [topics::TRADES, topics::HISTORY];
    let identities = log.identities(&asked).await.unwrap();
    assert_eq!(identities.keys().map(|name| &**name).collect::<Vec<_>>(), asked.map(|topic| topic.name));
    assert_eq!(log.identities(&asked).await.unwrap(), identities, "it stays the same");
    let partition = topics::TRADES.partition(5);
    let before = spans(log, &partition).await;
    assert_eq!(before, (0, 0));
    publish(log, &partition, &["a", "b"]).await;
    assert_eq!(spans(log, &partition).await, (0, 2));
}

async fn spans(log: &Log, partition: &Partition) -> (u64, u64) {
    let spans = log.spans(&topics::TRADES).await.unwrap();
    assert_eq!(spans.len(), 64);
    let (_, span) = spans.into_iter().find(|(found, _)| found == partition).unwrap();
    (span.first, span.end)
}

/// Reads two trades of the log.
async fn read_two(log: &Log) -> (Consumer, Partition) {
    let partition = topics::TRADES.partition(7);
    publish(log, &partition, &["old 1", "old 2"]).await;
    let mut consumer = Consumer::start(log, &Database::default()).await;
    assert_eq!(consumer.read_all(&partition, 2).await, ["old 1", "old 2"]);
    (consumer, partition)
}

/// The log is another one that has grown past the old positions: nothing of it is read until it is adopted, and then all.
async fn is_read_once_it_is_adopted(log: &Log, mut consumer: Consumer, partition: &Partition) {
    let why = consumer.stopped(partition).await;
    assert!(why.contains("topic trades.executed.v1 is not the one that was read"), "{why}");
    assert!(why.contains("metrics adopt --accept-new-tape"), "{why}");
    let shown = consumer.adopt(log, false).await;
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!(consumer.stopped(partition).await, why);
    consumer.adopt(log, true).await;
    assert_eq!(consumer.read_all(partition, 3).await, ["new 1", "new 2", "new 3"], "from its beginning");
    assert_eq!(consumer.guard.problem(), None);
    assert!(consumer.adopt(log, true).await.contains("nothing to adopt"));
}

const NEW: [&str; 3] = ["new 1", "new 2", "new 3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_memory() {
    let log = open(&Target::Memory).await;
    a_log_knows_who_it_is(&log).await;
    let (consumer, partition) = read_two(&log).await;
    let log = open(&Target::Memory).await;
    publish(&log, &partition, &NEW).await;
    let consumer = Consumer::start(&log, &consumer.database).await;
    is_read_once_it_is_adopted(&log, consumer, &partition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite(folder.path().join("tape.db"));
    let log = open(&target).await;
    a_log_knows_who_it_is(&log).await;
    let (consumer, partition) = read_two(&log).await;
    drop(log);
    // Opened again, it is the same.
    let log = open(&target).await;
    let mut consumer = Consumer::start(&log, &consumer.database).await;
    publish(&log, &partition, &["old 3"]).await;
    assert_eq!(consumer.read(&partition).await, ["old 3"]);
    // Restored from a copy that is older than the database.
    consumer.database.change(&partition, |known| known.next = Some(9));
    let mut consumer = Consumer::start(&log, &consumer.database).await;
    let why = consumer.stopped(&partition).await;
    assert!(why.contains("partition 7 ends at 3, and was read up to 9"), "{why}");
    let other = tempfile::tempdir().unwrap();
    let log = open(&Target::Sqlite(other.path().join("tape.db"))).await;
    publish(&log, &partition, &NEW).await;
    let consumer = Consumer::start(&log, &consumer.database).await;
    is_read_once_it_is_adopted(&log, consumer, &partition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_what_the_database_has_not_read() {
    let (log, partition) = (open(&Target::Memory).await, topics::TRADES.partition(7));
    publish(&log, &partition, &NEW).await;
    let database = Database::default();
    for (next, lag) in [(None, 3), (Some(1), 2), (Some(3), 0)] {
        database.change(&partition, |known| known.next = next);
        let consumer = Consumer::start(&log, &database).await;
        let mut progress = consumer.guard.read_progress();
        let compared = progress.wait_for(|all| !all.is_empty());
        let all = tokio::time::timeout(LONG, compared).await.unwrap().unwrap().clone();
        let lags: Vec<_> = all.iter().filter(|it| it.lag > 0 || it.next.is_some()).collect();
        let expected = PartitionProgress { partition: partition.clone(), next, lag };
        assert_eq!(lags, [&expected], "the other partitions are empty");
        assert_eq!(all.len(), 3 * 64, "live, history and replayed trades");
    }
}

#[cfg(feature = "kafka")]
mod on_kafka {
    use super::*;
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::{Offset, TopicPartitionList};

    struct Cluster {
        target: Target,
        admin: AdminClient<DefaultClientContext>,
        trades: String,
        /// Of the consumers that metrics has.
        group: ClientConfig,
    }

    fn cluster(name: &str) -> Option<Cluster> {
        let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
            println!("skipped: KAFKA_BROKERS is not set");
            return None;
        };
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let environment = format!("{name}-{}-{}", std::process::id(), environment::now_ms());
        let prefix = format!("{environment}.");
        let trades = format!("{prefix}{}", topics::TRADES.name);
        let mut group = ClientConfig::new();
        group.set("bootstrap.servers", &brokers).set("group.id", format!("{environment}.{prefix}metrics"));
        let target = Target::Kafka(KafkaSettings::plain(brokers, prefix, environment).into());
        Some(Cluster { target, admin, trades, group })
    }

    /// The topic is deleted and made again under a running consumer, and grows past the old positions.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_topic_that_is_replaced_under_a_running_consumer() {
        let Some(Cluster { target, admin, trades, .. }) = cluster("replaced") else { return };
        let log = open(&target).await;
        a_log_knows_who_it_is(&log).await;
        let (mut consumer, partition) = read_two(&log).await;
        admin.delete_topics(&[&trades], &AdminOptions::new()).await.unwrap();
        let why = consumer.stopped(&partition).await;
        assert!(why.contains("topic trades.executed.v1 is gone"), "{why}");
        let made = async {
            // The deletion of a topic takes a moment.
            while log.own(topics::OF_INGESTOR).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LONG, made).await.unwrap();
        publish(&log, &partition, &NEW).await;
        let replaced = async {
            while consumer.guard.problem().is_none_or(|why| !why.contains("not the one that was read")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, replaced).await.unwrap();
        is_read_once_it_is_adopted(&log, consumer, &partition).await;
    }

    /// What the database has committed is committed to the group, for those who look at its lag; nobody reads on from there.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_group_is_told_what_the_database_has() {
        let Some(Cluster { target, trades, group, .. }) = cluster("positions") else { return };
        let log = open(&target).await;
        let (mut consumer, partition) = read_two(&log).await;
        let observer: Arc<BaseConsumer> = Arc::new(group.create().unwrap());
        let index = partition.index.cast_signed();
        let committed = async {
            loop {
                let (observer, trades) = (Arc::clone(&observer), trades.clone());
                let look = move || {
                    let mut asked = TopicPartitionList::new();
                    asked.add_partition(&trades, index);
                    let found = observer.committed_offsets(asked, LONG).unwrap();
                    found.find_partition(&trades, index).unwrap().offset()
                };
                if tokio::task::spawn_blocking(look).await.unwrap() == Offset::Offset(2) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            read = consumer.read(&partition) => panic!("{read:?} was delivered"),
            told = tokio::time::timeout(LONG, committed) => told.expect("committed within a minute"),
        }
        let database = consumer.database.clone();
        drop(consumer);
        database.change(&partition, |known| known.next = Some(1));
        let mut consumer = Consumer::start(&log, &database).await;
        assert_eq!(consumer.read(&partition).await, ["old 2"], "the database alone says where to go on");
    }

    /// Records at the beginning are deleted under a running consumer: it could go on, but never be folded again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_topic_whose_beginning_is_cut() {
        let Some(Cluster { target, admin, trades, .. }) = cluster("cut") else { return };
        let log = open(&target).await;
        let (mut consumer, partition) = read_two(&log).await;
        let mut below = TopicPartitionList::new();
        below.add_partition_offset(&trades, partition.index.cast_signed(), Offset::Offset(1)).unwrap();
        admin.delete_records(&below, &AdminOptions::new()).await.unwrap();
        let why = consumer.stopped(&partition).await;
        assert!(why.contains("partition 7 begins at 1, though it is kept for ever"), "{why}");
        consumer.adopt(&log, true).await;
        publish(&log, &partition, &["old 3"]).await;
        assert_eq!(consumer.read(&partition).await, ["old 3"], "it goes on where it was");
        let mut fresh = Consumer::start(&log, &Database::default()).await;
        let why = fresh.stopped(&partition).await;
        assert!(why.contains("begins at 1"), "also before anything was read: {why}");
    }
}
