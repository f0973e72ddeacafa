//! Follows the tape: trades make their traders' wallets wait for a refresh.

use crate::service::{Machine, Service, backoff, patiently};
use portfolio_domain::app::{Followed, Follower};
use tape_log::feed::TradeFeed;
use tape_log::topics;

/// Follows until the process shall stop.
pub(crate) async fn follow(service: &Service) {
    let Service { log, store, tracking, rules, vitals, shutdown, .. } = service;
    let join = || TradeFeed::join(log, topics::READ_BY_PORTFOLIO);
    let Some(feed) = patiently(vitals, shutdown, "log", join).await else { return };
    let tallies = feed.counters();
    let mut follower = Follower::new(feed);
    let mut backoff = backoff();
    loop {
        environment::crash::point("portfolio.step.before");
        let followed = tokio::select! {
            () = shutdown.wait() => return,
            followed = follower.step(store, tracking, rules, &Machine) => followed,
        };
        tallies.named().into_iter().for_each(|(name, figure)| vitals.set(name, figure));
        match followed {
            Ok(followed) => {
                if matches!(followed, Followed::Kept { .. }) {
                    environment::crash::point("portfolio.step.after");
                }
                backoff.reset();
                vitals.has("database");
                vitals.has("log");
                tell(service, &followed);
            }
            Err(error) => {
                if !service.failed(&error, &mut backoff).await {
                    return;
                }
            }
        }
    }
}

fn tell(service: &Service, followed: &Followed) {
    match followed {
        Followed::Gained(partition) => {
            tracing::debug!(log = %partition.topic, partition = partition.index, "partition gained")
        }
        Followed::Lost(partition) => {
            tracing::debug!(log = %partition.topic, partition = partition.index, "partition lost")
        }
        Followed::Moved(partition) => {
            service.vitals.count("moved", 1);
            tracing::warn!(log = %partition.topic, partition = partition.index, "another reader had read on; reading from there");
        }
        Followed::Kept { events, touched, dropped } => {
            service.vitals.count("events", *events as u64);
            service.vitals.count("touched", *touched as u64);
            if *dropped > 0 {
                service.vitals.count("queueDropped", *dropped);
                tracing::warn!(dropped, "the queue is full; wallets that traded longest ago are not refreshed");
            }
            if *touched > 0 {
                service.waiting.notify_waiters();
            }
        }
    }
}
