//! The settings of a topic that safety rests on: what it is created with, and what a topic that exists may not be below.

use crate::Topic;
use crate::settings::KafkaSettings;
use crate::topics::Policy;
use std::fmt::Display;

/// What a setting must be, as it is set on a new topic, and which other values are as safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) value: String,
    as_safe: AsSafe,
}

/// Which values are at least as safe as the one that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AsSafe {
    /// That one alone.
    Same,
    /// The same or more; -1 is no limit.
    AtLeast,
    /// The same or less, but no -1.
    AtMost,
}

impl Setting {
    fn new(key: &'static str, value: impl Display, as_safe: AsSafe) -> Self {
        Self { key, value: format!("{value}"), as_safe }
    }

    /// Whether another value costs space and time, and nothing else: how soon a compacted topic is short again.
    pub(super) fn costs_only_space(&self) -> bool {
        matches!(self.key, "segment.bytes" | "segment.ms" | "min.cleanable.dirty.ratio" | "max.compaction.lag.ms")
    }

    /// Whether a topic may have this value.
    pub(super) fn accepts(&self, found: &str) -> bool {
        let numbers = found.parse::<f64>().ok().zip(self.value.parse::<f64>().ok());
        match (self.as_safe, numbers) {
            _ if found == self.value => true,
            (AsSafe::AtLeast, Some((found, wanted))) => found >= wanted || found < 0.0,
            (AsSafe::AtMost, Some((found, wanted))) => (0.0..=wanted).contains(&found),
            (AsSafe::Same, _) | (_, None) => false,
        }
    }
}

/// The settings that a topic is created with: all that are not chosen by the brokers' operator.
pub(super) fn settings_to_set(topic: &Topic, settings: &KafkaSettings) -> Vec<Setting> {
    settings_of(topic, settings).into_iter().filter(|setting| !settings.topics.omits(setting.key)).collect()
}

/// The settings that a topic is held to.
pub(super) fn settings_of(topic: &Topic, kafka: &KafkaSettings) -> Vec<Setting> {
    use AsSafe::{AtLeast, AtMost, Same};
    let mut settings = vec![
        Setting::new("min.insync.replicas", kafka.min_insync, AtLeast),
        Setting::new("unclean.leader.election.enable", false, Same),
        Setting::new("max.message.bytes", kafka.topics.max_bytes(topic), AtLeast),
    ];
    settings.extend(match topic.policy {
        Policy::Keep => vec![
            Setting::new("cleanup.policy", "delete", Same),
            Setting::new("retention.ms", -1, Same),
            Setting::new("retention.bytes", -1, Same),
        ],
        Policy::Days(days) => vec![
            Setting::new("cleanup.policy", "delete", Same),
            Setting::new("retention.ms", u64::from(days) * 86_400_000, AtLeast),
            Setting::new("retention.bytes", -1, Same),
        ],
        // What readers of a compacted topic rest on is that it is short, and that a deletion is there long enough for one
        // who reads it from the beginning.
        Policy::Compact => vec![
            Setting::new("cleanup.policy", "compact", Same),
            Setting::new("segment.bytes", 32 * 1024 * 1024, AtMost),
            Setting::new("segment.ms", 10 * 60 * 1000, AtMost),
            Setting::new("min.cleanable.dirty.ratio", "0.1", AtMost),
            Setting::new("max.compaction.lag.ms", 15 * 60 * 1000, AtMost),
            Setting::new("delete.retention.ms", 24 * 60 * 60 * 1000, AtLeast),
        ],
    });
    settings
}

/// Why a topic is refused, and the command that mends it; none where it is at least as safe as it must be.
pub(super) fn refusal(brokers: &str, name: &str, unsafe_settings: &[(Setting, String)]) -> Option<String> {
    if unsafe_settings.is_empty() {
        return None;
    }
    let found: Vec<String> = unsafe_settings
        .iter()
        .map(|(wanted, found)| format!("{} is {found} and must be {}", wanted.key, wanted.must_be()))
        .collect();
    let mended: Vec<String> =
        unsafe_settings.iter().map(|(wanted, _)| format!("{}={}", wanted.key, wanted.value)).collect();
    Some(format!(
        "{}; mend it: kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics --entity-name {name} \
         --add-config {}",
        found.join(", "),
        mended.join(",")
    ))
}

impl Setting {
    fn must_be(&self) -> String {
        match self.as_safe {
            AsSafe::Same => self.value.clone(),
            AsSafe::AtLeast => format!("at least {}", self.value),
            AsSafe::AtMost => format!("at most {}", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::{FAILURES, JOURNAL, METRICS_UPDATED, TRADES};

    fn verdict(topic: &Topic, key: &str, found: &str) -> bool {
        let settings =
            settings_of(topic, &KafkaSettings { min_insync: 2, ..KafkaSettings::plain("b:9092", "", "dev") });
        settings.iter().find(|setting| setting.key == key).unwrap().accepts(found)
    }

    #[test]
    fn what_is_at_least_as_safe_is_accepted_and_what_is_less_safe_is_not() {
        for (topic, key, safe, unsafe_values) in [
            (&TRADES, "min.insync.replicas", &["2", "3"][..], &["1"][..]),
            (&TRADES, "unclean.leader.election.enable", &["false"], &["true", "none"]),
            (&TRADES, "retention.ms", &["-1"], &["604800000", "9223372036854775807"]),
            (&TRADES, "retention.bytes", &["-1"], &["1073741824", "none"]),
            (&TRADES, "cleanup.policy", &["delete"], &["compact", "compact,delete"]),
            (&TRADES, "max.message.bytes", &["1048576", "2000000"], &["1000000"]),
            (&METRICS_UPDATED, "retention.ms", &["604800000", "604800001", "-1"], &["604799999"]),
            (&JOURNAL, "cleanup.policy", &["compact"], &["compact,delete", "delete"]),
            (&JOURNAL, "min.cleanable.dirty.ratio", &["0.1", "0.05"], &["0.5"]),
            (&JOURNAL, "max.compaction.lag.ms", &["900000", "60000"], &["9223372036854775807", "-1"]),
            (&JOURNAL, "delete.retention.ms", &["86400000", "99999999"], &["0"]),
        ] {
            let accepted = |values: &[&str]| values.iter().map(|found| verdict(topic, key, found)).collect::<Vec<_>>();
            assert!(accepted(safe).iter().all(|accepted| *accepted), "{key}: {safe:?}");
            assert!(!accepted(unsafe_values).contains(&true), "{key}: {unsafe_values:?}");
        }
    }

    #[test]
    fn what_the_operator_chooses_is_not_set_and_what_nothing_is_lost_by_is_not_insisted_on() {
        let mut settings = KafkaSettings::plain("b:9092", "", "dev");
        settings.topics.omitted_settings = vec!["segment.ms".to_owned(), "retention.bytes".to_owned()];
        settings.topics.max_message_bytes = 8 << 20;
        let keys = |settings: Vec<Setting>| settings.into_iter().map(|setting| setting.key).collect::<Vec<_>>();
        assert!(keys(settings_of(&JOURNAL, &settings)).contains(&"segment.ms"));
        assert!(!keys(settings_to_set(&JOURNAL, &settings)).contains(&"segment.ms"));
        let of_trades = settings_of(&TRADES, &settings);
        assert!(!of_trades.iter().find(|setting| setting.key == "retention.bytes").unwrap().costs_only_space());
        let of_failures = settings_of(&FAILURES, &settings);
        let largest = of_failures.iter().find(|setting| setting.key == "max.message.bytes").unwrap();
        assert!(largest.accepts("8388608") && !largest.accepts("1048588"), "as much as was said, and no less");
    }

    #[test]
    fn the_command_mends_everything_at_once() {
        let plain = KafkaSettings::plain("b:9092", "", "dev");
        let wrong = settings_of(&TRADES, &plain).into_iter().filter(|setting| setting.key.starts_with("retention"));
        let wrong: Vec<_> = wrong.map(|setting| (setting, "7".to_owned())).collect();
        let sentence = refusal("b:9092", "p.t", &wrong).unwrap();
        assert_eq!(
            sentence,
            "retention.ms is 7 and must be -1, retention.bytes is 7 and must be -1; mend it: kafka-configs.sh \
             --bootstrap-server b:9092 --alter --entity-type topics --entity-name p.t --add-config \
             retention.ms=-1,retention.bytes=-1"
        );
        assert_eq!(refusal("b:9092", "p.t", &[]), None);
    }
}
