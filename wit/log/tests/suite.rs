//! One suite for every log: what a writer and a reader are promised, on memory, SQLite and Kafka alike.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tape::{Partition, Start};
use tape_log::settings::KafkaSettings;
use tape_log::{Appended, Arrival, Log, Reader, Record, Target, topics};

const LONG: Duration = Duration::from_mins(1);

fn record(partition: &Partition, key: &str, value: Option<&str>) -> Record {
    Record {
        partition: partition.clone(),
        key: key.as_bytes().to_vec(),
        headers: vec![("ce_type".to_owned(), b"Test".to_vec())],
        value: value.map(|text| text.as_bytes().to_vec()),
    }
}

fn texts(records: &[tape_log::Stored]) -> Vec<String> {
    records.iter().map(|r| String::from_utf8(r.value.clone().unwrap_or_default()).unwrap()).collect()
}

/// What counts of a compacted partition.
async fn folded(log: &Log, partition: &Partition) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for record in log.read_all(partition).await.unwrap() {
        let key = String::from_utf8(record.key).unwrap();
        match record.value {
            Some(value) => state.insert(key, String::from_utf8(value).unwrap()),
            None => state.remove(&key),
        };
    }
    state
}

async fn next(reader: &mut Reader) -> Arrival {
    tokio::time::timeout(LONG, reader.next()).await.expect("an arrival within a minute").unwrap()
}

async fn an_append_is_whole_and_in_order(log: &Log) {
    let (trades, journal) = (topics::TRADES.partition(1), topics::JOURNAL.partition(1));
    let mut writer = log.writer("whole").await.unwrap();
    let before = log.read_all(&trades).await.unwrap().len();
    let step = vec![record(&trades, "a", Some("1")), record(&trades, "a", Some("2"))];
    let mut announced = vec![];
    let done = writer
        .append(step, |ends| {
            announced.clone_from(ends);
            vec![record(&journal, "whole", Some("cursor"))]
        })
        .await;
    assert!(matches!(done, Appended::Done), "{done:?}");
    let stored = log.read_all(&trades).await.unwrap();
    assert_eq!(texts(&stored[before..]), ["1", "2"]);
    assert_eq!(stored.last().unwrap().headers, [("ce_type".to_owned(), b"Test".to_vec())]);
    assert_eq!(
        announced,
        [(trades, stored.last().unwrap().position + 1)],
        "the seal knows where the records will stand"
    );
    assert_eq!(folded(log, &journal).await["whole"], "cursor");
}

async fn a_second_claim_fences_the_first(log: &Log) {
    let partition = topics::JOURNAL.partition(2);
    let mut first = log.writer("fenced").await.unwrap();
    assert!(matches!(first.append(vec![record(&partition, "f", Some("first"))], |_| vec![]).await, Appended::Done));
    let mut second = log.writer("fenced").await.unwrap();
    let late = first.append(vec![record(&partition, "f", Some("late"))], |_| vec![]).await;
    assert!(matches!(late, Appended::Lost), "{late:?}");
    assert!(matches!(second.append(vec![record(&partition, "g", Some("second"))], |_| vec![]).await, Appended::Done));
    let state = folded(log, &partition).await;
    assert_eq!((state["f"].as_str(), state["g"].as_str()), ("first", "second"));
}

async fn two_writers_share_a_share(log: &Log) {
    let partition = topics::JOURNAL.partition(3);
    let (mut one, mut two) = (log.writer("one").await.unwrap(), log.writer("two").await.unwrap());
    for turn in 0..3 {
        let turn = turn.to_string();
        assert!(matches!(one.append(vec![record(&partition, "one", Some(&turn))], |_| vec![]).await, Appended::Done));
        assert!(matches!(two.append(vec![record(&partition, "two", Some(&turn))], |_| vec![]).await, Appended::Done));
    }
    let state = folded(log, &partition).await;
    assert_eq!((state["one"].as_str(), state["two"].as_str()), ("2", "2"));
}

/// The process dies between producing and committing: after the next claim nothing of the step is there.
async fn a_step_cut_short_leaves_nothing(log: &Log) {
    let partition = topics::TRADES.partition(4);
    let mut writer = log.writer("cut").await.unwrap();
    let records = vec![record(&partition, "c", Some("ghost"))];
    let cut = tokio::spawn(async move { writer.append(records, |_| panic!("the process dies here")).await });
    assert!(cut.await.is_err());
    let mut writer = log.writer("cut").await.unwrap();
    assert!(matches!(writer.append(vec![record(&partition, "c", Some("real"))], |_| vec![]).await, Appended::Done));
    assert_eq!(texts(&log.read_all(&partition).await.unwrap()), ["real"]);
}

/// A record that its topic does not take is refused for good, alone, and the writer's next claim goes on.
async fn a_record_that_is_too_large_is_refused_and_named(log: &Log) {
    let partition = topics::TRADES.partition(9);
    // Nothing compresses it, so brokers see its size.
    let mut seed = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((seed >> 33) % 90).unwrap())
    })
    .take(1_500_000)
    .collect();
    let mut writer = log.writer("large").await.unwrap();
    let step = vec![record(&partition, "fits", Some("1")), record(&partition, "large/one", Some(&noise))];
    let Appended::Refused(why) = writer.append(step, |_| vec![]).await else { panic!("it is not refused") };
    let sentence = why.source.to_string();
    assert!(sentence.contains("large/one") && sentence.contains(topics::TRADES.name), "{sentence}");
    let mut writer = log.writer("large").await.unwrap();
    assert!(matches!(writer.append(vec![record(&partition, "l", Some("2"))], |_| vec![]).await, Appended::Done));
    assert_eq!(texts(&log.read_all(&partition).await.unwrap()), ["2"], "nothing of the refused step is there");
    let refused = log.publish(vec![record(&partition, "large/two", Some(&noise))]).await.unwrap_err();
    assert!(refused.source.to_string().contains("large/two"), "{}", refused.source);
}

async fn a_compacted_partition_keeps_the_newest(log: &Log) {
    let partition = topics::JOURNAL.partition(5);
    let mut writer = log.writer("compact").await.unwrap();
    let step = vec![
        record(&partition, "k", Some("old")),
        record(&partition, "gone", Some("x")),
        record(&partition, "k", Some("new")),
        record(&partition, "gone", None),
    ];
    assert!(matches!(writer.append(step, |_| vec![]).await, Appended::Done));
    assert_eq!(folded(log, &partition).await, BTreeMap::from([("k".to_owned(), "new".to_owned())]));
}

async fn an_assigned_reader_sees_before_and_after(log: &Log) {
    let partition = topics::METRICS_UPDATED.partition(6);
    log.publish(vec![record(&partition, "u", Some("before"))]).await.unwrap();
    let mut reader = log.assigned(vec![(partition.clone(), Start::Beginning)]).await.unwrap();
    let Arrival::Records { records, next: then, .. } = next(&mut reader).await else { panic!("records first") };
    assert_eq!(texts(&records), ["before"]);
    log.publish(vec![record(&partition, "u", Some("after"))]).await.unwrap();
    let Arrival::Records { records, .. } = next(&mut reader).await else { panic!("records again") };
    assert_eq!(texts(&records), ["after"]);
    reader.seek(&partition, Start::At(then)).await.unwrap();
    let Arrival::Records { records, .. } = next(&mut reader).await else { panic!("the same again") };
    assert_eq!(texts(&records), ["after"], "a seek reads again from there");
    let ends = log.ends(&topics::METRICS_UPDATED).await.unwrap();
    assert!(ends.contains(&(partition.clone(), records[0].position + 1)));
    let at = log.positions_at(&topics::METRICS_UPDATED, records[0].timestamp_ms).await.unwrap();
    let (_, position) = at.into_iter().find(|(found, _)| *found == partition).unwrap();
    assert!(position <= records[0].position, "the time index finds the record or one of the same millisecond");
}

async fn a_reader_alone_begins_and_ends_partitions(log: &Log) {
    let (one, two) = (topics::HISTORY.partition(7), topics::HISTORY.partition(8));
    log.publish(vec![record(&one, "u", Some("one")), record(&two, "u", Some("two"))]).await.unwrap();
    let mut reader = log.assigned(vec![]).await.unwrap();
    reader.seek(&one, Start::Beginning).await.unwrap();
    let Arrival::Records { partition, .. } = next(&mut reader).await else { panic!("records of the first") };
    assert_eq!(partition, one);
    reader.seek(&two, Start::Beginning).await.unwrap();
    let Arrival::Records { partition, next: then, .. } = next(&mut reader).await else {
        panic!("records of the second")
    };
    assert_eq!(partition, two);
    reader.let_go(&one);
    log.publish(vec![record(&one, "u", Some("unread")), record(&two, "u", Some("more"))]).await.unwrap();
    let Arrival::Records { partition, records, .. } = next(&mut reader).await else { panic!("more of the second") };
    assert_eq!((partition, texts(&records)), (two.clone(), vec!["more".to_owned()]));
    reader.seek(&two, Start::At(then)).await.unwrap();
    let Arrival::Records { records, .. } = next(&mut reader).await else { panic!("the same again") };
    assert_eq!(texts(&records), ["more"]);
    reader.let_go(&two);
    reader.seek(&one, Start::At(1)).await.unwrap();
    let Arrival::Records { partition, records, .. } = next(&mut reader).await else { panic!("the first again") };
    assert_eq!((partition, texts(&records)), (one, vec!["unread".to_owned()]), "what was let go can be begun again");
}

/// Reads until `count` records have come, seeking whatever is gained to its beginning.
async fn collect(reader: &mut Reader, count: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        match next(reader).await {
            Arrival::Gained(partition) => reader.seek(&partition, Start::Beginning).await.unwrap(),
            Arrival::Records { records, .. } => seen.extend(texts(&records)),
            Arrival::Lost(_) => {}
        }
    }
    seen
}

async fn a_group_hands_its_partitions_over(log: &Log) {
    let topic = topics::PORTFOLIO_UPDATED;
    let wanted: BTreeSet<String> = (0..10).map(|n| format!("partition {n}")).collect();
    log.publish((0..10).map(|n| record(&topic.partition(n), "h", Some(&format!("partition {n}")))).collect())
        .await
        .unwrap();
    let mut first = log.joined("handover", &topic).await.unwrap();
    assert_eq!(collect(&mut first, 10).await, wanted);
    let mut second = log.joined("handover", &topic).await.unwrap();
    let mut lost = 0;
    let mut gained = 0;
    while gained == 0 || lost == 0 {
        tokio::select! {
            arrival = next(&mut first) => lost += usize::from(matches!(arrival, Arrival::Lost(_))),
            arrival = next(&mut second) => if let Arrival::Gained(partition) = arrival {
                gained += 1;
                second.seek(&partition, Start::Beginning).await.unwrap();
            },
        }
    }
    drop(first);
    assert_eq!(collect(&mut second, 10).await, wanted, "the last member reads everything");
}

async fn every_promise(target: Target) {
    let log = Log::open(&target).await.unwrap();
    log.own(topics::OF_INGESTOR).await.unwrap();
    log.own(topics::OF_METRICS).await.unwrap();
    log.own(topics::OF_PORTFOLIO).await.unwrap();
    log.own(topics::OF_METRICS).await.expect("owning twice is the same");
    an_append_is_whole_and_in_order(&log).await;
    a_second_claim_fences_the_first(&log).await;
    two_writers_share_a_share(&log).await;
    a_step_cut_short_leaves_nothing(&log).await;
    a_compacted_partition_keeps_the_newest(&log).await;
    a_record_that_is_too_large_is_refused_and_named(&log).await;
    an_assigned_reader_sees_before_and_after(&log).await;
    a_reader_alone_begins_and_ends_partitions(&log).await;
    a_group_hands_its_partitions_over(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    every_promise(Target::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    every_promise(Target::Sqlite(folder.path().join("tape.db"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_remembers_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite(folder.path().join("tape.db"));
    let partition = topics::TRADES.partition(0);
    Log::open(&target).await.unwrap().publish(vec![record(&partition, "r", Some("kept"))]).await.unwrap();
    let again = Log::open(&target).await.unwrap();
    again.publish(vec![record(&partition, "r", Some("more"))]).await.unwrap();
    assert_eq!(texts(&again.read_all(&partition).await.unwrap()), ["kept", "more"]);
}

fn kafka(name: &str) -> Option<Target> {
    let variables: HashMap<String, String> = std::env::vars().collect();
    if !variables.contains_key("KAFKA_BROKERS") {
        println!("skipped: KAFKA_BROKERS is not set");
        return None;
    }
    let unique = format!("{name}-{}-{}", std::process::id(), environment::now_ms());
    let prefix = format!("{unique}.");
    Some(Target::Kafka(KafkaSettings::apart(&variables, prefix, unique).unwrap().into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_every_promise() {
    if let Some(target) = kafka("suite") {
        every_promise(target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_refuses_a_topic_that_differs() {
    let Some(target) = kafka("differs") else { return };
    let log = Log::open(&target).await.unwrap();
    let odd = tape_log::Topic { partitions: 3, ..topics::METRICS_DLQ };
    log.own(&[odd]).await.unwrap();
    let refused = log.own(&[topics::METRICS_DLQ]).await.unwrap_err();
    assert!(refused.source.to_string().contains("partitions is 3 and must be 1"), "{}", refused.source);
}

/// Why topics are refused, once the broker has learned of what was altered: all these parts are in the sentence.
async fn until_refused(log: &Log, topics: &[tape_log::Topic], parts: &[&str]) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let sentence = log.own(topics).await.err().map(|refused| refused.source.to_string()).unwrap_or_default();
        if parts.iter().all(|part| sentence.contains(part)) {
            return sentence;
        }
        assert!(std::time::Instant::now() < deadline, "{sentence}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Where one is less safe than it must be, the topic is refused with the command that mends it; safer ones are accepted.
#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn kafka_refuses_a_topic_that_is_less_safe() {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    use rdkafka::client::DefaultClientContext;
    let Some(target) = kafka("unsafe") else { return };
    let Target::Kafka(settings) = &target else { panic!("it is Kafka") };
    let KafkaSettings { brokers, prefix, connection, .. } = &**settings;
    let log = Log::open(&target).await.unwrap();
    let topics = [topics::METRICS_UPDATED, topics::METRICS_REPLAY];
    log.own(&topics).await.unwrap();
    let mut config = rdkafka::config::ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (property, value) in &connection.properties {
        config.set(property, value.expose());
    }
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let alter = async |topic: &tape_log::Topic, settings: &[(&str, &str)]| {
        let name = format!("{prefix}{}", topic.name);
        let altered = AlterConfig::new(ResourceSpecifier::Topic(&name));
        let altered = settings.iter().fold(altered, |altered, (key, value)| altered.set(key, value));
        admin.alter_configs([&altered], &AdminOptions::new()).await.unwrap();
    };
    let week = "604800000";
    alter(&topics[0], &[("retention.ms", "-1"), ("max.message.bytes", "4194304")]).await;
    alter(&topics[1], &[("retention.ms", "-1"), ("max.message.bytes", "1048576")]).await;
    log.own(&topics).await.expect("longer and larger is safe");
    for (settings, refused) in [
        (vec![("retention.ms", week)], vec!["retention.ms is 604800000 and must be -1"]),
        (
            vec![("retention.ms", "-1"), ("retention.bytes", "1000000"), ("unclean.leader.election.enable", "true")],
            vec!["retention.bytes is 1000000 and must be -1", "unclean.leader.election.enable is true"],
        ),
    ] {
        alter(&topics[1], &settings).await;
        let sentence = until_refused(&log, &topics, &refused).await;
        let command = format!("--alter --entity-type topics --entity-name {prefix}metrics.replay.v1 --add-config ");
        assert!(sentence.contains(&command), "{sentence}");
    }
}

/// Two systems on one cluster and in one environment, told apart by their prefix: neither fences the other, and neither
/// takes partitions from the other's groups.
#[tokio::test(flavor = "multi_thread")]
async fn kafka_keeps_prefixes_apart() {
    let Some(Target::Kafka(settings)) = kafka("apart") else { return };
    let open = async |prefix: &str| {
        let prefix = format!("{}.{prefix}.", settings.environment);
        let log = Log::open(&Target::Kafka(Box::new(KafkaSettings { prefix, ..*settings.clone() }))).await.unwrap();
        log.own(&[topics::PORTFOLIO_UPDATED]).await.unwrap();
        log
    };
    let (one, two) = (open("one").await, open("two").await);
    let partition = topics::PORTFOLIO_UPDATED.partition(0);
    let mut first = one.writer("same").await.unwrap();
    let mut second = two.writer("same").await.unwrap();
    for writer in [&mut first, &mut second] {
        assert!(matches!(writer.append(vec![record(&partition, "k", Some("1"))], |_| vec![]).await, Appended::Done));
    }
    let mut readers = [
        one.joined("same", &topics::PORTFOLIO_UPDATED).await.unwrap(),
        two.joined("same", &topics::PORTFOLIO_UPDATED).await.unwrap(),
    ];
    for reader in &mut readers {
        let mut gained = 0;
        while gained < topics::PORTFOLIO_UPDATED.partitions {
            let Arrival::Gained(partition) = next(reader).await else { continue };
            reader.seek(&partition, Start::Beginning).await.unwrap();
            gained += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_hands_over_a_bounded_number_of_bytes() {
    const ONE: usize = 8_000_000;
    let Some(target) = kafka("bounded") else { return };
    let log = Log::open(&target).await.unwrap();
    log.own(topics::OF_INGESTOR).await.unwrap();
    let (partition, value) = (topics::FAILURES.partition(0), "x".repeat(ONE));
    // Compressed they are nothing: one answer of the broker brings all of them.
    for _ in 0..12 {
        log.publish(vec![record(&partition, "large", Some(&value))]).await.unwrap();
    }
    let mut reader = log.assigned(vec![(partition, Start::Beginning)]).await.unwrap();
    let mut read = 0;
    while read < 12 {
        if let Arrival::Records { records, .. } = next(&mut reader).await {
            let bytes: usize = records.iter().filter_map(|record| record.value.as_ref()).map(Vec::len).sum();
            assert!(bytes < (32 << 20) + ONE, "{bytes} bytes at once");
            read += records.len();
        }
    }
}
