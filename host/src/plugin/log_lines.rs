//! How many lines plugins may log: so many in a second for each chain, in however many calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that one chain's plugin may log in a second.
pub(super) const MAX_LINES_PER_SECOND: u32 = 100;

/// The lines of the current second, by chain. Clones share it.
#[derive(Clone, Default)]
pub(super) struct LogLines(Arc<Mutex<HashMap<Arc<str>, LinesOfSecond>>>);

/// When a chain's present second began, and how many lines it has logged since.
type LinesOfSecond = (Instant, u32);

/// What becomes of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is logged.
    Logged,
    /// It is dropped, and is the first of this second that is.
    FirstDropped,
    /// It is dropped.
    Dropped,
}

impl LogLines {
    /// Counts a line of a chain.
    pub(super) fn count(&self, chain: &Arc<str>, now: Instant) -> Line {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, lines) = chains.entry(Arc::clone(chain)).or_insert((now, 0));
        if now.saturating_duration_since(*begun) >= Duration::from_secs(1) {
            (*begun, *lines) = (now, 0);
        }
        *lines = lines.saturating_add(1);
        match *lines {
            lines if lines <= MAX_LINES_PER_SECOND => Line::Logged,
            lines if lines == MAX_LINES_PER_SECOND + 1 => Line::FirstDropped,
            _ => Line::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_chain_and_second() {
        let (lines, now) = (LogLines::default(), Instant::now());
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        for _ in 0..MAX_LINES_PER_SECOND {
            assert_eq!(lines.count(&one, now), Line::Logged);
        }
        assert_eq!(lines.count(&one, now), Line::FirstDropped);
        assert_eq!(lines.count(&one, now), Line::Dropped);
        assert_eq!(lines.count(&other, now), Line::Logged);
        assert_eq!(lines.count(&one, now + Duration::from_secs(1)), Line::Logged);
    }
}
