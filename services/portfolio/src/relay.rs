//! Publishes the messages in the outbox, oldest first, at least once; readers keep the newest state by its time.

use crate::service::{SERVICE_NAME, Service, retry_backoff};
use crate::store::Outgoing;
use environment::telemetry::has_event_line;
use tape::Unavailable;
use tape_log::{Drained, Record, drain_outbox, topics};
use wire::headers;

const MAX_MESSAGES_AT_ONCE: u32 = 200;

/// Publishes until a shutdown is requested.
pub(crate) async fn relay(service: &Service) {
    let draining = drain_outbox(
        &service.written,
        retry_backoff(),
        || publish_oldest(service),
        |drained| match drained {
            Drained::Published(count) => {
                service.health.figures.count_published(count as u64);
                service.health.count("published", count as u64);
            }
            Drained::Delayed(error) => service.report_failure(&error),
        },
    );
    service.shutdown.or_stop(draining).await;
}

/// Publishes the oldest messages and removes them from the outbox; returns how many there were.
async fn publish_oldest(service: &Service) -> Result<usize, Unavailable> {
    let outgoing = service.store.outgoing(MAX_MESSAGES_AT_ONCE).await?;
    let ids: Vec<i64> = outgoing.iter().map(|outgoing| outgoing.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    service.log.publish(outgoing.into_iter().map(record).collect()).await?;
    environment::crash::point("portfolio.outbox.published");
    service.store.sent(&ids).await?;
    service.health.has("log");
    Ok(ids.len())
}

fn record(Outgoing { message, .. }: Outgoing) -> Record {
    if has_event_line(&message.event_id) {
        let (wallet, event_id) = (&message.key, &message.event_id);
        tracing::info!(event = "portfolio.updated", eventId = event_id, wallet, "portfolio updated");
    }
    let headers = headers::cloud_event(headers::kind::PORTFOLIO_UPDATED, &message.event_id, SERVICE_NAME, None);
    let key = message.key.into_bytes();
    Record { partition: topics::PORTFOLIO_UPDATED.partition_of(&key), key, headers, value: Some(message.payload) }
}
