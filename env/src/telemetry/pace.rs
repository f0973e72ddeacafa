//! Which events get a line of their own: all of them while there are few, and the same few in every process when there
//! are many.
//!
//! An event is chosen by the hash of its id. When more lines come than a process may write in a second, half of the hashes
//! are left out, then half of the rest, and so on; when fewer come, they come back. So what one process leaves out
//! because it is busy, a busier one leaves out too, and an `eventId` that is found in one log is found in the others.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lines about single events that a process writes in a second before it leaves out half of the events.
const MAX_EVENT_LINES_PER_SECOND: u32 = 100;

static EVENT_PACE: Mutex<Option<EventPace>> = Mutex::new(None);

/// Whether a line about this event is written: every one with `RUST_LOG=info,events=debug`, else as many as the pace of
/// this process allows.
pub fn has_event_line(event_id: &str) -> bool {
    if tracing::enabled!(target: "events", tracing::Level::DEBUG) {
        return true;
    }
    if !tracing::enabled!(target: "events", tracing::Level::INFO) {
        return false;
    }
    // A panic cannot leave the pace half-written.
    let mut pace = EVENT_PACE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    pace.get_or_insert_with(|| EventPace::new(now)).allows(hash_of(event_id), now)
}

/// FNV-1a, and one round of mixing: ids that differ in their last digit alone have hashes that differ from the first bit on.
fn hash_of(event_id: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = event_id.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

struct EventPace {
    /// Hashes must begin with so many zero bits.
    zeros: u32,
    /// The second that is counted began then.
    since: Instant,
    /// Lines in it.
    lines: u32,
}

impl EventPace {
    fn new(now: Instant) -> Self {
        Self { zeros: 0, since: now, lines: 0 }
    }

    fn allows(&mut self, hash: u64, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        if seconds > 0 {
            // Twice as many lines would have been fewer than the most.
            let steps = if self.lines * 2 < MAX_EVENT_LINES_PER_SECOND { seconds } else { seconds - 1 };
            self.zeros = self.zeros.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
            (self.since, self.lines) = (now, 0);
        }
        if hash.leading_zeros() < self.zeros {
            return false;
        }
        if self.lines == MAX_EVENT_LINES_PER_SECOND {
            (self.zeros, self.since, self.lines) = (self.zeros + 1, now, 0);
            return hash.leading_zeros() >= self.zeros;
        }
        self.lines += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn ids(count: u32) -> impl Iterator<Item = String> {
        (0..count).map(|index| format!("ethereum/{}/{index}", index / 100))
    }

    /// The events that have a line when `per_second` come each second, evenly.
    fn lines(pace: &mut EventPace, from: Instant, events: &[String], per_second: u32) -> BTreeSet<String> {
        let at = |index: u32| from + SECOND * index / per_second;
        let chosen = (0..).zip(events).filter(|(index, id)| pace.allows(hash_of(id), at(*index)));
        chosen.map(|(_, id)| id.clone()).collect()
    }

    #[test]
    fn few_events_have_a_line_each_and_many_share_the_pace() {
        let begin = Instant::now();
        let few: Vec<String> = ids(500).collect();
        assert_eq!(lines(&mut EventPace::new(begin), begin, &few, 100).len(), 500);
        let many: Vec<String> = ids(400_000).collect();
        let mut pace = EventPace::new(begin);
        let chosen = lines(&mut pace, begin, &many, 40_000);
        // In the first second each halving has its own lines; the nine after it have the pace.
        assert!(chosen.len() > 9 * 40 && chosen.len() < 10 * 100 + 1_000, "{}", chosen.len());
        // Quiet again, every event has its line again.
        let later = begin + SECOND * 60;
        assert_eq!(lines(&mut pace, later, &few[..100], 10).len(), 100);
    }

    #[test]
    fn what_a_busy_process_writes_a_less_busy_one_writes_too() {
        let begin = Instant::now();
        let events: Vec<String> = ids(200_000).collect();
        let settled = |per_second: u32| {
            let mut pace = EventPace::new(begin);
            lines(&mut pace, begin, &events[..100_000], per_second);
            let after = begin + SECOND * 100_000 / per_second;
            lines(&mut pace, after, &events[100_000..], per_second)
        };
        let (busy, less_busy) = (settled(20_000), settled(2_000));
        assert!(!busy.is_empty() && busy.len() < less_busy.len(), "{} and {}", busy.len(), less_busy.len());
        let missing = busy.difference(&less_busy).count();
        assert_eq!(missing, 0, "of {}", busy.len());
    }
}
