//! A reader of committed records: one consumer on one thread, which the async side talks to over channels.
//!
//! **Invariant:** a share gained through the group is handed to the consumer only with the start that the reader was
//! told to seek; a rebalance waits for that word, so no record before it can arrive.

use super::{Kafka, PATIENCE};
use crate::{Arrival, Stored, Topic};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::time::{Duration, Instant};
use tape::{Share, Start, Unavailable};
use tokio::sync::mpsc;

/// Arrivals waiting to be taken; with [`BATCH`] this bounds what lies between broker and reader.
const WAITING: usize = 8;
/// Most records handed over at once.
const BATCH: usize = 2_000;

/// Reads shares of the cluster. Dropping it leaves the group.
pub struct Reader {
    arrivals: mpsc::Receiver<Result<(u64, Arrival), KafkaError>>,
    seeks: std_mpsc::Sender<Seek>,
    generations: HashMap<Share, u64>,
}

struct Seek {
    share: Share,
    start: Start,
    generation: u64,
}

impl Reader {
    pub(super) fn assigned(log: &Kafka, shares: Vec<(Share, Start)>) -> Result<Self, Unavailable> {
        let doing = "read assigned shares";
        let (pump, reader) = Pump::new(log, None).map_err(|e| Unavailable::new(doing, e))?;
        let mut wanted = TopicPartitionList::new();
        for (share, start) in shares {
            add(log, &mut wanted, &share, start).map_err(|e| Unavailable::new(doing, e))?;
        }
        pump.consumer.assign(&wanted).map_err(|e| Unavailable::new(doing, e))?;
        pump.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    pub(super) fn joined(log: &Kafka, group: &str, topic: &Topic) -> Result<Self, Unavailable> {
        let doing = format!("join the readers of {}", topic.name);
        let (pump, reader) = Pump::new(log, Some(group)).map_err(|e| Unavailable::new(doing.clone(), e))?;
        pump.consumer.subscribe(&[&log.name(topic.name)]).map_err(|e| Unavailable::new(doing.clone(), e))?;
        pump.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        loop {
            match self.arrivals.recv().await {
                Some(Ok((generation, arrival))) => match &arrival {
                    Arrival::Records { share, .. } if self.generation(share) != generation => {}
                    Arrival::Lost(share) => {
                        self.generations.remove(share);
                        return Ok(arrival);
                    }
                    Arrival::Records { .. } | Arrival::Gained(_) => return Ok(arrival),
                },
                Some(Err(e)) => return Err(Unavailable::new("read the log", e)),
                None => return Err(Unavailable::new("read the log", "its thread has ended")),
            }
        }
    }

    pub(crate) fn seek(&mut self, share: &Share, start: Start) -> Result<(), Unavailable> {
        let generation = self.generation(share) + 1;
        self.generations.insert(share.clone(), generation);
        self.seeks
            .send(Seek { share: share.clone(), start, generation })
            .map_err(|e| Unavailable::new("seek in the log", e.to_string()))
    }

    fn generation(&self, share: &Share) -> u64 {
        self.generations.get(share).copied().unwrap_or(0)
    }
}

/// Everything the consumer's thread owns.
struct Pump {
    log: Kafka,
    consumer: BaseConsumer<Membership>,
}

/// Turns rebalances into arrivals, and waits for the starts of what is gained.
struct Membership {
    log: Kafka,
    arrivals: mpsc::Sender<Result<(u64, Arrival), KafkaError>>,
    seeks: Mutex<std_mpsc::Receiver<Seek>>,
    generations: Arc<Mutex<HashMap<Share, u64>>>,
}

impl Pump {
    fn new(log: &Kafka, group: Option<&str>) -> Result<(Self, Reader), KafkaError> {
        let (arrivals_in, arrivals) = mpsc::channel(WAITING);
        let (seeks, seeks_out) = std_mpsc::channel();
        let membership = Membership {
            log: log.clone(),
            arrivals: arrivals_in,
            seeks: Mutex::new(seeks_out),
            generations: Arc::default(),
        };
        let consumer = log.consumer_config(group).create_with_context(membership)?;
        Ok((Self { log: log.clone(), consumer }, Reader { arrivals, seeks, generations: HashMap::new() }))
    }

    fn spawn(self) -> Result<(), std::io::Error> {
        std::thread::Builder::new().name("log-reader".to_owned()).spawn(move || self.run()).map(|_| ())
    }

    fn run(self) {
        let context = Arc::clone(self.consumer.context());
        while !context.arrivals.is_closed() {
            context.seek_all(&self.consumer);
            let mut batches: BTreeMap<Share, Vec<Stored>> = BTreeMap::new();
            let mut count = 0;
            let mut patience = Duration::from_millis(50);
            while count < BATCH {
                match self.consumer.poll(patience) {
                    Some(Ok(message)) => {
                        let (share, stored) = self.lift(&message);
                        batches.entry(share).or_default().push(stored);
                        count += 1;
                    }
                    Some(Err(e)) if is_passing(&e) => {
                        tracing::warn!(error = %e, "the log reader waits for the brokers");
                    }
                    Some(Err(e)) => {
                        let _ = context.arrivals.blocking_send(Err(e));
                    }
                    None => break,
                }
                patience = Duration::ZERO;
            }
            for (share, records) in batches {
                context.deliver(share, records);
            }
        }
    }

    fn lift(&self, message: &BorrowedMessage<'_>) -> (Share, Stored) {
        let share =
            Share { log: Arc::from(self.log.plain(message.topic())), number: message.partition().cast_unsigned() };
        (share, lift(message))
    }
}

fn lift(message: &BorrowedMessage<'_>) -> Stored {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
    });
    Stored {
        position: message.offset().cast_unsigned(),
        key: message.key().unwrap_or_default().to_vec(),
        headers,
        value: message.payload().map(<[u8]>::to_vec),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0).cast_unsigned(),
    }
}

impl Membership {
    fn deliver(&self, share: Share, records: Vec<Stored>) {
        let generation = self.generation(&share);
        let next = records.last().map_or(0, |last| last.position + 1);
        let _ = self.arrivals.blocking_send(Ok((generation, Arrival::Records { share, records, next })));
    }

    fn generation(&self, share: &Share) -> u64 {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).get(share).copied().unwrap_or(0)
    }

    fn note(&self, seek: &Seek) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(seek.share.clone(), seek.generation);
    }

    /// Carries out the seeks that were asked for since the last poll.
    fn seek_all(&self, consumer: &BaseConsumer<Self>) {
        let seeks = self.seeks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(seek) = seeks.try_recv() {
            self.note(&seek);
            let name = self.log.name(&seek.share.log);
            let partition = seek.share.number.cast_signed();
            if let Err(e) = consumer.seek(&name, partition, offset(seek.start), PATIENCE) {
                let _ = self.arrivals.blocking_send(Err(e));
            }
        }
    }

    /// Tells the reader of its new shares and waits until it has said where each begins.
    fn gain(&self, consumer: &BaseConsumer<Self>, gained: &TopicPartitionList) -> Result<(), KafkaError> {
        let shares: Vec<Share> = gained.elements().iter().map(|element| self.share(element)).collect();
        let seeks = self.seeks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut starts: HashMap<Share, Seek> = HashMap::new();
        for share in &shares {
            let mut notice = Ok((0, Arrival::Gained(share.clone())));
            // The reader may be sending seeks while the channel to it is full, so neither side may wait for ever.
            while let Err(mpsc::error::TrySendError::Full(back)) = self.arrivals.try_send(notice) {
                notice = back;
                while let Ok(seek) = seeks.recv_timeout(Duration::from_millis(5)) {
                    starts.insert(seek.share.clone(), seek);
                }
            }
        }
        let deadline = Instant::now() + Duration::from_mins(4);
        while !shares.iter().all(|share| starts.contains_key(share)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match seeks.recv_timeout(left) {
                Ok(seek) => starts.insert(seek.share.clone(), seek),
                Err(_) => break,
            };
        }
        let mut wanted = TopicPartitionList::new();
        for share in &shares {
            if let Some(seek) = starts.remove(share) {
                self.note(&seek);
                add(&self.log, &mut wanted, share, seek.start)?;
            }
        }
        consumer.incremental_assign(&wanted)
    }

    fn lose(&self, consumer: &BaseConsumer<Self>, lost: &TopicPartitionList) -> Result<(), KafkaError> {
        for element in lost.elements() {
            let _ = self.arrivals.blocking_send(Ok((0, Arrival::Lost(self.share(&element)))));
        }
        consumer.incremental_unassign(lost)
    }

    fn share(&self, element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> Share {
        Share { log: Arc::from(self.log.plain(element.topic())), number: element.partition().cast_unsigned() }
    }
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, shares: &mut TopicPartitionList) {
        let done = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.gain(consumer, shares),
            _ => self.lose(consumer, shares),
        };
        if let Err(e) = done {
            let _ = self.arrivals.blocking_send(Err(e));
        }
    }
}

fn add(log: &Kafka, list: &mut TopicPartitionList, share: &Share, start: Start) -> Result<(), KafkaError> {
    list.add_partition_offset(&log.name(&share.log), share.number.cast_signed(), offset(start))
}

fn offset(start: Start) -> Offset {
    match start {
        Start::Beginning => Offset::Beginning,
        Start::At(position) => Offset::Offset(position.cast_signed()),
    }
}

/// Errors that librdkafka mends by itself.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::UnknownTopicOrPartition
        )
    )
}

/// Where a partition ends for this consumer; errors that pass, such as a leader being elected, are waited out.
fn watermark(consumer: &BaseConsumer, name: &str, partition: i32, deadline: Instant) -> Result<i64, KafkaError> {
    loop {
        match consumer.fetch_watermarks(name, partition, PATIENCE) {
            Ok((_, high)) => return Ok(high),
            Err(e) if is_passing(&e) && Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            Err(e) => return Err(e),
        }
    }
}

/// Reads a share from its first record to everything that was appended, committed or not, when this was called; what
/// was then in flight has ended by the time this returns.
pub(super) fn read_all(log: &Kafka, share: &Share) -> Result<Vec<Stored>, KafkaError> {
    let name = log.name(&share.log);
    let partition = share.number.cast_signed();
    let uncommitted: BaseConsumer = log.consumer_config(None).set("isolation.level", "read_uncommitted").create()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    let high = watermark(&uncommitted, &name, partition, deadline)?;
    let consumer: BaseConsumer = log.consumer_config(None).set("enable.partition.eof", "true").create()?;
    while watermark(&consumer, &name, partition, deadline)? < high {
        if Instant::now() > deadline {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&name, partition, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut records = vec![];
    loop {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => records.push(lift(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
            Some(Err(e)) if is_passing(&e) => {}
            Some(Err(e)) => return Err(e),
            None if Instant::now() > deadline => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None => {}
        }
    }
}
