//! A feed of what was read already: each share from its first record to a position, then nothing more.

use metrics_domain::Heard;
use std::collections::HashMap;
use std::future::pending;
use tape::{Batch, Delivery, Feed, Share, Start, Unavailable};
use tape_log::{Arrival, Log, Reader};
use tokio::sync::Notify;

/// Reads each share up to its end and says when all ends are reached.
pub(super) struct Replay<'a> {
    reader: Reader,
    ends: HashMap<Share, u64>,
    to_gain: Vec<Share>,
    to_reach: usize,
    done: &'a Notify,
}

impl<'a> Replay<'a> {
    /// A reader of these shares; `done` is told once what was delivered last has been taken.
    pub(super) async fn of(log: &Log, ends: &[(Share, u64)], done: &'a Notify) -> Result<Self, Unavailable> {
        let ends: HashMap<Share, u64> = ends.iter().filter(|(_, end)| *end > 0).cloned().collect();
        let shares: Vec<Share> = ends.keys().cloned().collect();
        let reader = log.assigned(shares.iter().cloned().map(|share| (share, Start::Beginning)).collect()).await?;
        Ok(Self { reader, to_reach: shares.len(), ends, to_gain: shares, done })
    }
}

impl Feed<Heard> for Replay<'_> {
    async fn next(&mut self) -> Result<Delivery<Heard>, Unavailable> {
        if let Some(share) = self.to_gain.pop() {
            return Ok(Delivery::Gained(share));
        }
        while self.to_reach > 0 {
            let Arrival::Records { share, records, next } = self.reader.next().await? else { continue };
            let Some(end) = self.ends.get(&share).copied() else { continue };
            let next = next.min(end);
            let within = records.into_iter().filter(|record| record.position < end);
            // What does not validate was dead-lettered when it was read first.
            let events = within
                .filter_map(|record| wire::v1::trade::told(record.position, record.value?).ok().map(Heard::from))
                .collect();
            if next == end {
                self.ends.remove(&share);
                self.to_reach -= 1;
            }
            return Ok(Delivery::Batch(Batch { share, events, next, trace: None }));
        }
        self.done.notify_one();
        pending().await
    }

    /// The reader begins at the beginning by itself, and nobody else moves the positions.
    async fn seek(&mut self, _: &Share, _: Start) -> Result<(), Unavailable> {
        Ok(())
    }
}
