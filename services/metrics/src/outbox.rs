//! The outbox: messages written with their facts leave for the log, at least once, soon after the commit.
//!
//! Each message is a state with its place in the log, so a reader keeps the newest whatever arrives twice.

use crate::messages::Message;
use crate::pulse::Pulse;
use environment::{Backoff, with_causes};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Drained, Log, Record, drain_outbox, topics};
use tokio::sync::Notify;
use wire::headers::{cloud_event, kind};

/// Messages waiting to be sent.
pub trait Outbox: Send + Sync {
    /// Hands the oldest `most` messages to `publish` and forgets them once it has succeeded; says how many.
    fn drain<P, F>(&self, most: u32, publish: P) -> impl Future<Output = Result<usize, Unavailable>> + Send
    where
        P: FnOnce(Vec<Message>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send;
}

/// Sends what waits, whenever `written` says that something may, and every second for what a dead process left behind.
pub async fn publish(outbox: &impl Outbox, log: &Log, written: &Notify, pulse: &Arc<Pulse>) {
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
    let drain = || outbox.drain(MOST, |messages| send(log, messages));
    drain_outbox(written, backoff, drain, |drained| match drained {
        Drained::Published(count) => drop(pulse.published.fetch_add(count as u64, Ordering::Relaxed)),
        Drained::Delayed(error) => {
            tracing::warn!(event = "outbox.delayed", error = %with_causes(&error), "failed to {error}; trying again");
        }
    })
    .await;
}

const MOST: u32 = 1_000;

async fn send(log: &Log, messages: Vec<Message>) -> Result<(), Unavailable> {
    let record = |message: Message| {
        tracing::debug!(event = "metrics.updated", eventId = message.event_id, "metrics updated");
        Record {
            partition: topics::METRICS_UPDATED.partition_of(message.key.as_bytes()),
            headers: cloud_event(kind::METRICS_UPDATED, &message.event_id, "metrics", message.trace.as_deref()),
            key: message.key.into_bytes(),
            value: Some(message.payload.into_bytes()),
        }
    };
    let published = log.publish(messages.into_iter().map(record).collect()).await;
    environment::crash::point("metrics.outbox.published");
    published
}
