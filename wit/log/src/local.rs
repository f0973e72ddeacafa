//! What the SQLite and the memory log share: ends of partitions, waking readers after an append, and the reader.

use crate::{Arrival, Stored, Topic};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tape::{Partition, Start, Unavailable};
use tokio::sync::watch;

/// Most records in one arrival.
const MAX_RECORDS_PER_ARRIVAL: usize = 1_000;

/// Stored records, by partition and position.
pub(crate) trait RecordSource: Send + Sync {
    /// At most `limit` records of a partition from a position on.
    fn fetch(
        &self,
        partition: &Partition,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored>, Unavailable>> + Send;
}

/// The ends of all partitions, and the readers' groups. Clones share them.
#[derive(Clone)]
pub(crate) struct PartitionEnds {
    ends: Arc<Mutex<HashMap<Partition, u64>>>,
    groups: Arc<Mutex<HashMap<(String, String), u64>>>,
    changes: watch::Sender<u64>,
}

impl PartitionEnds {
    /// With these ends.
    pub(crate) fn new(ends: HashMap<Partition, u64>) -> Self {
        Self { ends: Arc::new(Mutex::new(ends)), groups: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// The position after the last record.
    pub(crate) fn end(&self, partition: &Partition) -> u64 {
        lock(&self.ends).get(partition).copied().unwrap_or(0)
    }

    /// Makes new ends known and wakes the readers.
    pub(crate) fn advance(&self, ends: impl IntoIterator<Item = (Partition, u64)>) {
        lock(&self.ends).extend(ends);
        self.changes.send_modify(|version| *version += 1);
    }

    fn generation(&self, group: &(String, String)) -> u64 {
        lock(&self.groups).get(group).copied().unwrap_or(0)
    }

    fn join(&self, group: &(String, String)) -> u64 {
        let mut groups = lock(&self.groups);
        let generation = groups.entry(group.clone()).or_default();
        *generation += 1;
        let mine = *generation;
        drop(groups);
        self.changes.send_modify(|version| *version += 1);
        mine
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads partitions in turn. Within a group the newest member has every partition: one process has one reader.
pub(crate) struct LocalReader<S> {
    source: S,
    ends: PartitionEnds,
    changes: watch::Receiver<u64>,
    member: Option<((String, String), u64)>,
    positions: BTreeMap<Partition, u64>,
    notices: VecDeque<Arrival>,
    turn: usize,
}

impl<S: RecordSource> LocalReader<S> {
    /// Reads the given partitions from the given places.
    pub(crate) fn assigned(source: S, ends: &PartitionEnds, partitions: Vec<(Partition, Start)>) -> Self {
        let mut reader = Self::new(source, ends, None);
        for (partition, start) in partitions {
            reader.seek(&partition, start);
        }
        reader
    }

    /// Takes a topic over from every earlier member of the group.
    pub(crate) fn joined(source: S, ends: &PartitionEnds, group: &str, topic: &Topic) -> Self {
        let group = (group.to_owned(), topic.name.to_owned());
        let generation = ends.join(&group);
        let mut reader = Self::new(source, ends, Some((group, generation)));
        reader.notices = topic.partitions().map(Arrival::Gained).collect();
        reader
    }

    fn new(source: S, ends: &PartitionEnds, member: Option<((String, String), u64)>) -> Self {
        Self {
            source,
            ends: ends.clone(),
            changes: ends.changes.subscribe(),
            member,
            positions: BTreeMap::new(),
            notices: VecDeque::new(),
            turn: 0,
        }
    }

    /// What comes next; waits for it.
    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        loop {
            self.changes.borrow_and_update();
            self.yield_to_newer_member();
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            if let Some(arrival) = self.fetch().await? {
                return Ok(arrival);
            }
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Starts, or starts again, to read a partition.
    pub(crate) fn seek(&mut self, partition: &Partition, start: Start) {
        let position = match start {
            Start::Beginning => 0,
            Start::At(position) => position,
        };
        self.positions.insert(partition.clone(), position);
    }

    /// Ends the reading of a partition.
    pub(crate) fn let_go(&mut self, partition: &Partition) {
        self.positions.remove(partition);
    }

    fn yield_to_newer_member(&mut self) {
        let Some((group, mine)) = &self.member else { return };
        if self.ends.generation(group) != *mine {
            self.member = None;
            self.notices = std::mem::take(&mut self.positions).into_keys().map(Arrival::Lost).collect();
        }
    }

    async fn fetch(&mut self) -> Result<Option<Arrival>, Unavailable> {
        let behind: Vec<(Partition, u64)> = self
            .positions
            .iter()
            .filter(|(partition, position)| **position < self.ends.end(partition))
            .map(|(partition, position)| (partition.clone(), *position))
            .collect();
        self.turn += 1;
        for at in 0..behind.len() {
            let (partition, position) = &behind[(self.turn + at) % behind.len()];
            let records = self.source.fetch(partition, *position, MAX_RECORDS_PER_ARRIVAL).await?;
            let next = match records.last() {
                Some(last) => last.position + 1,
                None => self.ends.end(partition),
            };
            self.positions.insert(partition.clone(), next);
            if !records.is_empty() {
                return Ok(Some(Arrival::Records { partition: partition.clone(), records, next }));
            }
        }
        Ok(None)
    }
}
