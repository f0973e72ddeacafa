//! Refreshes wallets that wait, one at a time per worker.

use crate::service::{Machine, Service, backoff};
use portfolio_domain::app::{Refreshed, refresh};
use portfolio_domain::{Clock, Provider, ProviderError};
use std::error::Error;
use std::time::Duration;

/// Longest time between two looks at an empty queue: another process may have filled it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(30);

/// Refreshes until the process shall stop; what is in hand is finished first.
pub(crate) async fn refresh_all(service: &Service, providers: &[impl Provider]) {
    let mut backoff = backoff();
    while !service.shutdown.requested() {
        let go_on = match refresh(&service.store, providers, &service.rules, &Machine).await {
            Ok(Refreshed::Postponed { wallet, wait_ms, why }) => {
                service.vitals.count("postponed", 1);
                tracing::debug!(%wallet, wait_ms, error = &why as &(dyn Error + 'static), "refresh postponed");
                match why {
                    ProviderError::Denied(reason) => {
                        if service.vitals.waits_for("provider") {
                            tracing::error!(reason, "the provider refuses our key; no wallet is refreshed");
                        }
                        service.rest(REFUSED).await
                    }
                    ProviderError::Unavailable(error) => {
                        if service.vitals.waits_for("provider") {
                            tracing::warn!(error = &error as &(dyn Error + 'static), "the provider is out of reach");
                        }
                        service.rest(backoff.next()).await
                    }
                    _ => true,
                }
            }
            Ok(Refreshed::Idle { next_due }) => idle(service, next_due).await,
            Ok(other) => {
                backoff.reset();
                tell(service, other);
                true
            }
            Err(error) => service.failed(&error, &mut backoff).await,
        };
        if !go_on {
            return;
        }
    }
}

/// Waits for something to do. False when the process shall stop.
async fn idle(service: &Service, next_due: Option<u64>) -> bool {
    service.vitals.has("database");
    let until = next_due.map(|at| Duration::from_millis(at.saturating_sub(Machine.now_ms()).max(1)));
    let time = until.map_or(LOOK_AGAIN, |until| until.min(LOOK_AGAIN));
    tokio::select! {
        go_on = service.rest(time) => go_on,
        () = service.waiting.notified() => true,
    }
}

fn tell(service: &Service, refreshed: Refreshed) {
    match refreshed {
        Refreshed::Replaced { wallet, changes, fallbacks } => {
            service.vitals.has("database");
            service.vitals.has("provider");
            service.vitals.count("refreshed", 1);
            service.vitals.count("byFallback", u64::from(fallbacks > 0));
            service.vitals.count("changes", changes.len() as u64);
            tracing::debug!(event = "portfolio.refreshed", %wallet, changes = changes.len(), "wallet refreshed");
            if !changes.is_empty() {
                service.written.notify_one();
            }
        }
        Refreshed::Lost(wallet) => {
            service.vitals.count("superseded", 1);
            tracing::debug!(%wallet, "another worker refreshes the wallet; this answer is dropped");
        }
        Refreshed::GivenUp { wallet, why } => {
            service.vitals.count("givenUp", 1);
            tracing::warn!(%wallet, error = &why as &(dyn Error + 'static), "wallet not refreshed until it trades again");
        }
        Refreshed::Idle { .. } | Refreshed::Postponed { .. } => {}
    }
}
