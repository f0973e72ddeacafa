//! Layers that retry when the database or the log fails: they never give up, and log each failure once.

use crate::health::ServiceHealth;
use environment::{Backoff, with_causes};
use metrics_domain::{
    Accounts, BookFacts, BookKey, BookRules, BookToRefold, CommitOutcome, Floors, Store, StoredTrade, Tail, TradeKey,
    UserKey,
};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tape::{Delivery, Feed, Partition, Start, Unavailable};
use tokio::sync::Notify;
use tracing::Instrument;

/// A store that retries until it succeeds, and notifies the publisher after each commit.
#[derive(Clone)]
pub(crate) struct RetryingStore<S> {
    inner: Arc<S>,
    health: Arc<ServiceHealth>,
    written: Arc<Notify>,
}

impl<S: Store> RetryingStore<S> {
    /// Wraps a store; `written` is notified after each commit that writes messages.
    pub(crate) fn new(inner: Arc<S>, health: Arc<ServiceHealth>, written: Arc<Notify>) -> Self {
        Self { inner, health, written }
    }
}

impl<S: Store> Store for RetryingStore<S> {
    fn rules(&self) -> &BookRules {
        self.inner.rules()
    }

    async fn read_position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        Ok(retry(&self.health.database, || self.inner.read_position(partition)).await)
    }

    async fn read_floors(&self) -> Result<Floors, Unavailable> {
        Ok(retry(&self.health.database, || self.inner.read_floors()).await)
    }

    async fn load_accounts(&self, users: &[UserKey], books: &[BookKey]) -> Result<Accounts, Unavailable> {
        Ok(retry(&self.health.database, || self.inner.load_accounts(users, books)).await)
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<StoredTrade>, Unavailable> {
        Ok(retry(&self.health.database, || self.inner.load_trades(trades)).await)
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<Tail>, Unavailable> {
        Ok(retry(&self.health.database, || self.inner.load_tails(books)).await)
    }

    /// A commit with an unknown outcome is safe to repeat: if it was written, the read position has moved.
    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        let span = tracing::info_span!(
            "store.facts.commit", log = %facts.partition.topic, partition = facts.partition.index, next = facts.next,
            trades = facts.trade_rows.len(), refolded = facts.changed_effects.len(), users = facts.users.len(),
        );
        let span = environment::telemetry::continued(span, facts.trace.as_deref());
        environment::crash::point("metrics.commit.before");
        let outcome = retry(&self.health.database, || self.inner.commit(facts)).instrument(span.clone()).await;
        environment::crash::point("metrics.commit.after");
        span.in_scope(|| self.record(facts, outcome));
        Ok(outcome)
    }
}

impl<S> RetryingStore<S> {
    fn record(&self, facts: &BookFacts, outcome: CommitOutcome) {
        if outcome == CommitOutcome::Moved {
            self.health.moved.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                event = "position.moved",
                "another reader has moved a read position, or old trades were dropped; reading on from what is committed"
            );
            return;
        }
        self.health.commits.fetch_add(1, Ordering::Relaxed);
        self.health.figures.count_commit(facts.trade_rows.len() as u64);
        self.health.trades.fetch_add(facts.trade_rows.len() as u64, Ordering::Relaxed);
        for (chain, count) in &facts.late_events {
            self.health.late.fetch_add(*count, Ordering::Relaxed);
            let message = "events about trades at or below a dropped height change nothing";
            tracing::warn!(event = "trades.late", chain.id = %chain, count, "{message}");
        }
        for row in &facts.trade_rows {
            let (chain, at) = (&row.entry.user.chain, &row.entry.order.id);
            tracing::debug!(event = "trade.folded", chain.id = %chain, trade.at = %at, live = row.live, "trade folded");
        }
        tracing::debug!(event = "batch.committed", "batch committed");
        if !facts.users.is_empty() {
            self.written.notify_one();
        }
    }
}

/// A feed that logs a failure and waits before it returns it; seeking is retried until it succeeds.
pub(crate) struct RetryingFeed<F> {
    inner: F,
    health: Arc<ServiceHealth>,
    backoff: Backoff,
}

impl<F> RetryingFeed<F> {
    /// Wraps a feed.
    pub(crate) fn new(inner: F, health: Arc<ServiceHealth>) -> Self {
        Self { inner, health, backoff: backoff() }
    }
}

impl<E: Send, F: Feed<E>> Feed<E> for RetryingFeed<F> {
    async fn next(&mut self) -> Result<Delivery<E>, Unavailable> {
        let delivered = self.inner.next().await;
        self.health.log.store(delivered.is_ok(), Ordering::Relaxed);
        match &delivered {
            // The feed itself logs which partitions it has.
            Ok(Delivery::Gained(_) | Delivery::Lost(_)) => {}
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
            self.health.log.store(false, Ordering::Relaxed);
            tracing::warn!(event = "feed.failed", error = %with_causes(&error), "failed to {error}; trying again");
            tokio::time::sleep(backoff.next()).await;
        }
        Ok(())
    }
}

/// Retries until it succeeds; `answers` is false meanwhile.
pub(crate) async fn retry<T, F>(answers: &AtomicBool, work: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let done = environment::retry(backoff(), work, |error: &Unavailable, _| {
        answers.store(false, Ordering::Relaxed);
        tracing::warn!(event = "outside.failed", error = %with_causes(error), "failed to {error}; trying again");
    });
    let done = done.await;
    answers.store(true, Ordering::Relaxed);
    done
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(15))
}
