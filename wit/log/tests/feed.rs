//! The trade feed on every log: companions come and go with the live partition, and the audit's figures are right.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;
use tape::{Batch, Delivery, Event, Feed, Partition, Start};
use tape_log::feed::TradeFeed;
use tape_log::settings::KafkaSettings;
use tape_log::{Log, Record, Target, topics};
use wire::v1::progress::{ChainProgressed, Covered, Generation, PartitionProgress, State};

const LONG: Duration = Duration::from_mins(1);

fn event(trader: &str) -> Event {
    let mut event = wire::v1::trade::decode(include_bytes!("../../wire/golden/trade-executed-v1.json")).unwrap();
    trader.clone_into(&mut event.trade.trader.address);
    event
}

fn record(topic: &tape_log::Topic, event: &Event) -> Record {
    let key = event.trade.key().into_bytes();
    Record { partition: topic.partition_of(&key), key, headers: vec![], value: Some(wire::v1::trade::encode(event)) }
}

/// What the chain says it wrote.
fn progress(chain: &str, live: &Partition, count: u64, next: u64) -> Record {
    let progress = ChainProgressed {
        chain: chain.to_owned(),
        network: "1".to_owned(),
        step: 1,
        at: 0,
        state: State::Live,
        reason: None,
        published: None,
        latest: None,
        finalized: None,
        lag_blocks: 0,
        detector: Generation { plugin: "p".to_owned(), version: "1".to_owned(), digest: "d".to_owned() },
        proof: "none".to_owned(),
        display: BTreeMap::new(),
        providers: BTreeMap::new(),
        partitions: vec![PartitionProgress { partition: live.index, next, count }],
        history: vec![],
        covered: vec![Covered { from: 1, to: 5 }, Covered { from: 8, to: 9 }],
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

/// The next delivery, gained partitions sought.
async fn next(feed: &mut TradeFeed) -> Delivery {
    let delivery = tokio::time::timeout(LONG, feed.next()).await.expect("a delivery within a minute").unwrap();
    if let Delivery::Gained(partition) = &delivery {
        feed.seek(partition, Start::Beginning).await.unwrap();
    }
    delivery
}

/// The next batch.
async fn whole(feed: &mut TradeFeed) -> Batch {
    loop {
        if let Delivery::Batch(batch) = next(feed).await {
            return batch;
        }
    }
}

/// The next batch; its log and traders.
async fn batch(feed: &mut TradeFeed) -> (String, Vec<String>) {
    let batch = whole(feed).await;
    let traders = batch.events.into_iter().map(|record| record.event.trade.trader.address).collect();
    (batch.partition.topic.to_string(), traders)
}

/// Reads on until something is so.
async fn until(feed: &mut TradeFeed, so: impl Fn() -> bool) {
    let reading = async {
        while !so() {
            tokio::select! {
                _ = feed.next() => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("the figures change within a minute");
}

async fn every_promise(target: Target) {
    let log = Log::open(&target).await.unwrap();
    for topics in [topics::OF_INGESTOR, topics::OF_METRICS, topics::OF_PORTFOLIO] {
        log.own(topics).await.unwrap();
    }
    let ann = event("0xann");
    let chain = ann.trade.chain.to_string();
    let live = record(&topics::TRADES, &ann);
    log.publish(vec![live.clone()]).await.unwrap();
    let mut feed = TradeFeed::join(&log, topics::READ_BY_METRICS).await.unwrap();
    let counters = feed.counters();
    assert_eq!(batch(&mut feed).await, ("trades.executed.v1".to_owned(), vec!["0xann".to_owned()]));
    for topic in [topics::HISTORY, topics::METRICS_REPLAY] {
        log.publish(vec![record(&topic, &ann)]).await.unwrap();
        assert_eq!(batch(&mut feed).await, (topic.name.to_owned(), vec!["0xann".to_owned()]));
    }

    // A batch belongs to the trace of its newest record.
    let history = topics::HISTORY.partition(live.partition.index);
    let traced = |trace: &[u8]| {
        let headers = vec![("traceparent".to_owned(), trace.to_vec())];
        Record { headers, partition: history.clone(), ..live.clone() }
    };
    log.publish(vec![traced(b"of the first"), traced(b"of the second")]).await.unwrap();
    let mut seen = 0;
    while seen < 2 {
        let batch = whole(&mut feed).await;
        seen += batch.events.len();
        assert_eq!(batch.trace.as_deref(), Some(if seen == 2 { "of the second" } else { "of the first" }));
    }

    // Another service's replay is not read, and a record that cannot be read becomes a dead letter as it was, with a value or without.
    let poison = [Some(b"{}".to_vec()), None].map(|value| Record { value, partition: history.clone(), ..live.clone() });
    let sent = [record(&topics::PORTFOLIO_REPLAY, &ann)].into_iter().chain(poison);
    log.publish(sent.collect()).await.unwrap();
    let dead = topics::METRICS_HISTORY_DLQ.partition(0);
    while counters.named()[0].1 < 2 {
        assert_eq!(batch(&mut feed).await, ("trades.history.v1".to_owned(), vec![]));
    }
    let letters = log.read_all(&dead).await.unwrap().into_iter().map(|letter| letter.value);
    assert_eq!(letters.collect::<Vec<_>>(), [Some(b"{}".to_vec()), None]);

    // One record counted and read; then two counted and one read.
    log.publish(vec![progress(&chain, &live.partition, 1, 1)]).await.unwrap();
    until(&mut feed, || counters.named()[3].1 == 2).await;
    log.publish(vec![live.clone()]).await.unwrap();
    batch(&mut feed).await;
    let next_position = log.read_all(&live.partition).await.unwrap().last().unwrap().position + 1;
    log.publish(vec![progress(&chain, &live.partition, 3, next_position)]).await.unwrap();
    until(&mut feed, || counters.named()[1].1 > 0).await;
    assert_eq!(counters.named(), [("deadLettered", 2), ("lost", 1), ("doubled", 0), ("gap", 2)]);

    // The reader that gains a live partition gains its companions, and one that loses it reads neither.
    let mut second = TradeFeed::join(&log, topics::READ_BY_METRICS).await.unwrap();
    let (mut lost, mut gained): (Vec<Partition>, Vec<Partition>) = (vec![], vec![]);
    while lost.len() < 3 || gained.len() < 3 || gained.len() % 3 != 0 || lost.len() % 3 != 0 {
        tokio::select! {
            delivery = next(&mut feed) => if let Delivery::Lost(partition) = delivery { lost.push(partition) },
            delivery = next(&mut second) => if let Delivery::Gained(partition) = delivery { gained.push(partition) },
        }
    }
    for three in gained.chunks(3) {
        assert!(three.iter().all(|partition| partition.index == three[0].index), "{three:?}");
    }
    drop(feed);
    let mut logs = vec![];
    while logs.len() < 3 {
        let (log, traders) = batch(&mut second).await;
        if traders.contains(&"0xann".to_owned()) && !logs.contains(&log) {
            logs.push(log);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    every_promise(Target::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    every_promise(Target::Sqlite(folder.path().join("log.db"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_every_promise() {
    let Ok(brokers) = std::env::var("KAFKA_BROKERS") else {
        println!("skipped: KAFKA_BROKERS is not set");
        return;
    };
    let environment = format!("feed-{}-{}", std::process::id(), environment::now_ms());
    let prefix = format!("{environment}.");
    every_promise(Target::Kafka(KafkaSettings::plain(brokers, prefix, environment).into())).await;
}
