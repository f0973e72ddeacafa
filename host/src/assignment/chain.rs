//! Follows one chain of a held partition, or parks a chain that no chain file names.

use super::outside::{LogObserver, SystemClock};
use super::partition::Instance;
use crate::chainfile::ChainFile;
use crate::in_force::{Entry, InForce};
use crate::source::{FailureLog, Source};
use crate::tape::{Hold, LogTape};
use crate::wake;
use environment::{Backoff, Shutdown};
use ingest_domain::{Clock, End, Plan, RequestKind, follow, park};
use std::sync::Arc;
use std::time::Duration;
use tape::Detector;

/// Changes in one step: with their journal entries they stay below 10,000 records.
const MAX_STEP_CHANGES: usize = 4_000;
/// Estimated bytes of the changes in one step: with their journal entries they stay below 16 MiB.
const MAX_STEP_BYTES: usize = 6 << 20;

impl Instance {
    /// Follows one chain until it is taken away; parked, it waits until its entry changes or a rewind is requested,
    /// which may cure it.
    pub(super) async fn follow_chain(&self, hold: Arc<Hold>, id: String, stop: Shutdown) -> String {
        let subscription = self.catalog.subscribe(&id);
        let mut source = Source::new(&self.engine, subscription.clone(), FailureLog::on(self.log.clone()));
        let tape = LogTape::new(hold, source.in_force());
        let clock = SystemClock { stop: stop.clone(), wake: Arc::default() };
        let waking = wake::listen(self.engine.clone(), subscription.clone(), Arc::clone(&clock.wake));
        let _waking = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(waking));
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
        let observer = LogObserver::default();
        while let Some(entry) = subscription.current().filter(|_| !stop.requested()) {
            let generation = entry.generation;
            tracing::info!(chain.id = id, plugin.version = entry.detector.version, generation, "following");
            match follow(&mut source, &tape, &clock, &observer, &plan(&entry.file)).await {
                End::Stopped => tracing::info!(chain.id = id, "stopped"),
                End::Parked(why) => {
                    tracing::error!(chain.id = id, %why, "chain parked");
                    tokio::select! {
                        () = subscription.changed(generation) => {}
                        () = self.rewind_requested(&id) => {}
                        () = stop.wait() => {}
                    }
                }
                End::Lost => {
                    let again = backoff.next();
                    tracing::warn!(
                        chain.id = id,
                        again_ms = again.as_millis(),
                        "fenced: another writer took the chain"
                    );
                    clock.pause(u64::try_from(again.as_millis()).unwrap_or(u64::MAX)).await;
                }
            }
        }
        id
    }

    /// Waits until a rewind is requested.
    async fn rewind_requested(&self, chain: &str) {
        let mut changes = self.requests.changes();
        let is_rewind = |kind: RequestKind| matches!(kind, RequestKind::Rewind { .. });
        while !self.requests.of_chain(chain).iter().any(|request| is_rewind(request.kind)) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Parks a chain of the journal that no chain file names.
    pub(super) async fn park_unlisted(&self, hold: &Arc<Hold>, chain: String) -> String {
        let why =
            "no file in CHAINS_DIR of the instance that holds the chain names it; put it there, or leave it parked";
        tracing::warn!(chain.id = chain, why, "chain parked");
        let code = Detector { plugin: "none".to_owned(), version: "0".to_owned(), digest: String::new() };
        let entry = Entry::parked(Arc::default(), code, why);
        let tape = LogTape::new(Arc::clone(hold), InForce::new(entry));
        if let Err(failed) = park(&tape, &chain, why).await {
            tracing::warn!(
                chain.id = chain, error = %failed, cause = %failed.source,
                "the progress of a parked chain cannot be published"
            );
        }
        chain
    }
}

/// How a chain file is followed.
fn plan(chain: &ChainFile) -> Plan {
    Plan {
        chain: chain.id.clone(),
        beginning: chain.start,
        span: chain.limits.span,
        poll_ms: chain.poll_ms,
        step_changes: MAX_STEP_CHANGES,
        step_bytes: MAX_STEP_BYTES,
    }
}
