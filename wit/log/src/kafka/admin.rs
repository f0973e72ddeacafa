//! Topics with the settings they should have: missing ones are created, differing ones refused with a sentence.

use super::{BROKER_TIMEOUT, Kafka, blocking};
use crate::Topic;
use crate::topics::Policy;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tape::Unavailable;

pub(super) async fn own(log: &Kafka, topics: &[Topic]) -> Result<(), Unavailable> {
    let admin: AdminClient<DefaultClientContext> =
        log.client_config().create().map_err(|e| Unavailable::new("make an admin client", e))?;
    create_missing(log, &admin, topics).await?;
    let partitions = partitions_of(log, topics).await?;
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT));
    let names: Vec<String> = topics.iter().map(|topic| log.name(topic.name)).collect();
    let resources: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let described =
        admin.describe_configs(&resources, &options).await.map_err(|e| Unavailable::new("describe topics", e))?;
    for ((topic, name), resource) in topics.iter().zip(&names).zip(described) {
        let resource = resource.map_err(|e| Unavailable::new(format!("describe topic {name}"), e.to_string()))?;
        let found = partitions.get(name).copied().unwrap_or(0);
        require(name, "partitions", &topic.partitions.to_string(), &found.to_string())?;
        for (key, wanted) in topic_settings(log, topic) {
            let found = resource.entry_map().get(key).and_then(|entry: &&ConfigEntry| entry.value.clone());
            require(name, key, &wanted, found.as_deref().unwrap_or("none"))?;
        }
    }
    Ok(())
}

/// Refuses a topic one of whose settings differs from what it should be.
fn require(name: &str, key: &str, wanted: &str, found: &str) -> Result<(), Unavailable> {
    if wanted == found {
        return Ok(());
    }
    let sentence = format!("{key} is {found} and must be {wanted}; alter the topic or use another TOPIC_PREFIX");
    Err(Unavailable::new(format!("use topic {name}"), sentence))
}

async fn create_missing(
    log: &Kafka,
    admin: &AdminClient<DefaultClientContext>,
    topics: &[Topic],
) -> Result<(), Unavailable> {
    let described: Vec<(String, Vec<(&'static str, String)>)> =
        topics.iter().map(|topic| (log.name(topic.name), topic_settings(log, topic))).collect();
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&described)
        .map(|(topic, (name, settings))| {
            let replication = TopicReplication::Fixed(i32::from(log.0.replication));
            let fresh = NewTopic::new(name, topic.partitions.cast_signed(), replication);
            settings.iter().fold(fresh, |fresh, (key, value)| fresh.set(key, value))
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT)).operation_timeout(Some(BROKER_TIMEOUT));
    let created = admin.create_topics(&wanted, &options).await.map_err(|e| Unavailable::new("create topics", e))?;
    for result in created {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(Unavailable::new(format!("create topic {name}"), code.to_string())),
        }
    }
    Ok(())
}

async fn partitions_of(log: &Kafka, topics: &[Topic]) -> Result<HashMap<String, usize>, Unavailable> {
    let names: Vec<String> = topics.iter().map(|topic| log.name(topic.name)).collect();
    let log = log.clone();
    blocking("ask for the topics' partitions".to_owned(), move || {
        let consumer: BaseConsumer = log.consumer_config(None).create()?;
        let mut found = HashMap::new();
        for name in names {
            let count = count_partitions(&consumer, &name)?;
            found.insert(name, count);
        }
        Ok(found)
    })
    .await
}

/// The number of partitions, once each of them has a leader: a topic just created takes a moment.
fn count_partitions(consumer: &BaseConsumer, name: &str) -> Result<usize, KafkaError> {
    let deadline = Instant::now() + BROKER_TIMEOUT;
    loop {
        let metadata = consumer.fetch_metadata(Some(name), BROKER_TIMEOUT)?;
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        let has_leaders = !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0);
        if has_leaders || Instant::now() > deadline {
            return Ok(partitions.len());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The settings a topic is created with and held to.
fn topic_settings(log: &Kafka, topic: &Topic) -> Vec<(&'static str, String)> {
    let mut settings =
        vec![("min.insync.replicas", log.0.min_insync.to_string()), ("max.message.bytes", topic.max_bytes.to_string())];
    settings.extend(match topic.policy {
        Policy::Keep => vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", "-1".to_owned())],
        Policy::Days(days) => {
            vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", (u64::from(days) * 86_400_000).to_string())]
        }
        Policy::Compact => vec![
            ("cleanup.policy", "compact".to_owned()),
            ("segment.bytes", (32 * 1024 * 1024).to_string()),
            ("segment.ms", (10 * 60 * 1000).to_string()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
            ("max.compaction.lag.ms", (15 * 60 * 1000).to_string()),
        ],
    });
    settings
}
