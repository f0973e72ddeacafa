//! The health of the service: what it waits for, and what it has counted.

use environment::health::Health;
use opentelemetry::metrics::Meter;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tape_log::consumer_figures::ConsumerFigures;
use tape_log::feed::FeedCounters;
use tape_log::guard::TapeGuard;

/// Shared by all parts of the service.
#[derive(Debug, Default)]
pub(crate) struct ServiceHealth {
    /// Whether the database answers.
    pub(crate) database: AtomicBool,
    /// Whether the log answers.
    pub(crate) log: AtomicBool,
    /// Batches committed.
    pub(crate) commits: AtomicU64,
    /// Trades applied or reverted.
    pub(crate) trades: AtomicU64,
    /// Commits refused because another reader had moved a read position, or old trades were dropped.
    pub(crate) moved: AtomicU64,
    /// Events about trades at or below a dropped height.
    pub(crate) late: AtomicU64,
    /// Messages published.
    pub(crate) published: AtomicU64,
    /// What is measured of the reading and of the outbox.
    pub(crate) figures: Arc<ConsumerFigures>,
    /// Compares the log with the database: while they do not belong together, the service is not ready.
    pub(crate) guard: Arc<TapeGuard>,
}

/// The name of a measurement, what it is, and where it is counted.
type ObservedCounter = (&'static str, &'static str, fn(&ServiceHealth) -> &AtomicU64);

/// Measures what the service counts of itself.
pub(crate) fn observe(service: &Arc<ServiceHealth>, meter: &Meter) {
    let counters: [ObservedCounter; 2] = [
        ("chaintape.metrics.late", "Events about trades at or below a dropped height.", |it| &it.late),
        ("chaintape.metrics.moved", "Commits refused because a read position had moved.", |it| &it.moved),
    ];
    for (name, what, counter) in counters {
        let service = Arc::clone(service);
        let observed = meter.u64_observable_counter(name).with_description(what);
        observed.with_callback(move |it| it.observe(counter(&service).load(Ordering::Relaxed), &[])).build();
    }
}

/// The response of `/health`; `feeds` are the counters of the feeds, once there are feeds.
pub(crate) fn health_of(service: &ServiceHealth, feeds: Option<&Vec<Arc<FeedCounters>>>) -> Health {
    let waiting = [("database", &service.database), ("log", &service.log)];
    let waiting = waiting.into_iter().filter(|(_, answers)| !answers.load(Ordering::Relaxed));
    let counted = [
        ("commits", &service.commits),
        ("trades", &service.trades),
        ("moved", &service.moved),
        ("late", &service.late),
        ("published", &service.published),
    ];
    let mut counters: BTreeMap<String, u64> =
        counted.into_iter().map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed))).collect();
    let feeds = FeedCounters::sum_of(feeds.into_iter().flatten().map(Arc::as_ref));
    counters.extend(feeds.named().map(|(name, figure)| (name.to_owned(), figure)));
    let tape = service.guard.problem().map(|why| format!("tape: {why}"));
    Health { waiting_for: waiting.map(|(name, _)| name.to_owned()).chain(tape).collect(), notices: vec![], counters }
}
