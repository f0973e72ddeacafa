//! The thread of a Kafka reader: it owns the consumer, polls it for records and carries out the reader's commands.
//!
//! librdkafka's consumer blocks, and calls back on the thread that polls it; so it has a thread of its own, and the
//! async side ([`Reader`](super::Reader)) talks to it over channels. Channels are bounded: a slow reader stops the
//! polling.

use super::{BROKER_TIMEOUT, Kafka};
use crate::{Arrival, Stored, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc as std_mpsc};
use std::time::Duration;
use tape::{Partition, Start};
use tokio::sync::mpsc;

/// Most arrivals that wait for the reader; with the two limits below this bounds what lies between broker and reader.
const MAX_WAITING_ARRIVALS: usize = 3;
/// Most records gathered by one round of polls, of all partitions: more than one fetch brings of a partition, so that a
/// fetch is seldom cut in two.
const MAX_GATHERED_RECORDS: usize = 20_000;
/// How many bytes of values end a round of polls.
const MAX_GATHERED_BYTES: usize = 32 << 20;
/// How long a round waits for its first record; commands are carried out between rounds.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// What the reader sends to the consumer's thread.
pub(super) enum Command {
    Seek(Seek),
    LetGo(Partition),
    /// Commit these positions to the group; nothing rests on it.
    PublishPositions(Vec<(Partition, u64)>),
}

/// Read a partition from here; records delivered for it carry the generation.
pub(super) struct Seek {
    pub(super) partition: Partition,
    pub(super) start: Start,
    pub(super) generation: u64,
}

/// How a reader takes part in its group.
#[derive(Clone, Copy)]
pub(super) struct GroupMode {
    /// Only records with such keys are delivered.
    pub(super) wants_key: fn(&[u8]) -> bool,
    /// Whether a rebalance that takes a partition away waits until the reader lets it go.
    pub(super) waits_for_release: bool,
    /// Whether there is no group, so that only the reader's commands begin and end the reading of a partition.
    pub(super) alone: bool,
}

impl GroupMode {
    /// A member that takes every record and does not write under its membership.
    pub(super) const MEMBER: Self = Self { wants_key: |_| true, waits_for_release: false, alone: false };
}

/// What runs on the thread.
pub(super) struct ConsumerThread {
    consumer: Arc<BaseConsumer<GroupContext>>,
}

/// What the thread and the rebalance callback share (`rebalance.rs`).
pub(super) struct GroupContext {
    pub(super) log: Kafka,
    pub(super) mode: GroupMode,
    pub(super) arrivals: mpsc::Sender<Result<(u64, Arrival), KafkaError>>,
    pub(super) commands: Mutex<std_mpsc::Receiver<Command>>,
    generations: Mutex<HashMap<Partition, u64>>,
}

/// What a reader receives.
type Arrivals = mpsc::Receiver<Result<(u64, Arrival), KafkaError>>;

impl ConsumerThread {
    pub(super) fn new(
        log: &Kafka,
        config: &ClientConfig,
        mode: GroupMode,
        commands: std_mpsc::Receiver<Command>,
    ) -> Result<(Self, Arrivals), KafkaError> {
        let (arrivals, received) = mpsc::channel(MAX_WAITING_ARRIVALS);
        let context = GroupContext {
            log: log.clone(),
            mode,
            arrivals,
            commands: Mutex::new(commands),
            generations: Mutex::default(),
        };
        Ok((Self { consumer: Arc::new(config.create_with_context(context)?) }, received))
    }

    /// The consumer, for as long as the thread runs.
    pub(super) fn downgrade(&self) -> Weak<BaseConsumer<GroupContext>> {
        Arc::downgrade(&self.consumer)
    }

    pub(super) fn subscribe(&self, topic: &Topic) -> Result<(), KafkaError> {
        self.consumer.subscribe(&[&self.consumer.context().log.name(topic.name)])
    }

    pub(super) fn spawn(self) -> Result<(), std::io::Error> {
        std::thread::Builder::new().name("log-reader".to_owned()).spawn(move || self.run()).map(|_| ())
    }

    fn run(self) {
        let context = Arc::clone(self.consumer.context());
        let mut assigned = HashSet::new();
        while !context.arrivals.is_closed() {
            if let Err(e) = context.carry_out_commands(&self.consumer, &mut assigned) {
                let _ = context.arrivals.blocking_send(Err(e));
            }
            for (partition, records) in self.gather(&context) {
                context.deliver(partition, records);
            }
        }
    }

    /// One round of polls: what is there by now, by partition.
    fn gather(&self, context: &GroupContext) -> BTreeMap<Partition, Vec<Stored>> {
        let mut batches: BTreeMap<Partition, Vec<Stored>> = BTreeMap::new();
        let (mut count, mut bytes) = (0, 0);
        let mut timeout = POLL_TIMEOUT;
        while count < MAX_GATHERED_RECORDS && bytes < MAX_GATHERED_BYTES {
            match self.consumer.poll(timeout) {
                Some(Ok(message)) if !(context.mode.wants_key)(message.key().unwrap_or_default()) => count += 1,
                Some(Ok(message)) => {
                    bytes += message.payload_len();
                    batches.entry(context.partition_of(&message)).or_default().push(stored_record(&message));
                    count += 1;
                }
                Some(Err(e)) if is_passing(&e) => {
                    tracing::warn!(event = "kafka.waiting", error = %e, "the log reader waits for the brokers");
                }
                Some(Err(e)) => {
                    let _ = context.arrivals.blocking_send(Err(e));
                }
                None => break,
            }
            timeout = Duration::ZERO;
        }
        batches
    }
}

impl GroupContext {
    fn partition_of(&self, message: &BorrowedMessage<'_>) -> Partition {
        Partition { topic: Arc::from(self.log.plain(message.topic())), index: message.partition().cast_unsigned() }
    }

    fn deliver(&self, partition: Partition, records: Vec<Stored>) {
        let generation = self.generation(&partition);
        let next = records.last().map_or(0, |last| last.position + 1);
        let _ = self.arrivals.blocking_send(Ok((generation, Arrival::Records { partition, records, next })));
    }

    fn generation(&self, partition: &Partition) -> u64 {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).get(partition).copied().unwrap_or(0)
    }

    /// Records delivered from now on belong to this seek.
    pub(super) fn note_generation(&self, seek: &Seek) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(seek.partition.clone(), seek.generation);
    }

    /// Carries out what the reader sent since the last round; `assigned` are the partitions read without a group.
    fn carry_out_commands(
        &self,
        consumer: &BaseConsumer<Self>,
        assigned: &mut HashSet<Partition>,
    ) -> Result<(), KafkaError> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun: HashMap<Partition, Start> = HashMap::new();
        let mut ended: Vec<Partition> = vec![];
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Seek(seek) if self.mode.alone => {
                    self.note_generation(&seek);
                    ended.push(seek.partition.clone());
                    begun.insert(seek.partition, seek.start);
                }
                Command::Seek(seek) => {
                    self.note_generation(&seek);
                    let name = self.log.name(&seek.partition.topic);
                    consumer.seek(&name, seek.partition.index.cast_signed(), offset(seek.start), BROKER_TIMEOUT)?;
                }
                Command::PublishPositions(positions) => self.commit(consumer, &positions),
                Command::LetGo(partition) => {
                    begun.remove(&partition);
                    ended.push(partition);
                }
            }
        }
        self.reassign(consumer, assigned, begun, ended)
    }

    /// Commits without waiting. A partition that was lost meanwhile is refused, and its new reader commits it.
    fn commit(&self, consumer: &BaseConsumer<Self>, positions: &[(Partition, u64)]) {
        let mut list = TopicPartitionList::new();
        let mut added = positions.iter().map(|(it, next)| self.add_partition(&mut list, it, Start::At(*next)));
        let committed = added.try_for_each(|added| added).and_then(|()| consumer.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(event = "kafka.positions.uncommitted", %error, "positions are not committed to the group");
        }
    }

    /// Ends the reading of some partitions, then begins that of others.
    fn reassign(
        &self,
        consumer: &BaseConsumer<Self>,
        assigned: &mut HashSet<Partition>,
        begun: HashMap<Partition, Start>,
        ended: Vec<Partition>,
    ) -> Result<(), KafkaError> {
        let (mut less, mut more) = (TopicPartitionList::new(), TopicPartitionList::new());
        for partition in ended {
            if assigned.remove(&partition) {
                less.add_partition(&self.log.name(&partition.topic), partition.index.cast_signed());
            }
        }
        if less.count() > 0 {
            consumer.incremental_unassign(&less)?;
        }
        for (partition, start) in begun {
            self.add_partition(&mut more, &partition, start)?;
            assigned.insert(partition);
        }
        if more.count() > 0 {
            consumer.incremental_assign(&more)?;
        }
        Ok(())
    }

    /// Puts a partition with its start on an assignment.
    pub(super) fn add_partition(
        &self,
        list: &mut TopicPartitionList,
        partition: &Partition,
        start: Start,
    ) -> Result<(), KafkaError> {
        list.add_partition_offset(&self.log.name(&partition.topic), partition.index.cast_signed(), offset(start))
    }
}

pub(super) fn stored_record(message: &BorrowedMessage<'_>) -> Stored {
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

fn offset(start: Start) -> Offset {
    match start {
        Start::Beginning => Offset::Beginning,
        Start::At(position) => Offset::Offset(position.cast_signed()),
    }
}

/// Errors that librdkafka recovers from by itself.
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
