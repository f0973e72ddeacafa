//! What a process may do about topics, and what the brokers let a topic be.

use crate::Topic;
use environment::{Problems, Strings};

const MIB: u32 = 1024 * 1024;

/// The largest message of all topics, where brokers take it.
const MAX_MESSAGE_BYTES: u32 = 16 * MIB;
/// A message of a trade, of metrics or of a journal may be this large; failures and dead letters shrink to what there is.
const MIN_MAX_MESSAGE_BYTES: u32 = MIB;

/// What a process may do about topics, and what the brokers let a topic be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRules {
    /// Whether a topic that is missing is created.
    pub create: bool,
    /// The largest message that the brokers take, in bytes.
    pub max_message_bytes: u32,
    /// Settings of topics that the brokers' operator does not let anybody choose.
    pub omitted_settings: Vec<String>,
}

impl Default for TopicRules {
    fn default() -> Self {
        Self { create: true, max_message_bytes: MAX_MESSAGE_BYTES, omitted_settings: vec![] }
    }
}

impl TopicRules {
    /// Reads `KAFKA_CREATE_TOPICS`, `KAFKA_MAX_MESSAGE_BYTES` and `TOPIC_SETTINGS_OMITTED`.
    pub(super) fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let create = problems.yes_or_no(strings, "KAFKA_CREATE_TOPICS", true);
        let max_message_bytes = problems.parsed(strings, "KAFKA_MAX_MESSAGE_BYTES", MAX_MESSAGE_BYTES);
        if !(MIN_MAX_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&max_message_bytes) {
            let rule = format!(
                "is {max_message_bytes}, but must be from {MIN_MAX_MESSAGE_BYTES}, which a message of a trade may take, \
                 to {MAX_MESSAGE_BYTES}"
            );
            problems.add("KAFKA_MAX_MESSAGE_BYTES", rule);
        }
        let omitted = problems.text(strings, "TOPIC_SETTINGS_OMITTED", "");
        let omitted = omitted.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
        Self { create, max_message_bytes, omitted_settings: omitted.collect() }
    }

    /// The largest message of a topic, in bytes.
    pub fn max_bytes(&self, topic: &Topic) -> u32 {
        topic.max_bytes.min(self.max_message_bytes)
    }

    /// Whether the brokers' operator chooses a setting.
    pub fn omits(&self, key: &str) -> bool {
        self.omitted_settings.iter().any(|omitted| omitted == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::{FAILURES, TRADES};
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> Result<TopicRules, Vec<String>> {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let rules = TopicRules::read(&strings, &mut problems);
        problems.finish().map(|()| rules).map_err(|error| error.0)
    }

    #[test]
    fn messages_are_as_large_as_brokers_take_and_a_trade_needs() {
        assert_eq!(read(&[]), Ok(TopicRules::default()));
        let rules = read(&[("KAFKA_MAX_MESSAGE_BYTES", "8388608"), ("KAFKA_CREATE_TOPICS", "no")]).unwrap();
        assert_eq!((rules.max_bytes(&FAILURES), rules.max_bytes(&TRADES)), (8 * MIB, MIB));
        assert!(!rules.create);
        for wrong in ["1048575", "16777217", "8M"] {
            assert_eq!(read(&[("KAFKA_MAX_MESSAGE_BYTES", wrong)]).unwrap_err().len(), 1, "{wrong}");
        }
        let rules = read(&[("TOPIC_SETTINGS_OMITTED", "segment.ms, segment.bytes,")]).unwrap();
        assert!(rules.omits("segment.bytes") && !rules.omits("retention.ms"));
        assert_eq!(rules.omitted_settings.len(), 2);
    }
}
