//! Follows the tape: trades put their traders' wallets into the queue.

use crate::service::{Service, SystemClock, retry_backoff, retry_until_done};
use portfolio_domain::{Followed, Follower};
use std::sync::Arc;
use tape_log::feed::{FeedCounters, TradeFeed};
use tape_log::topics;

/// Follows until a shutdown is requested.
pub(crate) async fn follow(service: &Service) {
    let Service { log, store, tracking, rules, health, shutdown, .. } = service;
    let join = || TradeFeed::join(log, topics::READ_BY_PORTFOLIO);
    let Some(feed) = retry_until_done(health, shutdown, "log", join).await else { return };
    let feed = feed.guarded_by(&service.guard);
    let counters = feed.counters();
    let observed = Arc::clone(&counters);
    health.figures.observe(&service.measurements, &service.guard, move || FeedCounters::sum_of([&*observed]));
    let mut follower = Follower::new(feed);
    let mut backoff = retry_backoff();
    loop {
        environment::crash::point("portfolio.step.before");
        let followed = tokio::select! {
            () = shutdown.wait() => return,
            followed = follower.step(store, tracking, rules, &SystemClock) => followed,
        };
        counters.named().into_iter().for_each(|(name, count)| health.set(name, count));
        match followed {
            Ok(followed) => {
                if matches!(followed, Followed::Committed { .. }) {
                    environment::crash::point("portfolio.step.after");
                }
                backoff.reset();
                health.has("database");
                health.has("log");
                report(service, &followed);
            }
            Err(error) => {
                if !service.failed(&error, &mut backoff).await {
                    return;
                }
            }
        }
    }
}

/// Logs and counts what was done, and wakes the workers.
fn report(service: &Service, followed: &Followed) {
    match followed {
        // The feed itself logs which partitions it has.
        Followed::Gained(_) | Followed::Lost(_) => {}
        Followed::Moved(partition) => {
            service.health.count("moved", 1);
            tracing::warn!(
                event = "position.moved", log = %partition.topic, partition = partition.index,
                "another reader has committed to this partition; reading on from its position"
            );
        }
        Followed::Committed { events, touched, dropped } => {
            service.health.figures.count_commit(*events as u64);
            service.health.count("events", *events as u64);
            service.health.count("touched", *touched as u64);
            if *dropped > 0 {
                service.health.count("queueDropped", *dropped);
                tracing::warn!(
                    event = "queue.dropped",
                    dropped,
                    "the queue is full; wallets that traded longest ago are dropped from it (PORTFOLIO_QUEUE_MAX)"
                );
            }
            if *touched > 0 {
                service.waiting.notify_waiters();
            }
        }
    }
}
