//! Publishes what waits in the outbox, oldest first, at least once; readers keep the newest by its time.

use crate::service::{NAME, Service, backoff};
use crate::store::Outgoing;
use tape::Unavailable;
use tape_log::{Drained, Record, drain_outbox, topics};
use wire::headers;

const AT_ONCE: u32 = 200;

/// Publishes until the process shall stop.
pub(crate) async fn relay(service: &Service) {
    let draining = drain_outbox(
        &service.written,
        backoff(),
        || publish(service),
        |drained| match drained {
            Drained::Published(count) => service.vitals.count("published", count as u64),
            Drained::Delayed(error) => service.blame(&error),
        },
    );
    service.shutdown.or_stop(draining).await;
}

async fn publish(service: &Service) -> Result<usize, Unavailable> {
    let outgoing = service.store.outgoing(AT_ONCE).await?;
    let ids: Vec<i64> = outgoing.iter().map(|outgoing| outgoing.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    service.log.publish(outgoing.into_iter().map(record).collect()).await?;
    environment::crash::point("portfolio.outbox.published");
    service.store.sent(&ids).await?;
    service.vitals.has("log");
    Ok(ids.len())
}

fn record(Outgoing { message, .. }: Outgoing) -> Record {
    let headers = headers::cloud_event(headers::kind::PORTFOLIO_UPDATED, &message.event_id, NAME, None);
    let key = message.key.into_bytes();
    Record { partition: topics::PORTFOLIO_UPDATED.partition_of(&key), key, headers, value: Some(message.payload) }
}
