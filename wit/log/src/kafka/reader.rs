//! The async side of a Kafka reader: it receives arrivals from the consumer's thread and sends it commands.

use super::Kafka;
use super::consumer::{Command, ConsumerThread, GroupContext, GroupMode, Seek};
use crate::{Arrival, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use std::collections::HashMap;
use std::sync::{Weak, mpsc as std_mpsc};
use tape::{Partition, Start, Unavailable};
use tokio::sync::mpsc;

/// Reads partitions of the cluster. Dropping it leaves the group.
pub struct Reader {
    arrivals: mpsc::Receiver<Result<(u64, Arrival), KafkaError>>,
    commands: std_mpsc::Sender<Command>,
    /// How often each partition was sought: records read before the newest seek are dropped.
    generations: HashMap<Partition, u64>,
    membership: Membership,
    alone: bool,
}

/// The membership of a reader in its group, for writers whose appends hold only while it lasts.
#[derive(Clone)]
pub struct Membership(Weak<BaseConsumer<GroupContext>>);

impl Membership {
    /// What the brokers compare; none once the reader is gone.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.0.upgrade()?.group_metadata()
    }
}

impl Reader {
    pub(super) fn assigned(log: &Kafka, partitions: Vec<(Partition, Start)>) -> Result<Self, Unavailable> {
        let doing = "read assigned partitions";
        let mode = GroupMode { alone: true, ..GroupMode::MEMBER };
        let (thread, mut reader) =
            Self::create(log, &log.consumer_config(None), mode).map_err(|e| Unavailable::new(doing, e))?;
        for (partition, start) in partitions {
            reader.seek(&partition, start)?;
        }
        thread.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    pub(super) fn joined(log: &Kafka, group: &str, topic: &Topic) -> Result<Self, Unavailable> {
        Self::join(log, &log.consumer_config(Some(group)), GroupMode::MEMBER, topic)
    }

    pub(super) fn member(
        log: &Kafka,
        group: &str,
        topic: &Topic,
        wants_key: fn(&[u8]) -> bool,
    ) -> Result<Self, Unavailable> {
        let mut config = log.consumer_config(Some(group));
        // Other members should learn of a rebalance soon: until then nobody writes.
        if log.0.settings.connection.property("heartbeat.interval.ms").is_none() {
            config.set("heartbeat.interval.ms", "500");
        }
        Self::join(log, &config, GroupMode { wants_key, waits_for_release: true, ..GroupMode::MEMBER }, topic)
    }

    fn join(log: &Kafka, config: &ClientConfig, mode: GroupMode, topic: &Topic) -> Result<Self, Unavailable> {
        let doing = format!("join the readers of {}", topic.name);
        let (thread, reader) = Self::create(log, config, mode).map_err(|e| Unavailable::new(doing.clone(), e))?;
        thread.subscribe(topic).map_err(|e| Unavailable::new(doing.clone(), e))?;
        thread.spawn().map_err(|e| Unavailable::new(doing, e))?;
        Ok(reader)
    }

    fn create(log: &Kafka, config: &ClientConfig, mode: GroupMode) -> Result<(ConsumerThread, Self), KafkaError> {
        let (commands, commands_out) = std_mpsc::channel();
        let (thread, arrivals) = ConsumerThread::new(log, config, mode, commands_out)?;
        let membership = Membership(thread.downgrade());
        Ok((thread, Self { arrivals, commands, generations: HashMap::new(), membership, alone: mode.alone }))
    }

    pub(crate) fn membership(&self) -> Membership {
        self.membership.clone()
    }

    pub(crate) fn let_go(&mut self, partition: &Partition) {
        // A reader without a group drops what is still under way of the partition. A member does not: it may have
        // gained the partition again meanwhile, and that is not what it lets go.
        if self.alone {
            *self.generations.entry(partition.clone()).or_default() += 1;
        }
        // A thread that has ended holds nothing any more.
        let _ = self.commands.send(Command::LetGo(partition.clone()));
    }

    pub(crate) fn publish_positions(&mut self, positions: Vec<(Partition, u64)>) {
        // A thread that has ended is no member any more.
        let _ = self.commands.send(Command::PublishPositions(positions));
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
        self.commands
            .send(Command::Seek(Seek { partition: partition.clone(), start, generation }))
            .map_err(|e| Unavailable::new("seek in the log", e.to_string()))
    }

    fn generation(&self, partition: &Partition) -> u64 {
        self.generations.get(partition).copied().unwrap_or(0)
    }
}
