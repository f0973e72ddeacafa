//! Reads a whole partition once, outside of any group, from its first record to the last one at the time of the call.

use super::consumer::{is_passing, stored_record};
use super::link::BrokerContext;
use super::{BROKER_TIMEOUT, Kafka};
use crate::Stored;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};
use tape::Partition;

/// How long a visit waits for open transactions to end, and later for the next record.
const VISIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Where a partition ends for this consumer; errors that pass, such as a leader being elected, are waited out.
fn watermark(
    consumer: &BaseConsumer<BrokerContext>,
    name: &str,
    partition: i32,
    deadline: Instant,
) -> Result<i64, KafkaError> {
    loop {
        match consumer.fetch_watermarks(name, partition, BROKER_TIMEOUT) {
            Ok((_, high)) => return Ok(high),
            Err(e) if is_passing(&e) && Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            Err(e) => return Err(e),
        }
    }
}

/// Visits a partition from its first record to everything that was appended, committed or not, when this was called;
/// what was then in flight has ended by the time this returns.
pub(super) fn visit(log: &Kafka, partition: &Partition, mut each: impl FnMut(Stored)) -> Result<(), KafkaError> {
    let name = log.name(&partition.topic);
    let partition = partition.index.cast_signed();
    // Each error, the end of the partition among them, is returned by the poll as well.
    let context = || BrokerContext { logs_errors: false, ..log.context() };
    let mut config = log.consumer_config(None);
    let uncommitted = log.authorized(config.set("isolation.level", "read_uncommitted"), context())?;
    let deadline = Instant::now() + VISIT_TIMEOUT;
    let high = watermark(&uncommitted, &name, partition, deadline)?;
    drop(uncommitted);
    if high == 0 {
        return Ok(());
    }
    let mut config = log.consumer_config(None);
    let consumer = log.authorized(config.set("enable.partition.eof", "true"), context())?;
    while watermark(&consumer, &name, partition, deadline)? < high {
        if Instant::now() > deadline {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&name, partition, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut last_message = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                last_message = Instant::now();
                each(stored_record(&message));
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(e)) if is_passing(&e) => {}
            Some(Err(e)) => return Err(e),
            None if last_message.elapsed() > VISIT_TIMEOUT => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None => {}
        }
    }
}
