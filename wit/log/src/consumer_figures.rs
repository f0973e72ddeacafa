//! What a service that reads the tape measures of it: how far behind it is, what it commits, and what should be zero.

use crate::feed::FeedCounters;
use crate::guard::TapeGuard;
use environment::Measurements;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Upper bounds of the buckets for events in one commit.
const BATCH_BOUNDARIES: [f64; 9] = [1.0, 5.0, 25.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 10_000.0];

/// The name of a measurement, what it is, and where it is counted.
type Observed<T> = (&'static str, &'static str, fn(&ConsumerFigures) -> &T);

/// Counted by the parts of a service; [`observe`](Self::observe) makes measurements of it.
#[derive(Debug, Default)]
pub struct ConsumerFigures {
    commits: AtomicU64,
    events: AtomicU64,
    newest_commit: Mutex<Option<Instant>>,
    /// The instrument, and whose it is.
    batch: OnceLock<(Histogram<u64>, [KeyValue; 1])>,
    published: AtomicU64,
    outbox_empty: Mutex<Option<Instant>>,
}

impl ConsumerFigures {
    /// So many events were committed together.
    pub fn count_commit(&self, events: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
        set_now(&self.newest_commit);
        if let Some((batch, labels)) = self.batch.get() {
            batch.record(events, labels);
        }
    }

    /// So many messages of the outbox were published; none when it was empty.
    pub fn count_published(&self, messages: u64) {
        self.published.fetch_add(messages, Ordering::Relaxed);
        if messages == 0 {
            set_now(&self.outbox_empty);
        }
    }

    /// Makes measurements of these figures, of the feeds and of what the guard knows. To be called once.
    pub fn observe(
        self: &Arc<Self>,
        measurements: &Measurements,
        guard: &Arc<TapeGuard>,
        feeds: impl Fn() -> FeedCounters + Send + Sync + 'static,
    ) {
        let (meter, service) = (measurements.meter(), KeyValue::new("service", measurements.service()));
        set_now(&self.outbox_empty);
        let batch = meter.u64_histogram("chaintape.consumer.batch").with_description("Events in one commit.");
        // Set once; another caller's would be the same.
        let _ = self.batch.set((batch.with_boundaries(BATCH_BOUNDARIES.to_vec()).build(), [service.clone()]));
        self.observe_commits(&meter, &service);
        observe_feeds(&meter, service.clone(), feeds);
        observe_guard(&meter, &service, guard);
    }

    fn observe_commits(self: &Arc<Self>, meter: &Meter, service: &KeyValue) {
        let counters: [Observed<AtomicU64>; 3] = [
            ("chaintape.consumer.commits", "Batches committed.", |figures| &figures.commits),
            ("chaintape.consumer.events", "Events committed.", |figures| &figures.events),
            ("chaintape.outbox.published", "Messages of the outbox published.", |figures| &figures.published),
        ];
        for (name, what, counter) in counters {
            let (figures, labels) = (Arc::clone(self), [service.clone()]);
            let observed = meter.u64_observable_counter(name).with_description(what);
            observed.with_callback(move |it| it.observe(counter(&figures).load(Ordering::Relaxed), &labels)).build();
        }
        let ages: [Observed<Mutex<Option<Instant>>>; 2] = [
            ("chaintape.consumer.commit.age", "Time since the newest commit.", |figures| &figures.newest_commit),
            ("chaintape.outbox.age", "Time since the outbox was last empty.", |figures| &figures.outbox_empty),
        ];
        for (name, what, instant) in ages {
            let (figures, labels) = (Arc::clone(self), [service.clone()]);
            let observed = meter.f64_observable_gauge(name).with_unit("s").with_description(what);
            observed
                .with_callback(move |it| {
                    let at = *instant(&figures).lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(at) = at {
                        it.observe(at.elapsed().as_secs_f64(), &labels);
                    }
                })
                .build();
        }
    }
}

/// Of all feeds of the service in this process.
fn observe_feeds(meter: &Meter, service: KeyValue, feeds: impl Fn() -> FeedCounters + Send + Sync + 'static) {
    let inexact = meter.u64_observable_gauge("chaintape.consumer.inexact");
    inexact
        .with_description(
            "Records dead-lettered, lost and doubled since the start, and heights in a gap: all should be 0.",
        )
        .with_callback(move |it| {
            for (count, value) in feeds().named() {
                it.observe(value, &[service.clone(), KeyValue::new("count", count)]);
            }
        })
        .build();
}

/// Of all partitions, whichever instance holds them: the database says how far each was read.
fn observe_guard(meter: &Meter, service: &KeyValue, guard: &Arc<TapeGuard>) {
    let (compared, owner) = (Arc::clone(guard), service.clone());
    meter
        .u64_observable_gauge("chaintape.consumer.lag")
        .with_description("Positions between what the database has of a partition and its end.")
        .with_callback(move |it| {
            for read in compared.read_progress().borrow().iter() {
                let topic = KeyValue::new("topic", read.partition.topic.to_string());
                let partition = KeyValue::new("partition", i64::from(read.partition.index));
                it.observe(read.lag, &[owner.clone(), topic, partition]);
            }
        })
        .build();
    let (guard, labels) = (Arc::clone(guard), [service.clone()]);
    meter
        .u64_observable_gauge("chaintape.consumer.tape.changed")
        .with_description("1 while the tape is not the one that was read.")
        .with_callback(move |it| it.observe(u64::from(guard.problem().is_some()), &labels))
        .build();
}

fn set_now(instant: &Mutex<Option<Instant>>) {
    *instant.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_measured() {
        let (figures, measurements) = (Arc::<ConsumerFigures>::default(), Measurements::of("metrics"));
        let feeds = || {
            let counters = FeedCounters::default();
            counters.lost.store(3, Ordering::Relaxed);
            counters
        };
        figures.observe(&measurements, &Arc::default(), feeds);
        figures.count_commit(20);
        figures.count_commit(400);
        figures.count_published(7);
        let text = measurements.text();
        for line in [
            "chaintape_consumer_commits_total{service=\"metrics\"} 2",
            "chaintape_consumer_events_total{service=\"metrics\"} 420",
            "chaintape_consumer_batch_bucket{service=\"metrics\",le=\"25\"} 1",
            "chaintape_consumer_inexact{count=\"lost\",service=\"metrics\"} 3",
            "chaintape_consumer_inexact{count=\"deadLettered\",service=\"metrics\"} 0",
            "chaintape_consumer_tape_changed{service=\"metrics\"} 0",
            "chaintape_outbox_published_total{service=\"metrics\"} 7",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        for age in ["chaintape_consumer_commit_age_seconds{", "chaintape_outbox_age_seconds{"] {
            assert!(text.lines().any(|shown| shown.starts_with(age)), "{age} is not in\n{text}");
        }
    }
}
