//! Refreshes wallets in the queue, one at a time per worker.

use crate::service::{Service, SystemClock, retry_backoff};
use environment::telemetry::has_event_line;
use portfolio_domain::{Clock, LeftOut, Provider, Refreshed, RefusedNetwork, refresh_next};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// How often a worker looks at the queue at least: another process may have filled it.
const MAX_IDLE_TIME: Duration = Duration::from_secs(1);

/// Refreshes wallets until a shutdown is requested; a refresh that has begun is finished first.
pub(crate) async fn refresh_wallets(service: &Service, providers: &[impl Provider]) {
    let mut backoff = retry_backoff();
    let Service { store, circuits, rules, .. } = service;
    while !service.shutdown.requested() {
        let goes_on = match refresh_next(store, providers, circuits, rules, &SystemClock).await {
            Ok(Refreshed::Idle { next_due }) => wait_for_work(service, next_due).await,
            Ok(refreshed) => {
                backoff.reset();
                report(service, refreshed);
                report_circuits(service);
                true
            }
            Err(error) => service.failed(&error, &mut backoff).await,
        };
        if !goes_on {
            return;
        }
    }
}

/// Shows and logs, once each, what no provider answers for and which networks a key does not include.
fn report_circuits(service: &Service) {
    let Service { circuits, health, notices, .. } = service;
    if !circuits.is_everything_failing() {
        health.has("provider");
    } else if health.waits_for("provider") {
        tracing::warn!(
            event = "provider.silent",
            "no provider answers, whichever wallet is asked for; asking less often"
        );
    }
    let refused = circuits.refused_networks();
    let sentences: BTreeMap<String, String> = refused.iter().map(refused_sentence).collect();
    for (network, sentence) in &sentences {
        if notices.set(network, sentence) {
            tracing::error!(event = "provider.network.refused", %network, "{sentence}");
        }
    }
    for network in notices.retain(|network| sentences.contains_key(network)) {
        tracing::info!(event = "provider.network.accepted", %network, "the provider accepts our key for this network again");
    }
}

/// The key of a notice, and what it says.
fn refused_sentence(RefusedNetwork { provider, chain, reason }: &RefusedNetwork) -> (String, String) {
    let sentence = format!(
        "{provider} refuses our key for chain {chain}: {reason}; its wallets are asked for every 5 minutes, all others as \
         usual; include the network in the key's plan, change the key, or remove `{provider}` from its chain file"
    );
    (format!("{provider}/{chain}"), sentence)
}

/// Waits until a wallet may be due. False when a shutdown is requested.
async fn wait_for_work(service: &Service, next_due: Option<u64>) -> bool {
    service.health.has("database");
    let until_due = next_due.map(|at| Duration::from_millis(at.saturating_sub(SystemClock.now_ms()).max(1)));
    let time = until_due.map_or(MAX_IDLE_TIME, |until_due| until_due.min(MAX_IDLE_TIME));
    tokio::select! {
        goes_on = service.rest(time) => goes_on,
        () = service.waiting.notified() => true,
    }
}

/// Logs and counts what was done, and wakes the relay.
fn report(service: &Service, refreshed: Refreshed) {
    match refreshed {
        Refreshed::Replaced { wallet, changes, failed_before, left_out, is_news, is_late } => {
            service.health.has("database");
            service.health.count("refreshed", 1);
            service.health.count("byFallback", u64::from(failed_before > 0));
            service.health.count("late", u64::from(is_late));
            service.health.count("changes", changes.len() as u64);
            if has_event_line(&wallet.to_string()) {
                tracing::info!(event = "wallet.refreshed", %wallet, changes = changes.len(), "wallet refreshed");
            }
            if let Some(LeftOut { rows, reason }) = left_out {
                service.health.count("leftOut", u64::from(rows));
                tracing::debug!(event = "wallet.incomplete", %wallet, rows, reason, "balances left out");
            }
            if is_news {
                service.written.notify_one();
            }
        }
        Refreshed::Lost(wallet) => {
            service.health.count("superseded", 1);
            tracing::debug!(event = "wallet.superseded", %wallet, "the lease ran out and another worker has the wallet; this snapshot is dropped");
        }
        Refreshed::GivenUp { wallet, error } => {
            service.health.count("givenUp", 1);
            tracing::warn!(
                event = "wallet.given-up", %wallet, error = &error as &(dyn Error + 'static),
                "wallet given up until it trades again"
            );
        }
        Refreshed::Postponed { wallet, wait_ms, error } => {
            service.health.count("postponed", 1);
            tracing::debug!(
                event = "wallet.postponed", %wallet, wait_ms, error = &error as &(dyn Error + 'static),
                "refresh postponed"
            );
        }
        Refreshed::Late { wallet, wait_ms } => {
            tracing::debug!(event = "wallet.late", %wallet, wait_ms, "not asked again yet: the network is in trouble, or its heights do not move");
        }
        Refreshed::Idle { .. } => {}
    }
}
