//! Which kind of client a property of librdkafka is for: of one that is for another kind each client would warn.

/// Beginnings of the properties that only consumers have.
const OF_CONSUMERS: [&str; 12] = [
    "check.crcs",
    "consume.",
    "coordinator.query.",
    "fetch.",
    "group.",
    "heartbeat.",
    "isolation.",
    "max.partition.fetch.",
    "max.poll.",
    "partition.assignment.",
    "queued.",
    "session.timeout.",
];

/// Beginnings of the properties that only producers have.
const OF_PRODUCERS: [&str; 12] = [
    "batch.",
    "compression.",
    "linger.",
    "message.timeout.",
    "partitioner",
    "queue.buffering.",
    "queuing.",
    "request.required.",
    "request.timeout.",
    "retries",
    "sticky.",
    "transaction",
];

pub(super) fn is_of_consumers(property: &str) -> bool {
    OF_CONSUMERS.iter().any(|beginning| property.starts_with(beginning))
}

pub(super) fn is_of_producers(property: &str) -> bool {
    OF_PRODUCERS.iter().any(|beginning| property.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_clients_have_is_for_none_alone() {
        for property in ["security.protocol", "ssl.ca.location", "sasl.password", "socket.timeout.ms", "client.rack"] {
            assert!(!is_of_consumers(property) && !is_of_producers(property), "{property}");
        }
        assert!(is_of_consumers("session.timeout.ms") && is_of_consumers("fetch.min.bytes"));
        assert!(is_of_producers("linger.ms") && is_of_producers("compression.level"));
        assert!(!is_of_producers("queued.min.messages") && !is_of_consumers("queue.buffering.max.ms"));
    }
}
