//! Which chains this instance follows: the instances of an environment share the partitions of the journal by one
//! consumer group, and a chain belongs to the instance that holds the partition of its journal.
//!
//! **Invariant:** a chain is written only under a [`Hold`](crate::tape::Hold) of its partition; when the partition is
//! lost, its chains are stopped before it is given back. Should one not stop in time, fencing keeps it from writing.

mod chain;
mod outside;
mod partition;

use crate::catalog::Catalog;
use crate::plugin::Engine;
use crate::requests::Requests;
use environment::{Backoff, Shutdown};
use partition::Instance;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Start, Unavailable};
use tape_log::access::JOURNAL_GROUP;
use tape_log::{Arrival, Log, Reader, topics};
use tokio::task::JoinSet;
use wire::v1::journal;

/// Holds the partitions that the group assigns to this instance and follows their chains, until the process is to stop.
pub(crate) async fn hold_assigned(
    engine: Engine,
    log: Log,
    catalog: Catalog,
    command: String,
    shutdown: Shutdown,
) -> Result<(), Unavailable> {
    let mut reader = log.member(JOURNAL_GROUP, &topics::JOURNAL, journal::is_request_key).await?;
    let instance = Arc::new(Instance::new(engine, log, reader.membership(), catalog, Requests::default(), command));
    let mut held = HeldPartitions::new(instance);
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.requested() {
        tokio::select! {
            arrival = reader.next() => match arrival {
                Ok(arrival) => {
                    backoff.reset();
                    held.handle(&mut reader, arrival).await?;
                }
                Err(e) => {
                    tracing::warn!(event = "group.waiting", error = %e, cause = %e.source, "the ingestor waits for its group");
                    tokio::time::sleep(backoff.next()).await;
                }
            },
            Some(ended) = held.tasks.join_next() => held.give_back(&mut reader, ended),
            () = shutdown.wait() => {}
        }
    }
    held.stop_all(&mut reader).await;
    Ok(())
}

/// The partitions that this instance holds, each with a task of its own.
struct HeldPartitions {
    instance: Arc<Instance>,
    stops: HashMap<Partition, Shutdown>,
    /// Partitions that were gained again before they were given back.
    regained: HashSet<Partition>,
    tasks: JoinSet<Partition>,
}

impl HeldPartitions {
    fn new(instance: Arc<Instance>) -> Self {
        Self { instance, stops: HashMap::new(), regained: HashSet::new(), tasks: JoinSet::new() }
    }

    async fn handle(&mut self, reader: &mut Reader, arrival: Arrival) -> Result<(), Unavailable> {
        match arrival {
            Arrival::Gained(partition) => {
                reader.seek(&partition, Start::Beginning).await?;
                if self.stops.contains_key(&partition) {
                    self.regained.insert(partition);
                } else {
                    self.start(partition);
                }
            }
            Arrival::Lost(partition) => {
                self.regained.remove(&partition);
                match self.stops.get(&partition) {
                    Some(stop) => stop.trigger(),
                    None => reader.let_go(&partition),
                }
            }
            Arrival::Records { records, .. } => {
                for record in records.iter().filter(|record| journal::is_request_key(&record.key)) {
                    // A request that cannot be read is logged when the partition is taken.
                    let _ = self.instance.requests.take_in(record);
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, partition: Partition) {
        let stop = Shutdown::default();
        self.stops.insert(partition.clone(), stop.clone());
        let instance = Arc::clone(&self.instance);
        self.tasks.spawn(async move {
            instance.follow_partition(&partition, &stop).await;
            partition
        });
    }

    /// Gives a partition back whose chains have stopped, or starts it again where it was gained again meanwhile.
    fn give_back(&mut self, reader: &mut Reader, ended: Result<Partition, tokio::task::JoinError>) {
        let partition = or_panic(ended);
        self.stops.remove(&partition);
        reader.let_go(&partition);
        if self.regained.remove(&partition) {
            self.start(partition);
        }
    }

    async fn stop_all(&mut self, reader: &mut Reader) {
        self.stops.values().for_each(Shutdown::trigger);
        self.regained.clear();
        while let Some(ended) = self.tasks.join_next().await {
            self.give_back(reader, ended);
        }
    }
}

/// The result of a task. A panic is a bug of ours: the process must not go on half dead, and its supervisor starts it
/// again.
fn or_panic<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
