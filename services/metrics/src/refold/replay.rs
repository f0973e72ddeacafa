//! A feed of what was read already: each partition from its first record to a position, then nothing more.

use metrics_domain::Heard;
use std::collections::HashMap;
use std::future::pending;
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};
use tape_log::{Arrival, Log, Reader};
use tokio::sync::Notify;

/// Reads each partition up to its end and says when all ends are reached.
pub(super) struct Replay<'a> {
    reader: Reader,
    ends: HashMap<Partition, u64>,
    to_gain: Vec<Partition>,
    to_reach: usize,
    done: &'a Notify,
}

impl<'a> Replay<'a> {
    /// A reader of these partitions; `done` is told once what was delivered last has been taken.
    pub(super) async fn of(log: &Log, ends: &[(Partition, u64)], done: &'a Notify) -> Result<Self, Unavailable> {
        let ends: HashMap<Partition, u64> = ends.iter().filter(|(_, end)| *end > 0).cloned().collect();
        let partitions: Vec<Partition> = ends.keys().cloned().collect();
        let reader =
            log.assigned(partitions.iter().cloned().map(|partition| (partition, Start::Beginning)).collect()).await?;
        Ok(Self { reader, to_reach: partitions.len(), ends, to_gain: partitions, done })
    }
}

impl Feed<Heard> for Replay<'_> {
    async fn next(&mut self) -> Result<Delivery<Heard>, Unavailable> {
        if let Some(partition) = self.to_gain.pop() {
            return Ok(Delivery::Gained(partition));
        }
        while self.to_reach > 0 {
            let Arrival::Records { partition, records, next } = self.reader.next().await? else { continue };
            let Some(end) = self.ends.get(&partition).copied() else { continue };
            let next = next.min(end);
            let within = records.into_iter().filter(|record| record.position < end);
            // What does not validate was dead-lettered when it was read first.
            let events = within
                .filter_map(|record| {
                    wire::v1::trade::decode_record(record.position, record.value?).ok().map(Heard::from)
                })
                .collect();
            if next == end {
                self.ends.remove(&partition);
                self.to_reach -= 1;
            }
            return Ok(Delivery::Batch(Batch { partition, events, next, trace: None }));
        }
        self.done.notify_one();
        pending().await
    }

    /// The reader begins at the beginning by itself, and nobody else moves the positions.
    async fn seek(&mut self, _: &Partition, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}
