//! A feed of what was read before: each partition from its first record to a position, then nothing.

use metrics_domain::DecodedTrade;
use std::collections::HashMap;
use std::future::pending;
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};
use tape_log::{Arrival, Log, Reader};
use tokio::sync::Notify;

/// Reads each partition up to its end, and signals when all ends are reached.
pub(super) struct Replay<'a> {
    reader: Reader,
    ends: HashMap<Partition, u64>,
    to_announce: Vec<Partition>,
    unfinished: usize,
    done: &'a Notify,
}

impl<'a> Replay<'a> {
    /// Reads these partitions; `done` is notified when the last delivery has been processed.
    pub(super) async fn start(log: &Log, ends: &[(Partition, u64)], done: &'a Notify) -> Result<Self, Unavailable> {
        let ends: HashMap<Partition, u64> = ends.iter().filter(|(_, end)| *end > 0).cloned().collect();
        let partitions: Vec<Partition> = ends.keys().cloned().collect();
        let reader =
            log.assigned(partitions.iter().cloned().map(|partition| (partition, Start::Beginning)).collect()).await?;
        Ok(Self { reader, unfinished: partitions.len(), ends, to_announce: partitions, done })
    }
}

impl Feed<DecodedTrade> for Replay<'_> {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        if let Some(partition) = self.to_announce.pop() {
            return Ok(Delivery::Gained(partition));
        }
        while self.unfinished > 0 {
            let Arrival::Records { partition, records, next } = self.reader.next().await? else { continue };
            let Some(end) = self.ends.get(&partition).copied() else { continue };
            let next = next.min(end);
            let within = records.into_iter().filter(|record| record.position < end);
            // A record that does not validate was dead-lettered when it was first read.
            let events = within
                .filter_map(|record| {
                    wire::v1::trade::decode_record(record.position, record.value?).ok().map(DecodedTrade::from)
                })
                .collect();
            if next == end {
                self.ends.remove(&partition);
                self.unfinished -= 1;
            }
            return Ok(Delivery::Batch(Batch { partition, events, next, trace: None }));
        }
        self.done.notify_one();
        pending().await
    }

    /// Does nothing: the reader starts at the beginning, and nobody else moves the positions.
    async fn seek(&mut self, _: &Partition, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}
