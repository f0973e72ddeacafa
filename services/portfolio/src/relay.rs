//! Publishes what waits in the outbox, oldest first, at least once; readers keep the newest by its time.

use crate::service::{NAME, Service, retry_backoff};
use crate::store::Outgoing;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Record, topics};
use wire::headers;

const AT_ONCE: u32 = 200;
/// Longest time between two looks at an empty outbox: another process may have filled it and died.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Publishes until the process shall stop.
pub(crate) async fn relay(service: &Service) {
    let mut backoff = retry_backoff();
    loop {
        let published = tokio::select! {
            () = service.shutdown.wait() => return,
            published = publish(service) => published,
        };
        let go_on = match published {
            Ok(0) => tokio::select! {
                go_on = service.rest(LOOK_AGAIN) => go_on,
                () = service.written.notified() => true,
            },
            Ok(count) => {
                backoff.reset();
                service.health.count("published", count);
                true
            }
            Err(error) => service.failed(&error, &mut backoff).await,
        };
        if !go_on {
            return;
        }
    }
}

async fn publish(service: &Service) -> Result<u64, Unavailable> {
    let outgoing = service.store.outgoing(AT_ONCE).await?;
    let ids: Vec<i64> = outgoing.iter().map(|outgoing| outgoing.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    service.log.publish(outgoing.into_iter().map(record).collect()).await?;
    environment::crash::point("portfolio.outbox.published");
    service.store.sent(&ids).await?;
    service.health.has("log");
    Ok(ids.len() as u64)
}

fn record(Outgoing { message, .. }: Outgoing) -> Record {
    let headers = headers::cloud_event(headers::kind::PORTFOLIO_UPDATED, &message.event_id, NAME, None);
    let key = message.key.into_bytes();
    Record { partition: topics::PORTFOLIO_UPDATED.partition_of(&key), key, headers, value: Some(message.payload) }
}
