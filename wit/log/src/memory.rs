//! The log in this process's memory: for tests that need no durability. Held to the same suite as the others.

use crate::local::{Board, LocalReader, Shelf, lock};
use crate::{Appended, Arrival, Ends, Record, Stored, Topic, topics};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tape::{Partition, Start, Unavailable};

/// Records by partition. Clones share them.
#[derive(Clone)]
pub struct Memory {
    shelves: Shelves,
    epochs: Arc<Mutex<HashMap<String, u64>>>,
    board: Board,
}

#[derive(Clone, Default)]
struct Shelves(Arc<Mutex<HashMap<Partition, Vec<Stored>>>>);

impl Default for Memory {
    fn default() -> Self {
        Self { shelves: Shelves::default(), epochs: Arc::default(), board: Board::new(HashMap::new()) }
    }
}

impl Memory {
    pub(crate) fn writer(&self, name: &str) -> Writer {
        let mut epochs = lock(&self.epochs);
        let epoch = epochs.entry(name.to_owned()).or_default();
        *epoch += 1;
        Writer { log: self.clone(), name: name.to_owned(), epoch: *epoch }
    }

    pub(crate) fn publish(&self, records: Vec<Record>) {
        self.put(records);
    }

    pub(crate) fn read_all(&self, partition: &Partition) -> Vec<Stored> {
        lock(&self.shelves.0).get(partition).cloned().unwrap_or_default()
    }

    pub(crate) fn ends(&self, topic: &Topic) -> Vec<(Partition, u64)> {
        topic.partitions().map(|partition| (partition.clone(), self.board.end(&partition))).collect()
    }

    pub(crate) fn positions_at(&self, topic: &Topic, timestamp_ms: u64) -> Vec<(Partition, u64)> {
        let first = |partition: Partition| {
            let records = self.read_all(&partition);
            let found = records.iter().find(|record| record.timestamp_ms >= timestamp_ms);
            let position = found.map_or(self.board.end(&partition), |record| record.position);
            (partition, position)
        };
        topic.partitions().map(first).collect()
    }

    pub(crate) fn assigned(&self, partitions: Vec<(Partition, Start)>) -> Reader {
        Reader(LocalReader::assigned(self.shelves.clone(), &self.board, partitions))
    }

    pub(crate) fn joined(&self, group: &str, topic: &Topic) -> Reader {
        Reader(LocalReader::joined(self.shelves.clone(), &self.board, group, topic))
    }

    fn put(&self, records: Vec<Record>) -> Ends {
        let mut shelves = lock(&self.shelves.0);
        let mut ends: HashMap<Partition, u64> = HashMap::new();
        for record in records {
            let shelf = shelves.entry(record.partition.clone()).or_default();
            let end = ends.entry(record.partition.clone()).or_insert_with(|| self.board.end(&record.partition));
            if topics::is_compacted(&record.partition.topic) {
                shelf.retain(|stored| stored.key != record.key);
            }
            if record.value.is_some() || !topics::is_compacted(&record.partition.topic) {
                shelf.push(stored(record, *end));
            }
            *end += 1;
        }
        drop(shelves);
        self.board.advance(ends.clone());
        ends.into_iter().collect()
    }

    fn ends_after(&self, records: &[Record]) -> Ends {
        let mut ends: HashMap<Partition, u64> = HashMap::new();
        for record in records {
            *ends.entry(record.partition.clone()).or_insert_with(|| self.board.end(&record.partition)) += 1;
        }
        ends.into_iter().collect()
    }
}

fn stored(record: Record, position: u64) -> Stored {
    Stored {
        position,
        key: record.key,
        headers: record.headers,
        value: record.value,
        timestamp_ms: environment::now_ms(),
    }
}

impl Shelf for Shelves {
    async fn fetch(&self, partition: &Partition, from: u64, limit: usize) -> Result<Vec<Stored>, Unavailable> {
        let shelves = lock(&self.0);
        let Some(shelf) = shelves.get(partition) else { return Ok(vec![]) };
        let first = shelf.partition_point(|stored| stored.position < from);
        Ok(shelf[first..].iter().take(limit).cloned().collect())
    }
}

/// The only writer of a name, until another claims it.
pub struct Writer {
    log: Memory,
    name: String,
    epoch: u64,
}

impl Writer {
    pub(crate) fn append(&mut self, mut records: Vec<Record>, seal: impl FnOnce(&Ends) -> Vec<Record>) -> Appended {
        let epochs = lock(&self.log.epochs);
        if epochs.get(&self.name) != Some(&self.epoch) {
            return Appended::Lost;
        }
        let ends = self.log.ends_after(&records);
        records.extend(seal(&ends));
        self.log.put(records);
        drop(epochs);
        Appended::Done
    }
}

/// Reads memory.
pub struct Reader(LocalReader<Shelves>);

impl Reader {
    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        self.0.next().await
    }

    pub(crate) fn seek(&mut self, partition: &Partition, start: Start) {
        self.0.seek(partition, start);
    }

    pub(crate) fn let_go(&mut self, partition: &Partition) {
        self.0.let_go(partition);
    }
}
