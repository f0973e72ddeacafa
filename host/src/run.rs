//! `run`: follow every chain of the catalog, as chains come, change and go, until the process is to stop.

use crate::catalog::{Catalog, Entry, Keeper};
use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine};
use crate::settings::Settings;
use crate::source::{Evidence, Source};
use crate::tape::LogTape;
use anyhow::Context;
use environment::{ConfigError, Shutdown, Strings};
use ingest_domain::follow::Witness;
use ingest_domain::{Clock, End, Plan, follow};
use std::collections::HashMap;
use std::time::Duration;
use tape::{Detector, Unavailable};
use tape_log::{Log, topics};
use tokio::task::JoinSet;
use wire::v1::progress;

/// Changes in one step: with their journal entries they stay below 16 MiB and 10,000 records.
const STEP_CHANGES: usize = 4_000;

/// Follows every chain of the chain files, as they come, change and go.
pub async fn run(settings: Settings, strings: &impl Strings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    environment::install_crypto();
    let engine = Engine::new(settings.scans)?;
    let mut backoff = environment::Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let in_force = loop {
        let known = match log.own(topics::OF_INGESTOR).await {
            Ok(()) => in_force(&log).await,
            Err(unavailable) => Err(unavailable),
        };
        let unavailable = match known {
            Ok(known) => break known,
            Err(unavailable) => unavailable,
        };
        if shutdown.requested() {
            return Ok(());
        }
        let wait = backoff.next();
        tracing::warn!(error = %unavailable, cause = %unavailable.source, "the ingestor waits for the log");
        tokio::time::sleep(wait).await;
    };
    let (catalog, mut keeper) = Keeper::open(&engine, &settings, strings, in_force).await?;
    let supervisor = Supervisor { engine, catalog, log, shutdown: shutdown.clone() };
    tokio::select! {
        followed = supervisor.follow_all() => followed,
        () = async { keeper.keep(strings).await } => Ok(()),
    }
}

/// The code that wrote each chain last.
async fn in_force(log: &Log) -> Result<HashMap<String, Detector>, Unavailable> {
    let mut known = HashMap::new();
    for record in log.read_all(&topics::PROGRESS.share(0)).await? {
        if let Some(value) = record.value
            && let Ok(said) = progress::decode(&value)
        {
            let progress::Generation { plugin, version, digest } = said.detector;
            known.insert(said.chain, Detector { plugin, version, digest });
        }
    }
    Ok(known)
}

/// Starts the chains that appear and stops those that go.
struct Supervisor {
    engine: Engine,
    catalog: Catalog,
    log: Log,
    shutdown: Shutdown,
}

impl Supervisor {
    async fn follow_all(&self) -> anyhow::Result<()> {
        let mut listing = self.catalog.listing();
        let mut running: HashMap<String, Shutdown> = HashMap::new();
        let mut following: JoinSet<String> = JoinSet::new();
        while !self.shutdown.requested() {
            let listed = listing.borrow_and_update().clone();
            for (id, stop) in &running {
                if !listed.contains_key(id) {
                    stop.trigger();
                }
            }
            for (id, entry) in listed.iter().filter(|(id, _)| !running.contains_key(*id)).collect::<Vec<_>>() {
                let stop = Shutdown::default();
                running.insert(id.clone(), stop.clone());
                following.spawn(self.follow_one(id.clone(), entry, stop));
            }
            tokio::select! {
                changed = listing.changed() => changed.context("follow the catalog")?,
                Some(ended) = following.join_next() => {
                    running.remove(&ended.context("follow a chain")?);
                }
                () = self.shutdown.wait() => {}
            }
        }
        for stop in running.values() {
            stop.trigger();
        }
        while let Some(ended) = following.join_next().await {
            ended.context("follow a chain")?;
        }
        Ok(())
    }

    /// Follows one chain until it is taken away; parked, it waits until its entry changes.
    fn follow_one(&self, id: String, entry: &Entry, stop: Shutdown) -> impl Future<Output = String> + Send + 'static {
        let subscription = self.catalog.subscribe(&id);
        let evidence = Evidence::on(self.log.clone());
        let mut source = Source::new(&self.engine, subscription.clone(), evidence);
        let tape = LogTape::following(self.log.clone(), source.in_force());
        let mut generation = entry.generation;
        async move {
            while let Some(entry) = subscription.current().filter(|_| !stop.requested()) {
                generation = entry.generation.max(generation);
                let (plan, world) = (plan(&entry.file), World(stop.clone()));
                tracing::info!(chain.id = id, plugin.version = entry.detector.version, generation, "following");
                match follow(&mut source, &tape, &world, &Journalist, &plan).await {
                    End::Stopped => tracing::info!(chain.id = id, "stopped"),
                    End::Parked(why) => {
                        tracing::error!(chain.id = id, %why, "chain parked");
                        tokio::select! {
                            () = subscription.changed(entry.generation) => {}
                            () = stop.wait() => {}
                        }
                    }
                    End::Lost => {
                        tracing::error!(chain.id = id, "another instance has taken the chain; this one lets go");
                        stop.wait().await;
                    }
                }
            }
            id
        }
    }
}

/// The chain files, or all that is wrong with them.
pub fn read_chains(settings: &Settings, strings: &impl Strings) -> Result<Vec<ChainFile>, ConfigError> {
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    chainfile::read_folder(&settings.chains, &variables).map_err(ConfigError)
}

/// The plugin of that id with the highest version.
pub fn newest<'a>(plugins: &'a [Admitted], id: &str) -> Option<&'a Admitted> {
    plugins.iter().filter(|plugin| plugin.detector.plugin == id).max_by_key(|plugin| &plugin.version)
}

/// How a chain file is followed.
fn plan(chain: &ChainFile) -> Plan {
    Plan {
        chain: chain.id.clone(),
        beginning: chain.start,
        span: chain.limits.span,
        poll_ms: chain.poll_ms,
        step_changes: STEP_CHANGES,
    }
}

/// The machine's clock and the process's wish to stop.
struct World(Shutdown);

impl Clock for World {
    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    async fn pause(&self, ms: u64) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.0.wait() => {}
        }
    }

    fn stopping(&self) -> bool {
        self.0.requested()
    }
}

/// Logs what is waited out.
struct Journalist;

impl Witness for Journalist {
    fn waits(&self, chain: &str, why: &str, ms: u64) {
        tracing::warn!(chain.id = chain, why, again_ms = ms, "the chain waits");
    }

    fn reorged(&self, chain: &str, ancestor: u64, blocks: usize) {
        tracing::info!(chain.id = chain, block.height = ancestor, blocks, "left a branch");
    }
}
