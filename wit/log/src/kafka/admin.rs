//! Topics with the settings they should have: missing ones are created, less safe ones refused with what mends them.

use super::safety::{self, Setting, settings_of};
use super::{BROKER_TIMEOUT, Kafka, blocking};
use crate::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{Duration, Instant};
use tape::Unavailable;

pub(super) async fn own(log: &Kafka, topics: &[Topic]) -> Result<(), Unavailable> {
    let admin: AdminClient<DefaultClientContext> =
        log.client_config().create().map_err(|e| Unavailable::new("make an admin client", e))?;
    create_missing(log, &admin, topics).await?;
    let shapes = shapes_of(log, topics).await?;
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT));
    let names: Vec<String> = topics.iter().map(|topic| log.name(topic.name)).collect();
    let resources: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let described =
        admin.describe_configs(&resources, &options).await.map_err(|e| Unavailable::new("describe topics", e))?;
    for (((topic, name), shape), resource) in topics.iter().zip(&names).zip(shapes).zip(described) {
        let refused = |sentence: String| Unavailable::new(format!("use topic {name}"), sentence);
        let resource = resource.map_err(|e| Unavailable::new(format!("describe topic {name}"), e.to_string()))?;
        if let Some(sentence) = check_shape(topic, log.0.replication, shape) {
            return Err(refused(sentence));
        }
        let found = |key| {
            let value = resource.entry_map().get(key).and_then(|entry: &&ConfigEntry| entry.value.clone());
            value.unwrap_or_else(|| "none".to_owned())
        };
        let wanted = settings_of(topic, log.0.min_insync).into_iter().map(|setting| (found(setting.key), setting));
        let unsafe_settings: Vec<(Setting, String)> = wanted
            .filter(|(found, setting)| !setting.accepts(found))
            .map(|(found, setting)| (setting, found))
            .collect();
        if let Some(sentence) = safety::refusal(&log.0.brokers, name, &unsafe_settings) {
            return Err(refused(sentence));
        }
    }
    Ok(())
}

/// How many partitions a topic has, and how many copies of each at least.
#[derive(Clone, Copy)]
struct Shape {
    partitions: usize,
    replicas: usize,
}

/// Why a topic of this shape is refused.
fn check_shape(topic: &Topic, replication: u16, Shape { partitions, replicas }: Shape) -> Option<String> {
    if partitions != topic.partitions as usize {
        let wanted = topic.partitions;
        return Some(format!(
            "partitions is {partitions} and must be {wanted}, for ever; use another TOPIC_PREFIX, or delete the topic if \
             nothing on it counts"
        ));
    }
    (replicas < usize::from(replication)).then(|| {
        format!(
            "a partition has {replicas} copies and must have at least {replication} (TOPIC_REPLICATION); add copies with \
             kafka-reassign-partitions.sh"
        )
    })
}

async fn create_missing(
    log: &Kafka,
    admin: &AdminClient<DefaultClientContext>,
    topics: &[Topic],
) -> Result<(), Unavailable> {
    let described: Vec<(String, Vec<Setting>)> =
        topics.iter().map(|topic| (log.name(topic.name), settings_of(topic, log.0.min_insync))).collect();
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&described)
        .map(|(topic, (name, settings))| {
            let replication = TopicReplication::Fixed(i32::from(log.0.replication));
            let fresh = NewTopic::new(name, topic.partitions.cast_signed(), replication);
            settings.iter().fold(fresh, |fresh, setting| fresh.set(setting.key, &setting.value))
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

async fn shapes_of(log: &Kafka, topics: &[Topic]) -> Result<Vec<Shape>, Unavailable> {
    let names: Vec<String> = topics.iter().map(|topic| log.name(topic.name)).collect();
    let log = log.clone();
    let asked = move || {
        let consumer: BaseConsumer = log.consumer_config(None).create()?;
        names.into_iter().map(|name| Ok((shape_of(&consumer, &name)?, name))).collect::<Result<Vec<_>, KafkaError>>()
    };
    let shapes = blocking("ask for the topics' partitions".to_owned(), asked).await?;
    let shape = |(shape, name): (Option<Shape>, String)| {
        shape.ok_or_else(|| Unavailable::new(format!("use topic {name}"), "its leaders are not elected yet"))
    };
    shapes.into_iter().map(shape).collect()
}

/// The shape of a topic once each of its partitions has a leader; none where that takes longer than a topic that was
/// just created takes.
fn shape_of(consumer: &BaseConsumer, name: &str) -> Result<Option<Shape>, KafkaError> {
    let deadline = Instant::now() + BROKER_TIMEOUT;
    loop {
        let metadata = consumer.fetch_metadata(Some(name), BROKER_TIMEOUT)?;
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        if !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0) {
            let replicas = partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
            return Ok(Some(Shape { partitions: partitions.len(), replicas }));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::TRADES;

    #[test]
    fn a_shape_is_compared_with_partitions_and_copies() {
        let check = |partitions, replicas| check_shape(&TRADES, 3, Shape { partitions, replicas });
        assert_eq!(check(64, 3), None);
        assert_eq!(check(64, 5), None, "more copies are safer");
        assert!(check(65, 3).unwrap().starts_with("partitions is 65 and must be 64"));
        assert!(check(64, 2).unwrap().contains("2 copies and must have at least 3"));
    }
}
