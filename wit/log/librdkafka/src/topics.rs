//! Describes topics by name: whether each exists, its id and its partitions.

use crate::owned::{MessageBuffer, Owned, c_text, text_at};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as native;
use std::ffi::{CString, c_int};
use std::time::Duration;

/// One topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTopic {
    /// Its name.
    pub name: String,
    /// Its id, zero from brokers that give topics none.
    pub id: u128,
    /// Why it cannot be described, such as that it does not exist.
    pub error: Option<RDKafkaErrorCode>,
    /// Its partitions.
    pub partitions: Vec<DescribedPartition>,
}

/// One partition as the brokers describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribedPartition {
    /// Whether a broker leads it.
    pub has_leader: bool,
    /// How many copies of it there are to be.
    pub replicas: usize,
}

/// Describes topics; blocks until the brokers answered, at most for `timeout`.
pub fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    timeout: Duration,
) -> Result<Vec<DescribedTopic>, KafkaError> {
    let names: Vec<CString> = names.iter().map(|name| c_text(name)).collect::<Result<_, _>>().map_err(refused)?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let rk = client.native_ptr();
    // SAFETY: the pointers are to texts that outlive the call, which copies them.
    let topics = unsafe { native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    // SAFETY: fresh from the call above.
    let topics = unsafe { Owned::new(topics, native::rd_kafka_TopicCollection_destroy) }.ok_or_else(no_memory)?;
    let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the client lives as long as the borrow.
    let options = unsafe { native::rd_kafka_AdminOptions_new(rk, operation) };
    // SAFETY: fresh from the call above.
    let options = unsafe { Owned::new(options, native::rd_kafka_AdminOptions_destroy) }.ok_or_else(no_memory)?;
    let mut why = MessageBuffer::default();
    // SAFETY: options and buffer live through the call.
    let code = unsafe {
        native::rd_kafka_AdminOptions_set_request_timeout(
            options.as_ptr(),
            timeout_ms,
            why.as_mut_ptr(),
            why.capacity(),
        )
    };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(refused(why.text()));
    }
    // SAFETY: the client lives as long as the borrow.
    let queue = unsafe { native::rd_kafka_queue_new(rk) };
    // SAFETY: fresh from the call above.
    let queue = unsafe { Owned::new(queue, native::rd_kafka_queue_destroy) }.ok_or_else(no_memory)?;
    // SAFETY: all four live through the call; librdkafka keeps what it needs of them.
    unsafe { native::rd_kafka_DescribeTopics(rk, topics.as_ptr(), options.as_ptr(), queue.as_ptr()) };
    // The request ends by its own timeout with an event that says so; a second more is only for that event.
    // SAFETY: the queue is ours.
    let event = unsafe { native::rd_kafka_queue_poll(queue.as_ptr(), timeout_ms.saturating_add(1_000)) };
    // SAFETY: null, or fresh from the call above and ours to destroy.
    let event = unsafe { Owned::new(event, native::rd_kafka_event_destroy) };
    let event = event.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
    // SAFETY: the event is ours.
    let code = unsafe { native::rd_kafka_event_error(event.as_ptr()) };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(KafkaError::AdminOp(code.into()));
    }
    // SAFETY: the event is ours; null where it is none of this kind.
    let result = unsafe { native::rd_kafka_event_DescribeTopics_result(event.as_ptr()) };
    if result.is_null() {
        return Err(KafkaError::AdminOpCreation("librdkafka returned another event than was asked for".to_owned()));
    }
    let mut count = 0;
    // SAFETY: the result lives as long as its event.
    let list = unsafe { native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    // SAFETY: what the call above returned, with its count.
    let list = unsafe { items(list, count) };
    // SAFETY: each is a description that lives as long as the event.
    Ok(list.iter().map(|topic| unsafe { described(*topic) }).collect())
}

/// # Safety
/// The pointer is to a description whose event lives until this returns.
unsafe fn described(topic: *const native::rd_kafka_TopicDescription_t) -> DescribedTopic {
    // SAFETY: as promised by the caller; what it returns lives as long as the description.
    let name = unsafe { native::rd_kafka_TopicDescription_name(topic) };
    // SAFETY: a text of the description.
    let name = unsafe { text_at(name) };
    // SAFETY: as promised by the caller.
    let error = unsafe { native::rd_kafka_TopicDescription_error(topic) };
    // SAFETY: an error of the description; null is no error, and its code says so.
    let code = unsafe { native::rd_kafka_error_code(error) };
    let mut count = 0;
    // SAFETY: as promised by the caller.
    let list = unsafe { native::rd_kafka_TopicDescription_partitions(topic, &raw mut count) };
    // SAFETY: what the call above returned, with its count.
    let list = unsafe { items(list, count) };
    // SAFETY: each is a partition of the description.
    let partitions = list.iter().map(|partition| unsafe { described_partition(*partition) }).collect();
    let has_error = code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    // SAFETY: as promised by the caller.
    DescribedTopic { name, id: unsafe { id_of(topic) }, error: has_error.then(|| code.into()), partitions }
}

/// # Safety
/// The pointer is to a description whose event lives until this returns.
unsafe fn id_of(topic: *const native::rd_kafka_TopicDescription_t) -> u128 {
    // SAFETY: as promised by the caller.
    let id = unsafe { native::rd_kafka_TopicDescription_topic_id(topic) };
    if id.is_null() {
        return 0;
    }
    // SAFETY: an id of the description.
    let high = unsafe { native::rd_kafka_Uuid_most_significant_bits(id) };
    // SAFETY: the same.
    let low = unsafe { native::rd_kafka_Uuid_least_significant_bits(id) };
    u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())
}

/// # Safety
/// The pointer is to a partition whose event lives until this returns.
unsafe fn described_partition(partition: *const native::rd_kafka_TopicPartitionInfo_t) -> DescribedPartition {
    // SAFETY: as promised by the caller.
    let leader = unsafe { native::rd_kafka_TopicPartitionInfo_leader(partition) };
    let mut replicas = 0;
    // SAFETY: as promised by the caller; only the count is used.
    unsafe { native::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut replicas) };
    DescribedPartition { has_leader: !leader.is_null(), replicas }
}

/// # Safety
/// The pointer is null, or to as many items as `count` says, which live as long as `'a`.
unsafe fn items<'a, T>(list: *mut *const T, count: usize) -> &'a [*const T] {
    if list.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: as promised by the caller.
    unsafe { std::slice::from_raw_parts(list, count) }
}

fn refused(why: String) -> KafkaError {
    KafkaError::AdminOpCreation(why)
}

fn no_memory() -> KafkaError {
    refused("librdkafka has no memory left".to_owned())
}
