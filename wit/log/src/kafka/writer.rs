//! A fenced writer: one transactional producer, one transaction per append.

use super::link::BrokerContext;
use super::{BROKER_TIMEOUT, Kafka, Membership};
use crate::{Appended, Ends, Record};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// The only writer of a name, until another claims it. After a failed append it is spent: a commit whose outcome is
/// unknown and a fatal error end alike, by claiming again and reading.
pub struct Writer {
    log: Kafka,
    producer: FutureProducer<BrokerContext>,
    membership: Option<(Membership, Partition)>,
}

impl Writer {
    pub(super) async fn claim(
        log: &Kafka,
        name: &str,
        membership: Option<(Membership, Partition)>,
    ) -> Result<Self, Unavailable> {
        let id = log.id(name);
        let doing = format!("claim the writer {id}");
        let mut config = log.producer_config();
        config.set("transactional.id", &id).set("transaction.timeout.ms", "10000").set("message.timeout.ms", "9000");
        let producer = log.producer(&config).map_err(|e| Unavailable::new(doing.clone(), e))?;
        let claiming = producer.clone();
        log.blocking(doing, move || Ok(claiming.init_transactions(Duration::from_secs(30))?)).await?;
        Ok(Self { log: log.clone(), producer, membership })
    }

    pub(crate) async fn append(
        &mut self,
        records: Vec<Record>,
        seal: impl FnOnce(&Ends) -> Vec<Record> + Send,
    ) -> Appended {
        match self.try_append(records, seal).await {
            Ok(()) => Appended::Done,
            Err(SendError::Refused(why)) => {
                self.abort().await;
                Appended::Refused(Unavailable::new("append a transaction", why))
            }
            Err(SendError::Failed(e)) if self.is_fenced(&e) => Appended::Lost,
            Err(SendError::Failed(e)) => Appended::Unknown(Unavailable::new("append a transaction", e)),
        }
    }

    /// A fenced producer receives the fencing error itself or, once that is fatal, only that its queue was purged.
    fn is_fenced(&self, error: &KafkaError) -> bool {
        let fencing = |code| {
            use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
            matches!(code, Fenced | InvalidProducerEpoch | ProducerFenced)
        };
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        error.rdkafka_error_code().is_some_and(fencing) || fatal.is_some_and(fencing)
    }

    async fn try_append(
        &self,
        records: Vec<Record>,
        seal: impl FnOnce(&Ends) -> Vec<Record> + Send,
    ) -> Result<(), SendError> {
        environment::crash::linger("tape.append.before").await;
        self.producer.begin_transaction()?;
        let ends = send(&self.log, &self.producer, records).await?;
        let last = send(&self.log, &self.producer, seal(&ends)).await?;
        let producer = self.producer.clone();
        let offsets = self.membership_offsets(&last)?;
        environment::crash::point("tape.append.produced");
        let commit = move || {
            if let Some((offsets, metadata)) = offsets {
                producer.send_offsets_to_transaction(&offsets, &metadata, BROKER_TIMEOUT)?;
            }
            environment::crash::point("tape.append.joined");
            producer.commit_transaction(BROKER_TIMEOUT)?;
            environment::crash::point("tape.append.committed");
            Ok(())
        };
        match tokio::task::spawn_blocking(commit).await {
            Ok(committed) => committed.map_err(SendError::Failed),
            Err(_) => Err(KafkaError::Canceled.into()),
        }
    }

    /// Ends the open transaction at once, so that readers need not wait for its timeout; the next claim does it too.
    async fn abort(&self) {
        let producer = self.producer.clone();
        let aborted = tokio::task::spawn_blocking(move || producer.abort_transaction(BROKER_TIMEOUT)).await;
        if !matches!(aborted, Ok(Ok(()))) {
            tracing::warn!(
                event = "kafka.abort.failed",
                "a refused transaction could not be aborted; the next claim of its writer does so"
            );
        }
    }
}

/// Why records could not be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// A record is larger than its topic takes; the sentence says which.
    Refused(String),
    /// Anything else.
    Failed(KafkaError),
}

impl From<KafkaError> for SendError {
    fn from(error: KafkaError) -> Self {
        Self::Failed(error)
    }
}

impl SendError {
    fn of_record(record: &Record, error: KafkaError) -> Self {
        use RDKafkaErrorCode::{InvalidMessageSize, InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge};
        match error.rdkafka_error_code() {
            Some(InvalidMessageSize | InvalidRecord | MessageBatchTooLarge | MessageSizeTooLarge) => {
                Self::Refused(record.too_large(&error.to_string()))
            }
            _ => Self::Failed(error),
        }
    }
}

impl From<SendError> for Unavailable {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(why) => Self::new("publish", why),
            SendError::Failed(error) => Self::new("publish", error),
        }
    }
}

impl Writer {
    /// What shows the brokers under which membership this is written: they refuse one of an old generation.
    fn membership_offsets(
        &self,
        ends: &Ends,
    ) -> Result<Option<(TopicPartitionList, ConsumerGroupMetadata)>, KafkaError> {
        let Some((membership, partition)) = &self.membership else { return Ok(None) };
        let metadata = membership.metadata().ok_or(KafkaError::Canceled)?;
        let read = ends.iter().find(|(end, _)| end == partition).map_or(0, |(_, end)| end.cast_signed());
        let mut offsets = TopicPartitionList::new();
        let name = self.log.name(&partition.topic);
        offsets.add_partition_offset(&name, partition.index.cast_signed(), Offset::Offset(read))?;
        Ok(Some((offsets, metadata)))
    }
}

/// Sends records in order and returns where each partition ends after them.
pub(super) async fn send(
    log: &Kafka,
    producer: &FutureProducer<BrokerContext>,
    records: Vec<Record>,
) -> Result<Ends, SendError> {
    let mut deliveries = Vec::with_capacity(records.len());
    for record in &records {
        let name = log.name(&record.partition.topic);
        let delivery = enqueue(producer, &name, record).await.map_err(|e| SendError::of_record(record, e))?;
        deliveries.push((record, delivery));
    }
    let mut ends: BTreeMap<Partition, u64> = BTreeMap::new();
    for (record, delivery) in deliveries {
        let delivered = delivery.await.map_err(|_| KafkaError::Canceled)?;
        let delivered = delivered.map_err(|(e, _)| SendError::of_record(record, e))?;
        let end = ends.entry(record.partition.clone()).or_default();
        *end = (*end).max(delivered.offset.cast_unsigned() + 1);
    }
    Ok(ends.into_iter().collect())
}

/// Hands one record to the producer, waiting while its queue is full.
async fn enqueue(
    producer: &FutureProducer<BrokerContext>,
    name: &str,
    record: &Record,
) -> Result<rdkafka::producer::DeliveryFuture, KafkaError> {
    loop {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut future = FutureRecord::to(name)
            .partition(record.partition.index.cast_signed())
            .key(record.key.as_slice())
            .headers(headers);
        if let Some(value) = &record.value {
            future = future.payload(value.as_slice());
        }
        match producer.send_result(future) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                // Back-pressure: deliveries in flight make room.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err((e, _)) => return Err(e),
        }
    }
}
