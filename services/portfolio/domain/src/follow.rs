//! From the tape to the queue: folds batches of trades and commits what they change.

use crate::fold::fold;
use crate::ports::{Clock, Committed, Ledger, Step};
use crate::refresh::RefreshRules;
use crate::tracking::Tracking;
use crate::wallet::Wallet;
use std::collections::{BTreeMap, BTreeSet};
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};

/// Reads the feed and commits it to the ledger.
pub struct Follower<F> {
    feed: F,
    positions: BTreeMap<Partition, Option<u64>>,
    /// Partitions whose reading must start before anything else is read.
    to_seek: Vec<Partition>,
    /// A batch that must be committed before anything else is read.
    to_commit: Option<Batch>,
}

/// What one call of [`Follower::step`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A partition was assigned to this reader.
    Gained(Partition),
    /// A partition was assigned to another reader.
    Lost(Partition),
    /// A batch is committed.
    Committed {
        /// Events in it.
        events: usize,
        /// Wallets that it put into the queue.
        touched: usize,
        /// Wallets dropped from the full queue.
        dropped: u64,
    },
    /// Another reader had committed further; the partitions with this index are read again from where it stopped.
    Moved(Partition),
}

impl<F: Feed> Follower<F> {
    /// A follower of this feed.
    pub fn new(feed: F) -> Self {
        Self { feed, positions: BTreeMap::new(), to_seek: vec![], to_commit: None }
    }

    /// Handles the next delivery. After a failure, call it again: nothing is skipped.
    pub async fn step(
        &mut self,
        ledger: &impl Ledger,
        tracking: &Tracking,
        rules: &RefreshRules,
        clock: &impl Clock,
    ) -> Result<Followed, Unavailable> {
        if self.to_seek.is_empty() && self.to_commit.is_none() {
            match self.feed.next().await? {
                Delivery::Gained(partition) => self.to_seek.push(partition),
                Delivery::Batch(batch) => self.to_commit = Some(batch),
                Delivery::Lost(partition) => {
                    self.positions.remove(&partition);
                    return Ok(Followed::Lost(partition));
                }
            }
        }
        if let Some(partition) = self.to_seek.last().cloned() {
            self.seek(&partition, ledger).await?;
            return Ok(Followed::Gained(partition));
        }
        let Some(batch) = &self.to_commit else { return Ok(Followed::Committed { events: 0, touched: 0, dropped: 0 }) };
        let partition = batch.partition.clone();
        if self.positions.contains_key(&partition) {
            let (committed, touched) =
                commit_batch(batch, &self.positions, ledger, tracking, rules, clock.now_ms()).await?;
            if let Committed::Done { dropped } = committed {
                let events = batch.events.len();
                self.positions.insert(partition, Some(batch.next));
                self.to_commit = None;
                return Ok(Followed::Committed { events, touched, dropped });
            }
        }
        self.to_commit = None;
        self.to_seek.extend(self.positions.keys().filter(|other| other.index == partition.index).cloned());
        while let Some(partition) = self.to_seek.last().cloned() {
            self.seek(&partition, ledger).await?;
        }
        Ok(Followed::Moved(partition))
    }

    /// Starts reading a partition where its last step ended.
    async fn seek(&mut self, partition: &Partition, ledger: &impl Ledger) -> Result<(), Unavailable> {
        let position = ledger.position(partition).await?;
        self.feed.seek(partition, position.map_or(Start::Beginning, Start::At)).await?;
        self.positions.insert(partition.clone(), position);
        self.to_seek.retain(|other| other != partition);
        Ok(())
    }
}

/// Folds a batch and commits it; also returns how many wallets it touched.
async fn commit_batch(
    batch: &Batch,
    positions: &BTreeMap<Partition, Option<u64>>,
    ledger: &impl Ledger,
    tracking: &Tracking,
    rules: &RefreshRules,
    now: u64,
) -> Result<(Committed, usize), Unavailable> {
    let wallets: BTreeSet<Wallet> = batch.events.iter().map(|record| Wallet::from_trade(&record.event.trade)).collect();
    let trades: BTreeSet<String> = batch.events.iter().map(|record| record.event.trade.id()).collect();
    let wallets = Vec::from_iter(wallets);
    let mut known = ledger.known_before(&wallets, &Vec::from_iter(trades)).await?;
    if let Tracking::Top(leaders) = tracking {
        known.ranking = ledger.volume_ranking(&wallets, *leaders).await?;
    }
    let facts = fold(tracking, &known, batch.events.iter().map(|record| &record.event));
    let touched = facts.touched.len();
    let due_at = now + rules.debounce_ms;
    let partition = batch.partition.clone();
    let from = positions.get(&partition).copied().flatten();
    let others = positions.iter().filter(|(other, _)| other.index == partition.index && **other != partition);
    let companions = others.filter_map(|(other, next)| Some((other.clone(), (*next)?))).collect();
    let step = Step { partition, from, next: batch.next, companions, facts, due_at, max_queued: rules.max_queued };
    Ok((ledger.commit(&step).await?, touched))
}
