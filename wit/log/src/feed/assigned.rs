//! One log line for many partitions: what a reader has gained and lost is gathered for a moment and then said at once.

use std::time::Duration;
use tokio::time::Instant;

/// How long changes are gathered: a rebalance gives and takes partitions one after the other.
const GATHERING_TIME: Duration = Duration::from_millis(500);

/// Changes of the partitions that a reader has, not logged yet.
#[derive(Debug, Default)]
pub(super) struct AssignmentChanges {
    gained: u32,
    lost: u32,
    due: Option<Instant>,
}

impl AssignmentChanges {
    pub(super) fn note_gained(&mut self) {
        self.gained += 1;
        self.due.get_or_insert_with(|| Instant::now() + GATHERING_TIME);
    }

    pub(super) fn note_lost(&mut self) {
        self.lost += 1;
        self.due.get_or_insert_with(|| Instant::now() + GATHERING_TIME);
    }

    /// Waits until the line is due; for ever while there is nothing to say.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Writes the line if it is due.
    pub(super) fn log_when_due(&mut self, service: &str, held: usize) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            let Self { gained, lost, .. } = std::mem::take(self);
            tracing::info!(event = "partitions.changed", service, gained, lost, held, "partitions gained or lost");
        }
    }
}
