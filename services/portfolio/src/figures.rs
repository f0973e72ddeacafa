//! What portfolio measures beside its calls to providers: what became of wallets, the queue, and the drift.

use crate::health::ServiceHealth;
use crate::service::Service;
use crate::store::TableCounts;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time between two counts of the tables.
const COUNT_INTERVAL: Duration = Duration::from_secs(30);
/// Counters of the health whose names are what became of a wallet's refresh.
const OUTCOMES: [&str; 6] = ["refreshed", "byFallback", "late", "postponed", "superseded", "givenUp"];

/// Measures what the health counts.
pub(crate) fn observe_health(meter: &Meter, health: &Arc<ServiceHealth>) {
    let counted = Arc::clone(health);
    meter
        .u64_observable_counter("chaintape.portfolio.refreshes")
        .with_description("Refreshes of wallets, by what became of them; one may be counted under several.")
        .with_callback(move |it| {
            for outcome in OUTCOMES {
                it.observe(counted.counter(outcome), &[KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let counted = Arc::clone(health);
    meter
        .u64_observable_counter("chaintape.portfolio.queue.dropped")
        .with_description("Wallets dropped from the full queue.")
        .with_callback(move |it| it.observe(counted.counter("queueDropped"), &[]))
        .build();
}

/// Counts the tables regularly until a shutdown is requested.
pub(crate) async fn count_tables(service: &Service, meter: &Meter) {
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let names = [
        ("chaintape.portfolio.queue", "Wallets that wait for a refresh."),
        ("chaintape.portfolio.drift", "Assets of wallets whose balance is not what the trades add up to."),
    ];
    for (index, (name, what)) in names.into_iter().enumerate() {
        let counts = Arc::clone(&counts);
        let observed = meter.u64_observable_gauge(name).with_description(what);
        observed.with_callback(move |it| it.observe(counts[index].load(Ordering::Relaxed), &[])).build();
    }
    while !service.shutdown.requested() {
        match service.store.count_tables().await {
            Ok(TableCounts { queued, drifting }) => {
                counts[0].store(queued, Ordering::Relaxed);
                counts[1].store(drifting, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::debug!(
                    event = "tables.uncounted",
                    error = &error as &(dyn Error + 'static),
                    "the tables are not counted"
                );
            }
        }
        service.rest(COUNT_INTERVAL).await;
    }
}
