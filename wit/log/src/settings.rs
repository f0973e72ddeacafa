//! Which log a process opens, from its variables.

mod connection;
mod reserved;
mod topics;

pub use connection::{KafkaConnection, OauthSettings};
pub use topics::TopicRules;

use crate::Target;
use environment::{ConfigError, Problems, Strings};
use std::path::PathBuf;

/// A Kafka cluster and how this environment uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Before every topic's name.
    pub prefix: String,
    /// Before every group and transactional id, and before the prefix there: the environment's name.
    pub environment: String,
    /// Copies of each partition.
    pub replication: u16,
    /// Copies that must confirm an append.
    pub min_insync: u16,
    /// How processes connect to it.
    pub connection: KafkaConnection,
    /// What they may do about topics.
    pub topics: TopicRules,
}

impl KafkaSettings {
    /// One broker without encryption that lets everybody in, as on a developer's machine.
    pub fn plain(brokers: impl Into<String>, prefix: impl Into<String>, environment: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: prefix.into(),
            environment: environment.into(),
            replication: 1,
            min_insync: 1,
            connection: KafkaConnection::default(),
            topics: TopicRules::default(),
        }
    }

    /// The cluster that variables name, under a prefix and in an environment of its own: for tests and the lab, whose
    /// runs share a cluster.
    pub fn apart(
        strings: &impl Strings,
        prefix: impl Into<String>,
        environment: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let settings = kafka(strings, &mut problems);
        problems.finish()?;
        Ok(Self { prefix: prefix.into(), environment: environment.into(), ..settings })
    }
}

/// Reads `LOG` (`kafka`, `sqlite:PATH` or `memory`; default `kafka`) and, for Kafka, `KAFKA_…`, `TOPIC_…` and `APP_ENV`.
pub fn target(strings: &impl Strings, problems: &mut Problems) -> Target {
    let log = problems.text(strings, "LOG", "kafka");
    match log.split_once(':') {
        None if log == "kafka" => Target::Kafka(Box::new(kafka(strings, problems))),
        None if log == "memory" => Target::Memory,
        Some(("sqlite", path)) if !path.is_empty() => Target::Sqlite(PathBuf::from(path)),
        _ => {
            problems.add("LOG", format!("is `{log}`, but must be `kafka`, `sqlite:PATH` or `memory`"));
            Target::Memory
        }
    }
}

fn kafka(strings: &impl Strings, problems: &mut Problems) -> KafkaSettings {
    let brokers = problems.required(strings, "KAFKA_BROKERS");
    let prefix = problems.text(strings, "TOPIC_PREFIX", "");
    let environment = problems.text(strings, "APP_ENV", "dev");
    let replication = problems.parsed(strings, "TOPIC_REPLICATION", 1_u16);
    let min_insync = problems.parsed(strings, "TOPIC_MIN_INSYNC", 1_u16);
    if !brokers.is_empty() && !brokers.split(',').all(is_address) {
        problems.add("KAFKA_BROKERS", format!("is `{brokers}`, but must be `host:port`, several separated by commas"));
    }
    if !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) || prefix.len() > 100 {
        problems.add("TOPIC_PREFIX", "must be at most 100 letters, digits, `.`, `_` and `-`");
    }
    if replication == 0 || min_insync == 0 || min_insync > replication {
        problems.add(
            "TOPIC_MIN_INSYNC",
            format!("is {min_insync}, but must be from 1 to TOPIC_REPLICATION ({replication})"),
        );
    }
    let connection = KafkaConnection::read(strings, problems);
    let topics = TopicRules::read(strings, problems);
    KafkaSettings { brokers, prefix, environment, replication, min_insync, connection, topics }
}

fn is_address(text: &str) -> bool {
    text.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> Result<Target, Vec<String>> {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let target = target(&strings, &mut problems);
        problems.finish().map(|()| target).map_err(|error| error.0)
    }

    #[test]
    fn each_log_has_its_spelling() {
        assert_eq!(read(&[("LOG", "memory")]), Ok(Target::Memory));
        assert_eq!(read(&[("LOG", "sqlite:data/log.db")]), Ok(Target::Sqlite("data/log.db".into())));
        let brokers = ("KAFKA_BROKERS", "a:9092,b:9092");
        let given = [
            brokers,
            ("TOPIC_PREFIX", "t-"),
            ("APP_ENV", "prod"),
            ("TOPIC_REPLICATION", "3"),
            ("TOPIC_MIN_INSYNC", "2"),
        ];
        let Ok(Target::Kafka(found)) = read(&given) else { panic!("it is Kafka") };
        let connection = found.connection.clone();
        let plain = KafkaSettings::plain("a:9092,b:9092", "t-", "prod");
        assert_eq!(*found, KafkaSettings { replication: 3, min_insync: 2, connection, ..plain });
        assert_eq!(found.connection.property("security.protocol"), Some("plaintext"));
    }

    #[test]
    fn everything_wrong_is_named() {
        assert_eq!(
            read(&[]).unwrap_err(),
            ["KAFKA_BROKERS is not set; write addresses such as broker-1:9092,broker-2:9092"]
        );
        assert_eq!(read(&[("LOG", "paper")]).unwrap_err().len(), 1);
        let given = [("KAFKA_BROKERS", "nowhere"), ("TOPIC_PREFIX", "a b"), ("TOPIC_MIN_INSYNC", "2")];
        assert_eq!(read(&given).unwrap_err().len(), 3);
    }
}
