//! Publishes messages from the outbox: they are written in the transaction of their facts and published at least once,
//! soon after it.
//!
//! Each message is the whole state of a user as of a read position, so a reader keeps the newest and may see one twice.

use crate::health::ServiceHealth;
use crate::messages::MetricsMessage;
use environment::telemetry::{continued, has_event_line};
use environment::{Backoff, with_causes};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Drained, Log, Record, drain_outbox, topics};
use tokio::sync::Notify;
use wire::headers::{cloud_event, kind};

/// The messages that are published at once.
const MAX_MESSAGES_PER_PUBLISH: u32 = 1_000;

/// A store of messages that wait to be published.
pub trait Outbox: Send + Sync {
    /// Passes the oldest messages, at most `max_messages`, to `publish`, and deletes them once it has succeeded.
    /// Returns how many.
    fn drain<P, F>(&self, max_messages: u32, publish: P) -> impl Future<Output = Result<usize, Unavailable>> + Send
    where
        P: FnOnce(Vec<MetricsMessage>) -> F + Send,
        F: Future<Output = Result<(), Unavailable>> + Send;
}

/// Publishes what waits: whenever `written` is notified, and every second for what a process that died left behind.
pub(crate) async fn publish(outbox: &impl Outbox, log: &Log, written: &Notify, health: &Arc<ServiceHealth>) {
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
    let drain = || outbox.drain(MAX_MESSAGES_PER_PUBLISH, |messages| send(log, messages));
    drain_outbox(written, backoff, drain, |drained| match drained {
        Drained::Published(count) => {
            health.figures.count_published(count as u64);
            health.published.fetch_add(count as u64, Ordering::Relaxed);
        }
        Drained::Delayed(error) => {
            tracing::warn!(event = "outbox.delayed", error = %with_causes(&error), "failed to {error}; trying again");
        }
    })
    .await;
}

async fn send(log: &Log, messages: Vec<MetricsMessage>) -> Result<(), Unavailable> {
    let record = |message: MetricsMessage| {
        if has_event_line(&message.event_id) {
            let span = continued(tracing::info_span!("metrics.update.publish"), message.trace.as_deref());
            span.in_scope(|| tracing::info!(event = "metrics.updated", eventId = message.event_id, "metrics updated"));
        }
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
