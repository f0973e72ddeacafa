//! A reader of committed records: one consumer on one thread, which the async side talks to over channels.
//!
//! **Invariant:** a partition gained through the group is handed to the consumer only with the start that the reader was
//! told to seek; a rebalance waits for that word, so no record before it can arrive. A member that writes under its
//! membership is waited for when a partition is taken from it, for a while: then fencing decides. Without a group, a partition is
//! read from the first word that seeks it until the word that lets it go.

use super::{Kafka, PATIENCE};
use crate::{Arrival, Stored, Topic};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc as std_mpsc};
use std::time::{Duration, Instant};
use tape::{Partition, Start, Unavailable};
use tokio::sync::mpsc;

/// Arrivals waiting to be taken; with [`BATCH`] and [`BATCH_BYTES`] this bounds what lies between broker and reader.
const WAITING: usize = 3;
/// Most records gathered at once, of all partitions: more than one fetch brings of a partition, so that little of it is cut off.
const BATCH: usize = 20_000;
/// How many bytes of values end a gathering.
const BATCH_BYTES: usize = 32 << 20;

/// How long a partition that is taken away waits for the word that it is let go.
const PARTING: Duration = Duration::from_secs(4);

/// Reads partitions of the cluster. Dropping it leaves the group.
pub struct Reader {
    arrivals: mpsc::Receiver<Result<(u64, Arrival), KafkaError>>,
    words: std_mpsc::Sender<Word>,
    generations: HashMap<Partition, u64>,
    membership: Membership,
    alone: bool,
}

/// What the reader tells the consumer's thread.
enum Word {
    Seek(Seek),
    LetGo(Partition),
}

/// How a reader takes part in its group.
#[derive(Clone, Copy)]
struct Manner {
    /// Only records with such keys are handed over.
    keep: fn(&[u8]) -> bool,
    /// Whether a partition taken away waits until it is let go.
    parts_gently: bool,
    /// Whether there is no group, so that partitions come and go by the reader's word alone.
    alone: bool,
}

const MANNER: Manner = Manner { keep: |_| true, parts_gently: false, alone: false };

/// The place of a reader in its group, for writers whose appends hold only while it lasts.
#[derive(Clone)]
pub struct Membership(Weak<BaseConsumer<GroupContext>>);

impl Membership {
    /// What the brokers compare; none once the reader is gone.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.0.upgrade()?.group_metadata()
    }
}

struct Seek {
    partition: Partition,
    start: Start,
    generation: u64,
}

impl Reader {
    pub(super) fn assigned(log: &Kafka, partitions: Vec<(Partition, Start)>) -> Result<Self, Unavailable> {
        let doing = "read assigned partitions";
        let manner = Manner { alone: true, ..MANNER };
        let (pump, mut reader) =
            Pump::new(log, &log.consumer_config(None), manner).map_err(|e| Unavailable::new(doing, e))?;
        for (partition, start) in partitions {
            reader.seek(&partition, start)?;
        }
        pump.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    pub(super) fn joined(log: &Kafka, group: &str, topic: &Topic) -> Result<Self, Unavailable> {
        Self::join(log, &log.consumer_config(Some(group)), MANNER, topic)
    }

    pub(super) fn member(
        log: &Kafka,
        group: &str,
        topic: &Topic,
        keep: fn(&[u8]) -> bool,
    ) -> Result<Self, Unavailable> {
        let mut config = log.consumer_config(Some(group));
        // The others should hear of a change soon: until then nobody writes.
        config.set("heartbeat.interval.ms", "500");
        Self::join(log, &config, Manner { keep, parts_gently: true, ..MANNER }, topic)
    }

    fn join(log: &Kafka, config: &ClientConfig, manner: Manner, topic: &Topic) -> Result<Self, Unavailable> {
        let doing = format!("join the readers of {}", topic.name);
        let (pump, reader) = Pump::new(log, config, manner).map_err(|e| Unavailable::new(doing.clone(), e))?;
        pump.consumer.subscribe(&[&log.name(topic.name)]).map_err(|e| Unavailable::new(doing.clone(), e))?;
        pump.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    pub(crate) fn membership(&self) -> Membership {
        self.membership.clone()
    }

    pub(crate) fn let_go(&mut self, partition: &Partition) {
        // What is still under way of it arrives nowhere. A member may have gained the partition again meanwhile: that is not
        // what it lets go.
        if self.alone {
            *self.generations.entry(partition.clone()).or_default() += 1;
        }
        // A thread that has ended holds nothing any more.
        let _ = self.words.send(Word::LetGo(partition.clone()));
    }

    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        loop {
            match self.arrivals.recv().await {
                Some(Ok((generation, arrival))) => match &arrival {
                    Arrival::Records { partition, .. } if self.generation(partition) != generation => {}
                    Arrival::Lost(partition) => {
                        self.generations.remove(partition);
                        return Ok(arrival);
                    }
                    Arrival::Records { .. } | Arrival::Gained(_) => return Ok(arrival),
                },
                Some(Err(e)) => return Err(Unavailable::new("read the log", e)),
                None => return Err(Unavailable::new("read the log", "its thread has ended")),
            }
        }
    }

    pub(crate) fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        let generation = self.generation(partition) + 1;
        self.generations.insert(partition.clone(), generation);
        self.words
            .send(Word::Seek(Seek { partition: partition.clone(), start, generation }))
            .map_err(|e| Unavailable::new("seek in the log", e.to_string()))
    }

    fn generation(&self, partition: &Partition) -> u64 {
        self.generations.get(partition).copied().unwrap_or(0)
    }
}

/// Everything the consumer's thread owns.
struct Pump {
    log: Kafka,
    consumer: Arc<BaseConsumer<GroupContext>>,
}

/// Turns rebalances into arrivals, and waits for the starts of what is gained.
pub(super) struct GroupContext {
    log: Kafka,
    arrivals: mpsc::Sender<Result<(u64, Arrival), KafkaError>>,
    words: Mutex<std_mpsc::Receiver<Word>>,
    manner: Manner,
    generations: Arc<Mutex<HashMap<Partition, u64>>>,
}

impl Pump {
    fn new(log: &Kafka, config: &ClientConfig, manner: Manner) -> Result<(Self, Reader), KafkaError> {
        let (arrivals_in, arrivals) = mpsc::channel(WAITING);
        let (words, words_out) = std_mpsc::channel();
        let membership = GroupContext {
            log: log.clone(),
            arrivals: arrivals_in,
            words: Mutex::new(words_out),
            manner,
            generations: Arc::default(),
        };
        let consumer = Arc::new(config.create_with_context(membership)?);
        let membership = Membership(Arc::downgrade(&consumer));
        let reader = Reader { arrivals, words, generations: HashMap::new(), membership, alone: manner.alone };
        Ok((Self { log: log.clone(), consumer }, reader))
    }

    fn spawn(self) -> Result<(), std::io::Error> {
        std::thread::Builder::new().name("log-reader".to_owned()).spawn(move || self.run()).map(|_| ())
    }

    fn run(self) {
        let context = Arc::clone(self.consumer.context());
        let mut read = HashSet::new();
        while !context.arrivals.is_closed() {
            if let Err(e) = context.hear(&self.consumer, &mut read) {
                let _ = context.arrivals.blocking_send(Err(e));
            }
            let mut batches: BTreeMap<Partition, Vec<Stored>> = BTreeMap::new();
            let (mut count, mut bytes) = (0, 0);
            let mut patience = Duration::from_millis(50);
            while count < BATCH && bytes < BATCH_BYTES {
                match self.consumer.poll(patience) {
                    Some(Ok(message)) if !(context.manner.keep)(message.key().unwrap_or_default()) => count += 1,
                    Some(Ok(message)) => {
                        bytes += message.payload_len();
                        let (partition, stored) = self.lift(&message);
                        batches.entry(partition).or_default().push(stored);
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
            for (partition, records) in batches {
                context.deliver(partition, records);
            }
        }
    }

    fn lift(&self, message: &BorrowedMessage<'_>) -> (Partition, Stored) {
        let partition =
            Partition { topic: Arc::from(self.log.plain(message.topic())), index: message.partition().cast_unsigned() };
        (partition, lift(message))
    }
}

pub(super) fn lift(message: &BorrowedMessage<'_>) -> Stored {
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

impl GroupContext {
    fn deliver(&self, partition: Partition, records: Vec<Stored>) {
        let generation = self.generation(&partition);
        let next = records.last().map_or(0, |last| last.position + 1);
        let _ = self.arrivals.blocking_send(Ok((generation, Arrival::Records { partition, records, next })));
    }

    fn generation(&self, partition: &Partition) -> u64 {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).get(partition).copied().unwrap_or(0)
    }

    fn note(&self, seek: &Seek) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(seek.partition.clone(), seek.generation);
    }

    /// Carries out what was asked for since the last poll; `read` are the partitions read without a group.
    fn hear(&self, consumer: &BaseConsumer<Self>, read: &mut HashSet<Partition>) -> Result<(), KafkaError> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun: HashMap<Partition, Start> = HashMap::new();
        let mut ended: Vec<Partition> = vec![];
        while let Ok(word) = words.try_recv() {
            match word {
                Word::Seek(seek) if self.manner.alone => {
                    self.note(&seek);
                    ended.push(seek.partition.clone());
                    begun.insert(seek.partition, seek.start);
                }
                Word::Seek(seek) => {
                    self.note(&seek);
                    let name = self.log.name(&seek.partition.topic);
                    consumer.seek(&name, seek.partition.index.cast_signed(), offset(seek.start), PATIENCE)?;
                }
                Word::LetGo(partition) => {
                    begun.remove(&partition);
                    ended.push(partition);
                }
            }
        }
        let (mut less, mut more) = (TopicPartitionList::new(), TopicPartitionList::new());
        for partition in ended {
            if read.remove(&partition) {
                less.add_partition(&self.log.name(&partition.topic), partition.index.cast_signed());
            }
        }
        if less.count() > 0 {
            consumer.incremental_unassign(&less)?;
        }
        for (partition, start) in begun {
            add(&self.log, &mut more, &partition, start)?;
            read.insert(partition);
        }
        if more.count() > 0 {
            consumer.incremental_assign(&more)?;
        }
        Ok(())
    }

    /// Tells the reader of its new partitions and waits until it has said where each begins.
    fn gain(&self, consumer: &BaseConsumer<Self>, gained: &TopicPartitionList) -> Result<(), KafkaError> {
        let partitions: Vec<Partition> = gained.elements().iter().map(|element| self.partition(element)).collect();
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let mut starts: HashMap<Partition, Seek> = HashMap::new();
        for partition in &partitions {
            let mut notice = Ok((0, Arrival::Gained(partition.clone())));
            // The reader may be sending seeks while the channel to it is full, so neither side may wait for ever.
            while let Err(mpsc::error::TrySendError::Full(back)) = self.arrivals.try_send(notice) {
                notice = back;
                while let Ok(word) = words.recv_timeout(Duration::from_millis(5)) {
                    if let Word::Seek(seek) = word {
                        starts.insert(seek.partition.clone(), seek);
                    }
                }
            }
        }
        let deadline = Instant::now() + Duration::from_mins(4);
        while !partitions.iter().all(|partition| starts.contains_key(partition)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match words.recv_timeout(left) {
                Ok(Word::Seek(seek)) => drop(starts.insert(seek.partition.clone(), seek)),
                Ok(Word::LetGo(_)) => {}
                Err(_) => break,
            }
        }
        let mut wanted = TopicPartitionList::new();
        for partition in &partitions {
            if let Some(seek) = starts.remove(partition) {
                self.note(&seek);
                add(&self.log, &mut wanted, partition, seek.start)?;
            }
        }
        consumer.incremental_assign(&wanted)
    }

    fn lose(&self, consumer: &BaseConsumer<Self>, lost: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut held: Vec<Partition> = lost.elements().iter().map(|element| self.partition(element)).collect();
        for partition in &held {
            let _ = self.arrivals.blocking_send(Ok((0, Arrival::Lost(partition.clone()))));
        }
        if self.manner.parts_gently {
            let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = Instant::now() + PARTING;
            while !held.is_empty() && !self.arrivals.is_closed() {
                match words.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Word::LetGo(partition)) => held.retain(|one| *one != partition),
                    // A partition that is being taken away need not be sought any more, and none is gained meanwhile.
                    Ok(Word::Seek(_)) => {}
                    Err(_) => break,
                }
            }
        }
        consumer.incremental_unassign(lost)
    }

    fn partition(&self, element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> Partition {
        Partition { topic: Arc::from(self.log.plain(element.topic())), index: element.partition().cast_unsigned() }
    }
}

impl ClientContext for GroupContext {}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.gain(consumer, partitions),
            _ => self.lose(consumer, partitions),
        };
        if let Err(e) = done {
            let _ = self.arrivals.blocking_send(Err(e));
        }
    }
}

fn add(log: &Kafka, list: &mut TopicPartitionList, partition: &Partition, start: Start) -> Result<(), KafkaError> {
    list.add_partition_offset(&log.name(&partition.topic), partition.index.cast_signed(), offset(start))
}

fn offset(start: Start) -> Offset {
    match start {
        Start::Beginning => Offset::Beginning,
        Start::At(position) => Offset::Offset(position.cast_signed()),
    }
}

/// Errors that librdkafka mends by itself.
pub(super) fn is_passing(error: &KafkaError) -> bool {
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
