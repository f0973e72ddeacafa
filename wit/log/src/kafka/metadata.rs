//! What the brokers say of topics: whether they exist, their ids (KIP-516) and their partitions.

use super::link::{BrokerContext, RequestError, right_for};
use super::{BROKER_TIMEOUT, Kafka};
use crate::Topic;
use crate::identity::Identities;
use librdkafka_calls::{DescribedTopic, describe_topics};
use rdkafka::admin::AdminClient;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::Arc;
use tape::Unavailable;

/// The identities of the topics that exist.
pub(super) async fn identities(log: &Kafka, topics: &[Topic]) -> Result<Identities, Unavailable> {
    let doing = format!("ask Kafka at {} for the ids of its topics", log.0.settings.brokers);
    let (asked, names) = (log.clone(), names_of(log, topics));
    let found = log.blocking(doing, move || {
        let admin = asked.admin_client()?;
        let topics = existing(&admin, &names)?;
        let cluster = admin.inner().fetch_cluster_id(BROKER_TIMEOUT);
        let cluster = cluster.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
        Ok((cluster, topics))
    });
    let (cluster, topics) = found.await?;
    let identity = |topic: &DescribedTopic| {
        let id = if topic.id == 0 { "no-id".to_owned() } else { uuid_text(topic.id) };
        (Arc::from(log.plain(&topic.name)), Arc::from(format!("{cluster}/{id}")))
    };
    Ok(topics.iter().map(identity).collect())
}

/// The names of topics on the cluster.
pub(super) fn names_of(log: &Kafka, topics: &[Topic]) -> Vec<String> {
    topics.iter().map(|topic| log.name(topic.name)).collect()
}

/// Those of the topics that exist. Blocks.
pub(super) fn existing(
    admin: &AdminClient<BrokerContext>,
    names: &[String],
) -> Result<Vec<DescribedTopic>, RequestError> {
    let mut found = describe_topics(admin.inner(), names, BROKER_TIMEOUT)?;
    found.retain(|topic| topic.error != Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    let refused = |topic: &DescribedTopic| {
        let error = topic.error.filter(|error| *error != RDKafkaErrorCode::LeaderNotAvailable)?;
        Some(RequestError::Answered(format!("topic {}: {error}{}", topic.name, right_for(error, "Describe"))))
    };
    found.iter().find_map(refused).map_or(Ok(()), Err)?;
    Ok(found)
}

/// A topic's id as Kafka's tools print it: base 64 for addresses, without padding.
fn uuid_text(id: u128) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 128 bits are 21 groups of six and two bits more, which are padded with four.
    let group = |index: u32| if index < 21 { id >> (122 - 6 * index) } else { id << 4 };
    let letter = |index| usize::try_from(group(index) & 0x3f).map_or('?', |place| char::from(ALPHABET[place]));
    (0..22).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_the_tools_of_kafka_do() {
        assert_eq!(uuid_text(u128::MAX), "_____________________w");
        assert_eq!(uuid_text(u128::from_be_bytes(*b"0123456789abcdef")), "MDEyMzQ1Njc4OWFiY2RlZg");
    }
}
