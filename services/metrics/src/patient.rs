//! Layers that wait out failures of the outside: nothing is given up, each failure is logged once, here.

use crate::pulse::Pulse;
use environment::{Backoff, retry, with_causes};
use metrics_domain::{BookKey, Facts, Floors, Heads, Late, Method, Outcome, Store, Stored, Tail, TradeKey, UserKey};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tape::{Delivery, Feed, Partition, Start, Unavailable};
use tokio::sync::Notify;
use tracing::Instrument;

/// A store that is asked again until it answers, and that tells the publisher of each commit.
#[derive(Clone)]
pub struct PatientStore<S> {
    inner: Arc<S>,
    pulse: Arc<Pulse>,
    written: Arc<Notify>,
}

impl<S: Store> PatientStore<S> {
    /// Around a store; `written` is notified after commits that leave messages.
    pub fn new(inner: Arc<S>, pulse: Arc<Pulse>, written: Arc<Notify>) -> Self {
        Self { inner, pulse, written }
    }
}

impl<S: Store> Store for PatientStore<S> {
    fn method(&self) -> Method {
        self.inner.method()
    }

    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(patiently(&self.pulse.database, || self.inner.position(partition)).await)
    }

    async fn floors(&self) -> Result<Floors, Unavailable> {
        Ok(patiently(&self.pulse.database, || self.inner.floors()).await)
    }

    async fn heads(&self, users: &[UserKey], books: &[BookKey]) -> Result<Heads, Unavailable> {
        Ok(patiently(&self.pulse.database, || self.inner.heads(users, books)).await)
    }

    async fn stored(&self, trades: &[TradeKey]) -> Result<Vec<Stored>, Unavailable> {
        Ok(patiently(&self.pulse.database, || self.inner.stored(trades)).await)
    }

    async fn tails(&self, late: &[Late]) -> Result<Vec<Tail>, Unavailable> {
        Ok(patiently(&self.pulse.database, || self.inner.tails(late)).await)
    }

    /// A commit that failed with unknown outcome is safe to repeat: had it been kept, the position has moved.
    async fn commit(&self, facts: &Facts) -> Result<Outcome, Unavailable> {
        let span = tracing::info_span!(
            "store.facts.commit", log = %facts.partition.topic, partition = facts.partition.index, next = facts.next,
            trades = facts.puts.len(), refolded = facts.changed.len(), users = facts.users.len(),
        );
        let span = environment::telemetry::continued(span, facts.trace.as_deref());
        environment::crash::point("metrics.commit.before");
        let outcome = patiently(&self.pulse.database, || self.inner.commit(facts)).instrument(span.clone()).await;
        environment::crash::point("metrics.commit.after");
        span.in_scope(|| self.report(facts, outcome));
        Ok(outcome)
    }
}

impl<S> PatientStore<S> {
    fn report(&self, facts: &Facts, outcome: Outcome) {
        if outcome == Outcome::Moved {
            self.pulse.moved.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                event = "position.moved",
                "another reader has moved the position, or old trades were dropped; reading on from there"
            );
            return;
        }
        self.pulse.commits.fetch_add(1, Ordering::Relaxed);
        self.pulse.trades.fetch_add(facts.puts.len() as u64, Ordering::Relaxed);
        for (chain, count) in &facts.late {
            self.pulse.late.fetch_add(*count, Ordering::Relaxed);
            let said = "trades came to light below what is kept; they change nothing";
            tracing::warn!(event = "trades.late", chain.id = %chain, count, "{said}");
        }
        for put in &facts.puts {
            let (chain, at) = (&put.entry.user.chain, &put.entry.order.id);
            tracing::debug!(chain.id = %chain, trade.at = %at, live = put.live, "trade folded");
        }
        tracing::debug!(event = "batch.committed", "batch committed");
        if !facts.users.is_empty() {
            self.written.notify_one();
        }
    }
}

/// A feed whose failures are logged and waited out before they are told; seeking is tried until it succeeds.
pub struct PatientFeed<F> {
    inner: F,
    pulse: Arc<Pulse>,
    backoff: Backoff,
}

impl<F> PatientFeed<F> {
    /// Around a feed.
    pub fn new(inner: F, pulse: Arc<Pulse>) -> Self {
        Self { inner, pulse, backoff: backoff() }
    }
}

impl<E: Send, F: Feed<E>> Feed<E> for PatientFeed<F> {
    async fn next(&mut self) -> Result<Delivery<E>, Unavailable> {
        let delivered = self.inner.next().await;
        self.pulse.log.store(delivered.is_ok(), Ordering::Relaxed);
        match &delivered {
            Ok(Delivery::Gained(partition)) => {
                tracing::info!(event = "partition.gained", log = %partition.topic, partition = partition.index, "partition gained");
            }
            Ok(Delivery::Lost(partition)) => {
                tracing::info!(event = "partition.lost", log = %partition.topic, partition = partition.index, "partition lost");
            }
            Ok(Delivery::Batch(_)) => self.backoff.reset(),
            Err(error) => {
                tracing::warn!(event = "feed.failed", error = %with_causes(error), "failed to {error}; trying again");
                tokio::time::sleep(self.backoff.next()).await;
            }
        }
        delivered
    }

    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        let mut backoff = backoff();
        while let Err(error) = self.inner.seek(partition, start).await {
            self.pulse.log.store(false, Ordering::Relaxed);
            tracing::warn!(event = "feed.failed", error = %with_causes(&error), "failed to {error}; trying again");
            tokio::time::sleep(backoff.next()).await;
        }
        Ok(())
    }
}

/// Does it until it succeeds; `well` says meanwhile that it does not.
pub(crate) async fn patiently<T, F>(well: &AtomicBool, work: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let done = retry(backoff(), work, |error: &Unavailable, _| {
        well.store(false, Ordering::Relaxed);
        tracing::warn!(event = "outside.failed", error = %with_causes(error), "failed to {error}; trying again");
    });
    let done = done.await;
    well.store(true, Ordering::Relaxed);
    done
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(15))
}
