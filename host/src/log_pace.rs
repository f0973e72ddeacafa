//! Paces log lines about failures that repeat: the first one is logged at once, later ones at growing intervals.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The interval after the first line; each later one is twice as long.
const FIRST_INTERVAL: Duration = Duration::from_secs(2);
/// The longest interval between two lines about the same failure.
const MAX_INTERVAL: Duration = Duration::from_mins(10);
/// A failure that was not seen for so long is a new one.
const FORGET_AFTER: Duration = Duration::from_mins(5);
/// Failures that are told apart; beyond, all are forgotten.
const MAX_FAILURES: usize = 64;

/// Which failures were logged, and when each is to be logged again.
#[derive(Default)]
pub(crate) struct LogPace(HashMap<String, Paced>);

struct Paced {
    next: Instant,
    interval: Duration,
    seen: Instant,
    times: u64,
}

impl LogPace {
    /// How often this failure was seen in a row, if a line about it is due; sentences that differ only in their digits
    /// are one failure.
    pub(crate) fn due(&mut self, sentence: &str) -> Option<u64> {
        self.due_at(sentence, Instant::now())
    }

    fn due_at(&mut self, sentence: &str, now: Instant) -> Option<u64> {
        let failure: String = sentence.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.0.retain(|_, paced| now.duration_since(paced.seen) < FORGET_AFTER);
        if self.0.len() >= MAX_FAILURES && !self.0.contains_key(&failure) {
            self.0.clear();
        }
        let first = Paced { next: now, interval: FIRST_INTERVAL, seen: now, times: 0 };
        let paced = self.0.entry(failure).or_insert(first);
        (paced.seen, paced.times) = (now, paced.times + 1);
        if now < paced.next {
            return None;
        }
        paced.next = now + paced.interval;
        paced.interval = (paced.interval * 2).min(MAX_INTERVAL);
        Some(paced.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_logged_at_growing_intervals() {
        let (mut pace, begun) = (LogPace::default(), Instant::now());
        let lines: Vec<u64> = (0..10_000)
            .filter(|second| {
                pace.due_at(&format!("height {second} fails"), begun + Duration::from_secs(*second)).is_some()
            })
            .collect();
        assert_eq!(lines[..6], [0, 2, 6, 14, 30, 62]);
        assert!(lines.windows(2).all(|two| two[1] - two[0] <= MAX_INTERVAL.as_secs()) && lines.len() < 30);
        let later = begun + Duration::from_secs(10_000);
        assert_eq!(pace.due_at("another", later), Some(1), "another failure is logged at once");
        assert_eq!(pace.due_at("height 1 fails", later + FORGET_AFTER), Some(1), "and one that comes back");
    }
}
