//! Refreshes wallets in the queue, one at a time per worker.

use crate::service::{Service, SystemClock, retry_backoff};
use environment::Backoff;
use portfolio_domain::{Clock, LeftOut, Provider, ProviderError, Refreshed, refresh_next};
use std::error::Error;
use std::time::Duration;

/// How often a worker looks at the queue at least: another process may have filled it.
const MAX_IDLE_TIME: Duration = Duration::from_secs(1);
/// How long a worker rests when a provider refuses our key.
const REST_AFTER_DENIED: Duration = Duration::from_secs(30);

/// Refreshes wallets until a shutdown is requested; a refresh that has begun is finished first.
pub(crate) async fn refresh_wallets(service: &Service, providers: &[impl Provider]) {
    let mut backoff = retry_backoff();
    while !service.shutdown.requested() {
        let goes_on = match refresh_next(&service.store, providers, &service.rules, &SystemClock).await {
            Ok(Refreshed::Idle { next_due }) => wait_for_work(service, next_due).await,
            Ok(Refreshed::Postponed { wallet, wait_ms, error }) => {
                service.health.count("postponed", 1);
                tracing::debug!(%wallet, wait_ms, error = &error as &(dyn Error + 'static), "refresh postponed");
                rest_after_failure(service, error, &mut backoff).await
            }
            Ok(refreshed) => {
                backoff.reset();
                report(service, refreshed);
                true
            }
            Err(error) => service.failed(&error, &mut backoff).await,
        };
        if !goes_on {
            return;
        }
    }
}

/// Rests where the provider refuses or fails whichever wallet it is asked for. False when a shutdown is requested.
async fn rest_after_failure(service: &Service, error: ProviderError, backoff: &mut Backoff) -> bool {
    match error {
        ProviderError::Denied(reason) => {
            if service.health.waits_for("provider") {
                tracing::error!(
                    reason,
                    "the provider refuses our key; no wallet is refreshed until the key is changed"
                );
            }
            service.rest(REST_AFTER_DENIED).await
        }
        ProviderError::Unavailable(error) => {
            if service.health.waits_for("provider") {
                tracing::warn!(error = &error as &(dyn Error + 'static), "the provider is unavailable; retrying");
            }
            service.rest(backoff.next()).await
        }
        _ => true,
    }
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
        Refreshed::Replaced { wallet, changes, failed_before, left_out, is_news } => {
            service.health.has("database");
            service.health.has("provider");
            service.health.count("refreshed", 1);
            service.health.count("byFallback", u64::from(failed_before > 0));
            service.health.count("changes", changes.len() as u64);
            tracing::debug!(event = "portfolio.refreshed", %wallet, changes = changes.len(), "wallet refreshed");
            if let Some(LeftOut { rows, reason }) = left_out {
                service.health.count("leftOut", u64::from(rows));
                tracing::debug!(event = "portfolio.incomplete", %wallet, rows, reason, "balances left out");
            }
            if is_news {
                service.written.notify_one();
            }
        }
        Refreshed::Lost(wallet) => {
            service.health.count("superseded", 1);
            tracing::debug!(%wallet, "the lease ran out and another worker has the wallet; this snapshot is dropped");
        }
        Refreshed::GivenUp { wallet, error } => {
            service.health.count("givenUp", 1);
            tracing::warn!(%wallet, error = &error as &(dyn Error + 'static), "wallet given up until it trades again");
        }
        Refreshed::Idle { .. } | Refreshed::Postponed { .. } => {}
    }
}
