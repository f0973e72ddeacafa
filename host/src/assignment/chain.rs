//! Follows one chain of a held partition, or parks a chain that no chain file names.

use super::outside::{LogObserver, SystemClock};
use super::partition::Instance;
use crate::chainfile::ChainFile;
use crate::in_force::{Entry, InForce};
use crate::source::{FailureLog, Source};
use crate::tape::{Hold, LogTape};
use crate::wake;
use environment::{Backoff, Shutdown};
use ingest_domain::{Clock, End, Plan, Request, RequestKind, follow, park};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tape::Detector;

/// Changes in one step: with their journal entries they stay below 10,000 records.
const MAX_STEP_CHANGES: usize = 4_000;
/// Estimated bytes of the changes in one step: with their journal entries they stay below 16 MiB.
const MAX_STEP_BYTES: usize = 6 << 20;
/// Time between the first two log lines about a parked chain; each later one is about twice as long.
const FIRST_PARKED_INTERVAL: Duration = Duration::from_mins(1);
/// The longest time between two log lines about a parked chain.
const MAX_PARKED_INTERVAL: Duration = Duration::from_hours(1);

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
            let (generation, known) = (entry.generation, self.request_ids(&id));
            tracing::info!(
                event = "chain.following",
                chain.id = id,
                plugin.version = entry.detector.version,
                generation,
                "following"
            );
            match follow(&mut source, &tape, &clock, &observer, &plan(&entry.file, &self.command)).await {
                End::Stopped => tracing::info!(event = "chain.stopped", chain.id = id, "stopped"),
                End::Parked(why) => {
                    tokio::select! {
                        () = log_parked(&id, &why) => {}
                        () = subscription.changed(generation) => {}
                        () = self.cure_requested(&id, &known) => {}
                        () = stop.wait() => {}
                    }
                }
                End::Lost => {
                    let again = backoff.next();
                    tracing::warn!(
                        event = "chain.fenced",
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

    /// The requests for a chain that are known by now.
    fn request_ids(&self, chain: &str) -> HashSet<String> {
        self.requests.of_chain(chain).into_iter().map(|request| request.id).collect()
    }

    /// Waits for a request that may cure a parked chain; those that were known before it parked did not.
    async fn cure_requested(&self, chain: &str, known: &HashSet<String>) {
        let mut changes = self.requests.changes();
        let is_cure =
            |request: &Request| !known.contains(&request.id) && !matches!(request.kind, RequestKind::Backfill { .. });
        while !self.requests.of_chain(chain).iter().any(is_cure) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Parks a chain of the journal that no chain file names.
    pub(super) async fn park_unlisted(&self, hold: &Arc<Hold>, chain: String) -> String {
        let why =
            "no file in CHAINS_DIR of the instance that holds the chain names it; put it there, or leave it parked";
        tracing::warn!(event = "chain.parked", chain.id = chain, why, "chain parked");
        let code = Detector { plugin: "none".to_owned(), version: "0".to_owned(), digest: String::new() };
        let entry = Entry::parked(Arc::default(), code, why);
        let tape = LogTape::new(Arc::clone(hold), InForce::new(entry));
        if let Err(failed) = park(&tape, &chain, why, environment::now_ms()).await {
            tracing::warn!(
                event = "chain.progress.unpublished", chain.id = chain, error = %failed, cause = %failed.source,
                "the progress of a parked chain cannot be published"
            );
        }
        chain
    }
}

/// Logs that a chain is parked, at once and then at growing intervals, for ever.
async fn log_parked(chain: &str, why: &str) {
    let mut pace = Backoff::new(FIRST_PARKED_INTERVAL, MAX_PARKED_INTERVAL);
    loop {
        tracing::error!(event = "chain.parked", chain.id = chain, %why, "chain parked");
        tokio::time::sleep(pace.next()).await;
    }
}

/// How a chain file is followed.
fn plan(chain: &ChainFile, command: &str) -> Plan {
    Plan {
        chain: chain.id.clone(),
        beginning: chain.start,
        span: chain.limits.span,
        poll_ms: chain.poll_ms,
        step_changes: MAX_STEP_CHANGES,
        step_bytes: MAX_STEP_BYTES,
        command: command.to_owned(),
    }
}
