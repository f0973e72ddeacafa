//! How fresh REST answers are: the newest time of which everything that was on the tape is in the database they are read
//! from.
//!
//! That database may be a replica that lags, and metrics may be behind the tape; readers cannot tell and need not: both
//! are seen here. Every few seconds the ends of the live trades are noted with the time, and compared with the read
//! positions that the database has of metrics.

use crate::live::{Channel, Hub, StreamHealth};
use crate::store::Store;
use api_domain::FoldedPositions;
use environment::now_ms;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Looks that are remembered: the older, the further apart, so that a day fits as well as a minute.
const MAX_LOOKS: usize = 512;

/// The time that answers are as of, 0 while it is not known.
#[derive(Debug, Default)]
pub(crate) struct Freshness(AtomicU64);

impl Freshness {
    /// Milliseconds since the Unix epoch; none while it is not known.
    pub(crate) fn as_of_ms(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|known| *known > 0)
    }

    /// Looks for as long as the process serves.
    pub(crate) async fn follow(&self, hub: &Hub, reads: &Store) {
        let mut looks = Looks::default();
        loop {
            // A failure needs no report: every request that needs the database reports it. What was known stays true.
            if let Ok(folded) = reads.folded_positions().await {
                self.0.store(looks.newest_folded(&folded).unwrap_or(0), Ordering::Relaxed);
            }
            let now_ms = now_ms();
            if hub.health().is_caught_up(now_ms)
                && let Ok(ends) = hub.next_positions(Channel::Trades)
            {
                // What was read here is all that there was then.
                looks.note(now_ms.saturating_sub(StreamHealth::CAUGHT_UP_MS), ends);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Where the live trades ended at which time, the oldest first.
#[derive(Default)]
struct Looks(VecDeque<(u64, Vec<u64>)>);

impl Looks {
    fn note(&mut self, at_ms: u64, ends: Vec<u64>) {
        self.0.push_back((at_ms, ends));
        if self.0.len() > MAX_LOOKS {
            // The one that is missed least: its neighbours are close to each other, for their age.
            let times: Vec<u64> = self.0.iter().map(|(at_ms, _)| *at_ms).collect();
            let gap = |index: &usize| times[index + 1].saturating_sub(times[index - 1]).saturating_mul(1 << 20);
            let loss = |index: &usize| gap(index) / (at_ms.saturating_sub(times[*index]) + 1);
            if let Some(index) = (1..times.len() - 1).min_by_key(loss) {
                self.0.remove(index);
            }
        }
    }

    /// The newest time whose ends the database has reached; what is older is forgotten.
    fn newest_folded(&mut self, folded: &FoldedPositions) -> Option<u64> {
        let reached = |ends: &[u64]| (0_u32..).zip(ends).all(|(partition, end)| folded.next(partition) >= *end);
        let newest = self.0.iter().rposition(|(_, ends)| reached(ends))?;
        self.0.drain(..newest);
        Some(self.0.front()?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_domain::FoldedPosition;

    fn folded(next: [u64; 2]) -> FoldedPositions {
        (0_u32..).zip(next).map(|(partition, next)| (partition, FoldedPosition { next, as_of: next })).collect()
    }

    #[test]
    fn answers_are_as_of_the_newest_look_that_is_folded_in_every_partition() {
        let mut looks = Looks::default();
        for (at_ms, ends) in [(10, [1, 1]), (20, [3, 1]), (30, [3, 4]), (40, [5, 4])] {
            looks.note(at_ms, ends.into());
        }
        assert_eq!(looks.newest_folded(&folded([0, 9])), None, "one partition is not there yet");
        assert_eq!(looks.newest_folded(&folded([4, 3])), Some(20));
        assert_eq!(looks.newest_folded(&folded([4, 4])), Some(30));
        assert_eq!(looks.newest_folded(&folded([2, 1])), None, "a replica that is further behind says nothing");
        assert_eq!(looks.newest_folded(&folded([9, 9])), Some(40));
    }

    #[test]
    fn looks_are_bounded_and_reach_far_back() {
        let mut looks = Looks::default();
        for at_ms in 1..=100_000 {
            looks.note(at_ms, vec![at_ms]);
        }
        assert!(looks.0.len() <= MAX_LOOKS);
        let as_of = looks.newest_folded(&folded([50_000, 0])).unwrap();
        assert!((45_000..=50_000).contains(&as_of), "{as_of}");
    }
}
