//! Which log a process opens, from its variables.

use crate::Target;
use environment::{Problems, Strings};
use std::path::PathBuf;

/// Reads `LOG` (`kafka`, `sqlite:PATH` or `memory`; default `kafka`) and, for Kafka, `KAFKA_BROKERS`, `TOPIC_PREFIX`,
/// `APP_ENV`, `TOPIC_REPLICATION` and `TOPIC_MIN_INSYNC`.
pub fn target(strings: &impl Strings, problems: &mut Problems) -> Target {
    let log = problems.text(strings, "LOG", "kafka");
    match log.split_once(':') {
        None if log == "kafka" => kafka(strings, problems),
        None if log == "memory" => Target::Memory,
        Some(("sqlite", path)) if !path.is_empty() => Target::Sqlite(PathBuf::from(path)),
        _ => {
            problems.add("LOG", format!("is `{log}`, but must be `kafka`, `sqlite:PATH` or `memory`"));
            Target::Memory
        }
    }
}

fn kafka(strings: &impl Strings, problems: &mut Problems) -> Target {
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
    Target::Kafka { brokers, prefix, environment, replication, min_insync }
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
        let expected = Target::Kafka {
            brokers: "a:9092,b:9092".to_owned(),
            prefix: "t-".to_owned(),
            environment: "prod".to_owned(),
            replication: 3,
            min_insync: 2,
        };
        assert_eq!(read(&given), Ok(expected));
    }

    #[test]
    fn everything_wrong_is_named() {
        assert_eq!(read(&[]).unwrap_err(), ["KAFKA_BROKERS is not set"]);
        assert_eq!(read(&[("LOG", "paper")]).unwrap_err().len(), 1);
        let given = [("KAFKA_BROKERS", "nowhere"), ("TOPIC_PREFIX", "a b"), ("TOPIC_MIN_INSYNC", "2")];
        assert_eq!(read(&given).unwrap_err().len(), 3);
    }
}
