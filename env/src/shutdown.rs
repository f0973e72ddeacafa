//! The request to stop the process, shared by everything that must end with it.

use std::future::Future;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the process shall stop. Clones share the request; it cannot be taken back.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Shutdown {
    /// Requested by SIGINT or SIGTERM; the second signal ends the process at once. Needs a tokio runtime.
    pub fn on_signals() -> Self {
        let shutdown = Self::default();
        let requested = shutdown.clone();
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::spawn(async move {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                    tracing::info!(event = "process.stopping", "stopping; a second signal stops at once");
                    requested.trigger();
                    let code = tokio::select! { _ = interrupt.recv() => 130, _ = terminate.recv() => 143 };
                    std::process::exit(code);
                });
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(event = "process.signals.unheard", %error, "cannot listen for SIGINT and SIGTERM");
            }
        }
        shutdown
    }

    /// Whether the process shall stop.
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the process shall stop; at once if it shall already.
    pub async fn wait(&self) {
        // The sender lives in `self`, so the channel cannot close while waiting.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }

    /// What `work` comes to; none when the process shall stop before that, and the work is dropped where it stands.
    pub async fn or_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.wait() => None,
            done = work => Some(done),
        }
    }

    /// Requests it.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;

    #[tokio::test]
    async fn a_request_is_seen_before_and_after() {
        let shutdown = Shutdown::default();
        let other = shutdown.clone();
        let waiting = tokio::spawn(async move { other.wait().await });
        assert!(!shutdown.requested());
        shutdown.trigger();
        waiting.await.unwrap();
        shutdown.wait().await;
        assert!(shutdown.requested());
    }
}
