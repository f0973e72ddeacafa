//! The rebalance callback of a group member: partitions are assigned only with the start that the reader sought.
//!
//! librdkafka calls it on the consumer's thread, inside a poll; no record of an assigned partition is fetched before it
//! returns.
//!
//! **Invariant:** a gained partition is handed to the consumer only with the start that the reader sent for it, so no
//! record before that start can arrive. A member that writes under its membership is waited for when a partition is
//! taken from it, for [`RELEASE_TIMEOUT`]: after that, fencing decides. Without a group, a partition is read from the
//! first seek until it is let go.

use super::consumer::{Command, GroupContext, Seek};
use crate::Arrival;
use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tape::Partition;
use tokio::sync::mpsc::error::TrySendError;

/// How long a rebalance waits for the reader to say where its new partitions begin: below `max.poll.interval.ms`.
const START_TIMEOUT: Duration = Duration::from_mins(4);
/// How long a rebalance waits for the reader to let go of the partitions that it loses: below `session.timeout.ms`.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long one look for a command takes while the channel of arrivals is full.
const FULL_CHANNEL_PAUSE: Duration = Duration::from_millis(5);

impl ClientContext for GroupContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.context().error(error, reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.log.0.link.token()
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let done = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign_gained(consumer, partitions),
            _ => self.unassign_lost(consumer, partitions),
        };
        if let Err(e) = done {
            let _ = self.arrivals.blocking_send(Err(e));
        }
    }
}

impl GroupContext {
    /// Announces the gained partitions, waits for the reader to seek each of them, and assigns them with those starts.
    fn assign_gained(&self, consumer: &BaseConsumer<Self>, gained: &TopicPartitionList) -> Result<(), KafkaError> {
        let partitions = self.partitions_in(gained);
        let mut starts = self.wait_for_starts(&partitions);
        let mut assignment = TopicPartitionList::new();
        for partition in &partitions {
            if let Some(seek) = starts.remove(partition) {
                self.note_generation(&seek);
                self.add_partition(&mut assignment, partition, seek.start)?;
            }
        }
        consumer.incremental_assign(&assignment)
    }

    fn wait_for_starts(&self, partitions: &[Partition]) -> HashMap<Partition, Seek> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let mut starts: HashMap<Partition, Seek> = HashMap::new();
        for partition in partitions {
            let mut notice = Ok((0, Arrival::Gained(partition.clone())));
            // The reader may be sending seeks while the channel to it is full, so neither side may wait for ever.
            while let Err(TrySendError::Full(back)) = self.arrivals.try_send(notice) {
                notice = back;
                while let Ok(command) = commands.recv_timeout(FULL_CHANNEL_PAUSE) {
                    if let Command::Seek(seek) = command {
                        starts.insert(seek.partition.clone(), seek);
                    }
                }
            }
        }
        let deadline = Instant::now() + START_TIMEOUT;
        while !partitions.iter().all(|partition| starts.contains_key(partition)) {
            match commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Command::Seek(seek)) => drop(starts.insert(seek.partition.clone(), seek)),
                Ok(Command::LetGo(_) | Command::PublishPositions(_)) => {}
                Err(_) => break,
            }
        }
        starts
    }

    /// Announces the lost partitions, waits for the reader to let them go where it writes under its membership, and
    /// gives them up.
    fn unassign_lost(&self, consumer: &BaseConsumer<Self>, lost: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut held = self.partitions_in(lost);
        for partition in &held {
            let _ = self.arrivals.blocking_send(Ok((0, Arrival::Lost(partition.clone()))));
        }
        if self.mode.waits_for_release {
            let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = Instant::now() + RELEASE_TIMEOUT;
            while !held.is_empty() && !self.arrivals.is_closed() {
                match commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Command::LetGo(partition)) => held.retain(|one| *one != partition),
                    // A partition that is being taken away need not be sought any more, and none is gained meanwhile.
                    Ok(Command::Seek(_) | Command::PublishPositions(_)) => {}
                    Err(_) => break,
                }
            }
        }
        consumer.incremental_unassign(lost)
    }

    fn partitions_in(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let partition = |element: &TopicPartitionListElem<'_>| Partition {
            topic: Arc::from(self.log.plain(element.topic())),
            index: element.partition().cast_unsigned(),
        };
        list.elements().iter().map(partition).collect()
    }
}
