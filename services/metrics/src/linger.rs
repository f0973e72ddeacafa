//! Holds old trades back until many of them can be committed at once: a commit costs about the same for one trade as for
//! hundreds. At the head of a chain nothing waits.

use metrics_domain::DecodedTrade;
use std::collections::BTreeMap;
use std::time::Duration;
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};
use tokio::time::Instant;

/// Trades that are worth a commit.
const ENOUGH_TRADES: usize = 500;
/// How long old trades wait for more.
const MAX_HOLD: Duration = Duration::from_secs(1);
/// Milliseconds from a trade's block to now from which it is old.
const OLD_AFTER_MS: u64 = 60_000;

/// An event with the time of its block.
pub(crate) trait BlockTimed {
    /// Milliseconds since the Unix epoch.
    fn block_time_ms(&self) -> u64;
}

impl BlockTimed for DecodedTrade {
    fn block_time_ms(&self) -> u64 {
        self.entry.time_ms
    }
}

/// A feed whose old batches are gathered, partition by partition. The inner feed's `next` must be cancel-safe.
pub(crate) struct LingeringFeed<F, E> {
    inner: F,
    now_ms: fn() -> u64,
    gathered: BTreeMap<Partition, Gathered<E>>,
}

/// What has arrived of a partition and was not handed out.
struct Gathered<E> {
    batch: Batch<E>,
    due: Instant,
}

impl<F, E: BlockTimed> LingeringFeed<F, E> {
    /// Wraps a feed.
    pub(crate) fn new(inner: F, now_ms: fn() -> u64) -> Self {
        Self { inner, now_ms, gathered: BTreeMap::new() }
    }

    /// Adds a batch to what is gathered of its partition; all of it where nothing more is to be waited for.
    fn gather(&mut self, batch: Batch<E>) -> Option<Batch<E>> {
        let is_old = is_old(&batch, (self.now_ms)());
        let due = Instant::now() + MAX_HOLD;
        let batch = match self.gathered.remove(&batch.partition) {
            None => Gathered { batch, due },
            Some(mut before) => {
                before.batch.events.extend(batch.events);
                (before.batch.next, before.batch.trace) = (batch.next, batch.trace);
                before
            }
        };
        if !is_old || batch.batch.events.len() >= ENOUGH_TRADES {
            return Some(batch.batch);
        }
        self.gathered.insert(batch.batch.partition.clone(), batch);
        None
    }

    /// When the batch that was held longest is due, and of which partition it is.
    fn first_due(&self) -> Option<(Instant, Partition)> {
        self.gathered.iter().map(|(partition, gathered)| (gathered.due, partition.clone())).min()
    }
}

/// Whether all of its trades are old; a batch without trades only moves the read position, and can wait as well.
fn is_old(batch: &Batch<impl BlockTimed>, now_ms: u64) -> bool {
    batch.events.iter().all(|event| event.block_time_ms().saturating_add(OLD_AFTER_MS) < now_ms)
}

impl<F: Feed<E>, E: BlockTimed + Send> Feed<E> for LingeringFeed<F, E> {
    async fn next(&mut self) -> Result<Delivery<E>, Unavailable> {
        loop {
            let delivery = match self.first_due() {
                None => self.inner.next().await?,
                Some((due, partition)) => match tokio::time::timeout_at(due, self.inner.next()).await {
                    Ok(delivery) => delivery?,
                    Err(_) => match self.gathered.remove(&partition) {
                        Some(gathered) => return Ok(Delivery::Batch(gathered.batch)),
                        None => continue,
                    },
                },
            };
            match delivery {
                Delivery::Batch(batch) => {
                    if let Some(batch) = self.gather(batch) {
                        return Ok(Delivery::Batch(batch));
                    }
                }
                // What was gathered of it is void.
                Delivery::Gained(partition) => {
                    self.gathered.remove(&partition);
                    return Ok(Delivery::Gained(partition));
                }
                Delivery::Lost(partition) => {
                    self.gathered.remove(&partition);
                    return Ok(Delivery::Lost(partition));
                }
            }
        }
    }

    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        self.gathered.remove(partition);
        self.inner.seek(partition, start).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const NOW_MS: u64 = 1_000_000_000;

    /// A trade by its position and the time of its block.
    #[derive(Debug, PartialEq, Eq)]
    struct Timed(u64, u64);

    impl BlockTimed for Timed {
        fn block_time_ms(&self) -> u64 {
            self.1
        }
    }

    /// Deliveries one after another, then silence.
    struct Scripted(VecDeque<Delivery<Timed>>);

    impl Feed<Timed> for Scripted {
        async fn next(&mut self) -> Result<Delivery<Timed>, Unavailable> {
            match self.0.pop_front() {
                Some(delivery) => Ok(delivery),
                None => std::future::pending().await,
            }
        }

        async fn seek(&mut self, _partition: &Partition, _start: Start) -> Result<(), Unavailable> {
            Ok(())
        }
    }

    fn partition(index: u32) -> Partition {
        Partition { topic: "trades".into(), index }
    }

    fn batch(index: u32, positions: std::ops::Range<u64>, time_ms: u64) -> Delivery<Timed> {
        let next = positions.end;
        let events = positions.map(|position| Timed(position, time_ms)).collect();
        Delivery::Batch(Batch { partition: partition(index), events, next, trace: None })
    }

    fn feed(deliveries: Vec<Delivery<Timed>>) -> LingeringFeed<Scripted, Timed> {
        LingeringFeed::new(Scripted(deliveries.into()), || NOW_MS)
    }

    /// Partition, positions and next position of a batch.
    async fn next(feed: &mut LingeringFeed<Scripted, Timed>) -> (u32, Vec<u64>, u64) {
        match feed.next().await {
            Ok(Delivery::Batch(batch)) => {
                (batch.partition.index, batch.events.iter().map(|event| event.0).collect(), batch.next)
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn old_trades_are_gathered_until_there_are_enough_of_a_partition() {
        let old = NOW_MS - OLD_AFTER_MS - 1;
        let mut feed = feed(vec![batch(1, 0..300, old), batch(2, 0..10, old), batch(1, 300..501, old)]);
        assert_eq!(next(&mut feed).await, (1, (0..501).collect(), 501));
        assert_eq!(next(&mut feed).await, (2, (0..10).collect(), 10), "after a second at the latest");
    }

    #[tokio::test]
    async fn at_the_head_nothing_waits_and_what_was_gathered_goes_along() {
        let mut feed = feed(vec![batch(1, 0..3, 5), batch(1, 3..4, NOW_MS), batch(1, 4..5, NOW_MS - OLD_AFTER_MS)]);
        assert_eq!(next(&mut feed).await, (1, vec![0, 1, 2, 3], 4));
        assert_eq!(next(&mut feed).await, (1, vec![4], 5));
    }

    #[tokio::test]
    async fn a_partition_that_is_lost_or_sought_again_takes_what_was_gathered_with_it() {
        let again = [batch(2, 0..2, 5)];
        let mut feed = feed(vec![batch(1, 0..3, 5), Delivery::Lost(partition(1)), batch(2, 0..3, 5)]);
        assert_eq!(feed.next().await.unwrap(), Delivery::Lost(partition(1)));
        assert!(feed.gathered.is_empty());
        assert!(tokio::time::timeout(Duration::ZERO, feed.next()).await.is_err());
        assert_eq!(feed.gathered.len(), 1);
        feed.seek(&partition(2), Start::Beginning).await.unwrap();
        feed.inner.0.extend(again);
        assert_eq!(next(&mut feed).await, (2, vec![0, 1], 2));
    }
}
