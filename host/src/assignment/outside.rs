//! What the domain gets from this process: the system's clock, woken by nodes, and an observer that writes to the log.

use crate::log_pace::LogPace;
use environment::Shutdown;
use ingest_domain::{Clock, FollowObserver};
use rand::Rng;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Milliseconds between two reads of the head, however often nodes wake the chain.
const MIN_REST_MS: u64 = 10;

/// The system's clock; a chain stops with `stop` and is woken by `wake`.
pub(super) struct SystemClock {
    pub(super) stop: Shutdown,
    pub(super) wake: Arc<Notify>,
}

impl Clock for SystemClock {
    fn draw(&self, bound: u64) -> u64 {
        rand::rng().random_range(0..=bound)
    }

    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    async fn pause(&self, ms: u64) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.stop.wait() => {}
        }
    }

    async fn rest(&self, ms: u64) {
        // Waited in any case: a node that notifies without pause must not be read without pause.
        self.pause(ms.min(MIN_REST_MS)).await;
        tokio::select! {
            () = self.pause(ms.saturating_sub(MIN_REST_MS)) => {}
            () = self.wake.notified() => {}
        }
    }

    fn stopping(&self) -> bool {
        self.stop.requested()
    }
}

/// Logs what happens to a chain; a failure that lasts once, then at growing intervals.
#[derive(Default)]
pub(super) struct LogObserver(Mutex<LogPace>);

impl FollowObserver for LogObserver {
    fn retrying(&self, chain: &str, why: &str, ms: u64) {
        let due = self.0.lock().unwrap_or_else(PoisonError::into_inner).due(why);
        if let Some(times) = due {
            tracing::warn!(event = "chain.waiting", chain.id = chain, why, again_ms = ms, times, "the chain waits");
        }
    }

    fn reorged(&self, chain: &str, ancestor: u64, blocks: usize) {
        tracing::info!(event = "chain.reorged", chain.id = chain, block.height = ancestor, blocks, "left a branch");
    }

    fn rewinding(&self, chain: &str, to: u64, blocks: usize) {
        tracing::warn!(event = "chain.rewinding", chain.id = chain, block.height = to, blocks, "rewinding as asked");
    }
}
