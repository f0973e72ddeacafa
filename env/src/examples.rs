//! What a right value looks like, for the sentence about a wrong one.

/// Variables, with what reads after "write".
const EXAMPLES: &[(&str, &str)] = &[
    ("API_ADDR", "an address such as 127.0.0.1:8080"),
    ("ADMIN_ADDR", "an address such as 127.0.0.1:9100"),
    ("HEALTH_ADDR", "an address such as 127.0.0.1:9101"),
    ("KAFKA_BROKERS", "addresses such as broker-1:9092,broker-2:9092"),
    ("DATABASE_URL", "postgres://USER:PASSWORD@HOST/NAME, or sqlite:data"),
    ("PLUGINS_DIR", "a folder of components such as target/plugins"),
    ("CHAINS_DIR", "a folder of chain files such as env/chains/dev"),
    ("SCANS_AT_ONCE", "a whole number such as 16"),
    ("TOPIC_REPLICATION", "a whole number such as 3"),
    ("TOPIC_MIN_INSYNC", "a whole number such as 2"),
    ("KAFKA_MAX_MESSAGE_BYTES", "bytes as a whole number such as 16777216"),
    ("METRICS_WORKERS", "a whole number such as 4"),
    ("METRICS_PARTITIONS", "a range of the 64 partitions such as 0-31"),
    ("METRICS_RETENTION_DAYS", "days as a whole number such as 90"),
    ("METRICS_BATCH_EVENTS", "a whole number such as 5000"),
    ("METRICS_REMEMBERED", "a whole number such as 100000"),
    ("PORTFOLIO_DEBOUNCE_MS", "milliseconds as a whole number such as 500"),
    ("PORTFOLIO_QUEUE_MAX", "a whole number such as 100000"),
    ("API_RATE_PER_SECOND", "a whole number such as 100"),
    ("API_LOOKBACK_MINUTES", "minutes as a whole number such as 5"),
    ("API_MAX_CONNECTIONS", "a whole number such as 10000"),
    ("API_STREAMS_PER_CLIENT", "a whole number such as 64"),
    ("API_MAX_SOCKETS", "a whole number such as 12000"),
    ("API_SOCKETS_PER_CLIENT", "a whole number such as 512"),
    ("DRAIN_SECONDS", "seconds as a whole number such as 10"),
];

/// What a right value of a variable looks like, where there is one form of it.
pub(crate) fn right_value(key: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(known, _)| *known == key).map(|(_, example)| *example)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables;
    use std::collections::{BTreeSet, HashMap};

    #[test]
    fn examples_are_of_variables_that_processes_read_and_each_is_there_once() {
        let given: HashMap<String, String> =
            EXAMPLES.iter().map(|(key, _)| ((*key).to_owned(), "x".to_owned())).collect();
        assert_eq!(variables::unknown(&given), [""; 0]);
        assert_eq!(EXAMPLES.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len(), EXAMPLES.len());
    }
}
