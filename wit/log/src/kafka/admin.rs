//! Topics with the settings they should have: missing ones are created where that is allowed, less safe ones refused with
//! what mends them.

use super::link::{BrokerContext, right_for};
use super::metadata::{existing, names_of};
use super::safety::{self, Setting, settings_of};
use super::{BROKER_TIMEOUT, Kafka};
use crate::Topic;
use librdkafka_calls::DescribedTopic;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::Unavailable;

/// A client that asks about topics and creates them.
type Admin = Arc<AdminClient<BrokerContext>>;

/// How long a busy cluster may take to elect the leaders of topics that were just created.
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one look lasts at topics whose leaders are being elected.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn own(log: &Kafka, topics: &[Topic]) -> Result<(), Unavailable> {
    let (asking, names) = (log.clone(), names_of(log, topics));
    let found = log.blocking("ask for the topics".to_owned(), move || {
        let admin = asking.admin_client()?;
        let found = existing(&admin, &names)?;
        Ok((Arc::new(admin), found))
    });
    let (admin, found) = found.await?;
    let missing: Vec<Topic> =
        topics.iter().filter(|topic| !found.iter().any(|it| it.name == log.name(topic.name))).copied().collect();
    if !missing.is_empty() {
        create_missing(log, &admin, &missing).await?;
    }
    let shapes = shapes_of(log, &admin, topics).await?;
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT));
    let names = names_of(log, topics);
    let resources: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let described = admin.describe_configs(&resources, &options).await;
    let described = described.map_err(|e| Unavailable::new("describe topics", log.explained(e)))?;
    for (((topic, name), shape), resource) in topics.iter().zip(&names).zip(shapes).zip(described) {
        let refused = |sentence: String| Unavailable::new(format!("use topic {name}"), sentence);
        let resource = resource.map_err(|code| {
            Unavailable::new(format!("describe topic {name}"), format!("{code}{}", right_for(code, "DescribeConfigs")))
        })?;
        if let Some(sentence) = check_shape(topic, log.0.settings.replication, shape) {
            return Err(refused(sentence));
        }
        let found = |key| {
            let value = resource.entry_map().get(key).and_then(|entry: &&ConfigEntry| entry.value.clone());
            value.unwrap_or_else(|| "none".to_owned())
        };
        let settings = &log.0.settings;
        let wanted = settings_of(topic, settings).into_iter().map(|setting| (found(setting.key), setting));
        let unsafe_settings: Vec<(Setting, String)> = wanted
            .filter(|(found, setting)| !setting.accepts(found))
            .map(|(found, setting)| (setting, found))
            .filter(|(setting, found)| !is_left(settings.topics.omits(setting.key), setting, name, found))
            .collect();
        if let Some(sentence) = safety::refusal(&settings.brokers, name, &unsafe_settings) {
            return Err(refused(sentence));
        }
    }
    Ok(())
}

/// Whether a setting is another than it should be and may be: the operator chooses it, and nothing is lost by it.
fn is_left(is_omitted: bool, setting: &Setting, name: &str, found: &str) -> bool {
    let is_left = is_omitted && setting.costs_only_space();
    if is_left {
        let wanted = &setting.value;
        tracing::info!(
            event = "topic.costly",
            topic = name,
            setting = setting.key,
            found,
            wanted,
            "the topic takes more space and longer to read"
        );
    }
    is_left
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

async fn create_missing(log: &Kafka, admin: &Admin, topics: &[Topic]) -> Result<(), Unavailable> {
    let settings = &log.0.settings;
    if !settings.topics.create {
        let names = names_of(log, topics).join(", ");
        let cure =
            "KAFKA_CREATE_TOPICS is `no`, so they are created by whoever may: the command `topics --print` says how";
        return Err(Unavailable::new("use the topics", format!("these do not exist: {names}; {cure}")));
    }
    let wanted: Vec<(String, Topic, Vec<Setting>)> =
        topics.iter().map(|topic| (log.name(topic.name), *topic, safety::settings_to_set(topic, settings))).collect();
    let wanted: Vec<NewTopic<'_>> = wanted
        .iter()
        .map(|(name, topic, topic_settings)| {
            let replication = TopicReplication::Fixed(i32::from(settings.replication));
            let fresh = NewTopic::new(name, topic.partitions.cast_signed(), replication);
            topic_settings.iter().fold(fresh, |fresh, setting| fresh.set(setting.key, &setting.value))
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(BROKER_TIMEOUT)).operation_timeout(Some(BROKER_TIMEOUT));
    let created = admin.create_topics(&wanted, &options).await;
    for result in created.map_err(|e| Unavailable::new("create topics", log.explained(e)))? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let sentence = format!("{code}{}", cure_of(code));
                return Err(Unavailable::new(format!("create topic {name}"), sentence));
            }
        }
    }
    Ok(())
}

/// What to do where a topic cannot be created.
fn cure_of(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as Code;
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            "; grant Create on it, or let somebody who may create what the command `topics --print` says and set \
             KAFKA_CREATE_TOPICS=no"
        }
        Code::InvalidConfig | Code::PolicyViolation => {
            "; settings that this cluster does not let anybody choose can be named in TOPIC_SETTINGS_OMITTED, and \
             KAFKA_MAX_MESSAGE_BYTES is the largest message that it takes"
        }
        Code::InvalidReplicationFactor => "; TOPIC_REPLICATION is how many copies of a partition there are",
        _ => "",
    }
}

/// The shape of each topic once all its partitions have leaders.
async fn shapes_of(log: &Kafka, admin: &Admin, topics: &[Topic]) -> Result<Vec<Shape>, Unavailable> {
    let (admin, names) = (Arc::clone(admin), names_of(log, topics));
    let ask = move || {
        let deadline = Instant::now() + LEADER_TIMEOUT;
        loop {
            let found = existing(&admin, &names)?;
            let shapes: Vec<Option<Shape>> = names.iter().map(|name| shape_of(&found, name)).collect();
            if shapes.iter().all(Option::is_some) || Instant::now() > deadline {
                return Ok(shapes.into_iter().zip(names).collect::<Vec<_>>());
            }
            std::thread::sleep(LEADER_PAUSE);
        }
    };
    let shapes = log.blocking("ask for the topics' partitions".to_owned(), ask).await?;
    let shape = |(shape, name): (Option<Shape>, String)| {
        shape.ok_or_else(|| Unavailable::new(format!("use topic {name}"), "its leaders are not elected yet"))
    };
    shapes.into_iter().map(shape).collect()
}

/// The shape of a topic; none while a partition has no leader, as just after a topic was created.
fn shape_of(found: &[DescribedTopic], name: &str) -> Option<Shape> {
    let partitions = &found.iter().find(|topic| topic.name == name)?.partitions;
    let is_led = !partitions.is_empty() && partitions.iter().all(|partition| partition.has_leader);
    let replicas = partitions.iter().map(|partition| partition.replicas).min()?;
    is_led.then_some(Shape { partitions: partitions.len(), replicas })
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
