//! The properties of Kafka's client that nobody may set: what exactly-once rests on, and what has a variable of its own.

/// The variable that sets a property, where it has one of its own.
pub(super) fn variable_of(property: &str) -> Option<&'static str> {
    Some(match property {
        "bootstrap.servers" | "metadata.broker.list" => "KAFKA_BROKERS",
        "message.max.bytes" => "KAFKA_MAX_MESSAGE_BYTES",
        "security.protocol" => "KAFKA_SECURITY_PROTOCOL",
        "sasl.mechanism" | "sasl.mechanisms" => "KAFKA_SASL_MECHANISM",
        "sasl.username" => "KAFKA_SASL_USERNAME",
        "sasl.password" => "KAFKA_SASL_PASSWORD",
        "ssl.ca.location" => "KAFKA_SSL_CA_LOCATION",
        "ssl.certificate.location" => "KAFKA_SSL_CERTIFICATE_LOCATION",
        "ssl.key.location" => "KAFKA_SSL_KEY_LOCATION",
        "ssl.key.password" => "KAFKA_SSL_KEY_PASSWORD",
        "sasl.oauthbearer.token.endpoint.url" => "KAFKA_OAUTH_TOKEN_URL",
        "sasl.oauthbearer.client.id" | "sasl.oauthbearer.client.credentials.client.id" => "KAFKA_OAUTH_CLIENT_ID",
        "sasl.oauthbearer.client.secret" | "sasl.oauthbearer.client.credentials.client.secret" => {
            "KAFKA_OAUTH_CLIENT_SECRET"
        }
        "sasl.oauthbearer.scope" => "KAFKA_OAUTH_SCOPE",
        "sasl.oauthbearer.method" => "KAFKA_SASL_MECHANISM and KAFKA_OAUTH_TOKEN_URL",
        _ => return None,
    })
}

/// Why a property is refused, if it is.
pub(super) fn reason_of_refusal(property: &str) -> Option<&'static str> {
    Some(match property {
        "acks" | "request.required.acks" => "an append counts once every copy in sync has it",
        "enable.idempotence" | "enable.gapless.guarantee" => "a message that is sent twice must be written once",
        "retries" | "message.send.max.retries" | "max.in.flight" | "max.in.flight.requests.per.connection" => {
            "messages are tried again without changing their order"
        }
        "queuing.strategy" => "messages are sent in their order",
        "transactional.id" => "it names the writer whose predecessors are fenced",
        "transaction.timeout.ms" | "message.timeout.ms" | "delivery.timeout.ms" => {
            "a message must end before its transaction, and that before the next writer is waited for"
        }
        "delivery.report.only.error" | "produce.offset.report" => "a step is sealed with the offsets of its messages",
        "isolation.level" => "what was not committed must never be read",
        "auto.offset.reset" => "a position that is gone must be an error and not a leap",
        "enable.auto.commit"
        | "auto.commit.enable"
        | "auto.commit.interval.ms"
        | "enable.auto.offset.store"
        | "offset.store.method"
        | "offset.store.path"
        | "offset.store.sync.interval.ms" => "positions are committed with the tables they belong to",
        "group.id"
        | "group.instance.id"
        | "group.protocol"
        | "group.protocol.type"
        | "group.remote.assignor"
        | "partition.assignment.strategy" => "a group and its way to assign partitions decide who may write",
        "enable.partition.eof" => "a partition is read up to the end that it reports",
        "allow.auto.create.topics" => {
            "a topic that a broker creates has neither the partitions nor the retention it needs"
        }
        "topic.blacklist" => "a topic that is hidden is not read",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_reserved_for_one_reason() {
        for property in ["acks", "group.id", "bootstrap.servers", "sasl.password"] {
            assert!(variable_of(property).is_some() != reason_of_refusal(property).is_some(), "{property}");
        }
        for property in ["socket.timeout.ms", "client.rack", "ssl.ca.pem", "linger.ms", "session.timeout.ms", "debug"] {
            assert!(variable_of(property).is_none() && reason_of_refusal(property).is_none(), "{property}");
        }
    }
}
