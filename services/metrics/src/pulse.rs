//! What the service says of itself: what it waits for and what it has counted.

use environment::health::Health;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tape_log::feed::FeedCounters;

/// Shared by all parts of the service.
#[derive(Debug, Default)]
pub struct Pulse {
    /// The database answers.
    pub database: AtomicBool,
    /// The log answers.
    pub log: AtomicBool,
    /// Batches committed.
    pub commits: AtomicU64,
    /// Trades that came or went.
    pub trades: AtomicU64,
    /// Commits refused because another reader had moved the position, or old trades were dropped.
    pub moved: AtomicU64,
    /// Events that came to light below what is kept.
    pub late: AtomicU64,
    /// Messages published.
    pub published: AtomicU64,
}

/// What `/health` answers; `tallies` are the feeds' own figures, once there are feeds.
pub fn health(pulse: &Pulse, tallies: Option<&Vec<Arc<FeedCounters>>>) -> Health {
    let waiting = [("database", &pulse.database), ("log", &pulse.log)];
    let waiting = waiting.into_iter().filter(|(_, well)| !well.load(Ordering::Relaxed));
    let counted = [
        ("commits", &pulse.commits),
        ("trades", &pulse.trades),
        ("moved", &pulse.moved),
        ("late", &pulse.late),
        ("published", &pulse.published),
    ];
    let mut counters: BTreeMap<String, u64> =
        counted.into_iter().map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed))).collect();
    let tallies = FeedCounters::sum_of(tallies.into_iter().flatten().map(Arc::as_ref));
    counters.extend(tallies.named().map(|(name, figure)| (name.to_owned(), figure)));
    Health { waiting_for: waiting.map(|(name, _)| name.to_owned()).collect(), counters }
}
