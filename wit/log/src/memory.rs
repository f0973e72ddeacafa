//! The log in this process's memory: for tests that need no durability. Held to the same suite as the others.

use crate::identity::PartitionSpan;
use crate::local::{LocalReader, PartitionEnds, RecordSource, lock};
use crate::record::refusal;
use crate::{Appended, Arrival, Ends, Record, Stored, Topic, topics};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tape::{Partition, Start, Unavailable};

/// Records by partition. Clones share them.
#[derive(Clone)]
pub struct Memory {
    records: Records,
    epochs: Arc<Mutex<HashMap<String, u64>>>,
    ends: PartitionEnds,
    identity: Arc<str>,
}

#[derive(Clone, Default)]
struct Records(Arc<Mutex<HashMap<Partition, Vec<Stored>>>>);

impl Default for Memory {
    fn default() -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed));
        let identity = Arc::from(format!("memory {process}-{number}-{}", environment::now_ms()));
        let (records, ends) = (Records::default(), PartitionEnds::new(HashMap::new()));
        Self { records, epochs: Arc::default(), ends, identity }
    }
}

impl Memory {
    pub(crate) fn writer(&self, name: &str) -> Writer {
        let mut epochs = lock(&self.epochs);
        let epoch = epochs.entry(name.to_owned()).or_default();
        *epoch += 1;
        Writer { log: self.clone(), name: name.to_owned(), epoch: *epoch }
    }

    pub(crate) fn publish(&self, records: Vec<Record>) -> Result<(), Unavailable> {
        if let Some(why) = refusal(&records) {
            return Err(Unavailable::new("append to the log", why));
        }
        self.append_all(records);
        Ok(())
    }

    pub(crate) fn read_all(&self, partition: &Partition) -> Vec<Stored> {
        lock(&self.records.0).get(partition).cloned().unwrap_or_default()
    }

    pub(crate) fn identity(&self) -> Arc<str> {
        Arc::clone(&self.identity)
    }

    pub(crate) fn spans(&self, topic: &Topic) -> Vec<(Partition, PartitionSpan)> {
        let records = lock(&self.records.0);
        let span = |partition: Partition| {
            let end = self.ends.end(&partition);
            let first = records.get(&partition).and_then(|stored| stored.first());
            (partition, PartitionSpan { first: first.map_or(end, |record| record.position), end })
        };
        topic.partitions().map(span).collect()
    }

    pub(crate) fn ends(&self, topic: &Topic) -> Vec<(Partition, u64)> {
        topic.partitions().map(|partition| (partition.clone(), self.ends.end(&partition))).collect()
    }

    pub(crate) fn positions_at(&self, topic: &Topic, timestamp_ms: u64) -> Vec<(Partition, u64)> {
        let first = |partition: Partition| {
            let records = self.read_all(&partition);
            let found = records.iter().find(|record| record.timestamp_ms >= timestamp_ms);
            let position = found.map_or(self.ends.end(&partition), |record| record.position);
            (partition, position)
        };
        topic.partitions().map(first).collect()
    }

    pub(crate) fn assigned(&self, partitions: Vec<(Partition, Start)>) -> Reader {
        Reader(LocalReader::assigned(self.records.clone(), &self.ends, partitions))
    }

    pub(crate) fn joined(&self, group: &str, topic: &Topic) -> Reader {
        Reader(LocalReader::joined(self.records.clone(), &self.ends, group, topic))
    }

    fn append_all(&self, records: Vec<Record>) -> Ends {
        let mut partitions = lock(&self.records.0);
        let mut ends: HashMap<Partition, u64> = HashMap::new();
        for record in records {
            let stored_records = partitions.entry(record.partition.clone()).or_default();
            let end = ends.entry(record.partition.clone()).or_insert_with(|| self.ends.end(&record.partition));
            if topics::is_compacted(&record.partition.topic) {
                stored_records.retain(|stored| stored.key != record.key);
            }
            if record.value.is_some() || !topics::is_compacted(&record.partition.topic) {
                stored_records.push(stored(record, *end));
            }
            *end += 1;
        }
        drop(partitions);
        self.ends.advance(ends.clone());
        ends.into_iter().collect()
    }

    fn ends_after(&self, records: &[Record]) -> Ends {
        let mut ends: HashMap<Partition, u64> = HashMap::new();
        for record in records {
            *ends.entry(record.partition.clone()).or_insert_with(|| self.ends.end(&record.partition)) += 1;
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

impl RecordSource for Records {
    async fn fetch(&self, partition: &Partition, from: u64, limit: usize) -> Result<Vec<Stored>, Unavailable> {
        let partitions = lock(&self.0);
        let Some(records) = partitions.get(partition) else { return Ok(vec![]) };
        let first = records.partition_point(|stored| stored.position < from);
        Ok(records[first..].iter().take(limit).cloned().collect())
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
        if let Some(why) = refusal(&records) {
            return Appended::Refused(Unavailable::new("append to the log", why));
        }
        self.log.append_all(records);
        drop(epochs);
        Appended::Done
    }
}

/// Reads memory.
pub struct Reader(LocalReader<Records>);

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
