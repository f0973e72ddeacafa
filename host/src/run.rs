//! `run`: admit the plugins, read the chain files, follow every chain until the process is to stop.

use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine, admit_folder};
use crate::settings::Settings;
use crate::source::Source;
use crate::tape::LogTape;
use anyhow::Context;
use environment::{ConfigError, Shutdown, Strings};
use ingest_domain::follow::Witness;
use ingest_domain::{Clock, End, Plan, follow};
use std::sync::Arc;
use std::time::Duration;
use tape_log::{Log, topics};
use tokio::task::JoinSet;

/// Changes in one step: with their journal entries they stay below 16 MiB and 10,000 records.
const STEP_CHANGES: usize = 4_000;

/// Follows every chain of the chain files.
pub async fn run(settings: Settings, strings: &impl Strings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    environment::install_crypto();
    let chains = read_chains(&settings, strings)?;
    let engine = Engine::new(settings.scans)?;
    let (plugins, refused) = admit_folder(&engine, &settings.plugins)
        .await
        .with_context(|| format!("read PLUGINS_DIR {}", settings.plugins.display()))?;
    for refusal in &refused {
        tracing::error!(%refusal, "plugin refused");
    }
    for plugin in &plugins {
        let detector = &plugin.detector;
        tracing::info!(plugin.id = detector.plugin, plugin.version = detector.version, "plugin admitted");
    }
    let mut backoff = environment::Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while let Err(unavailable) = log.own(topics::OF_INGESTOR).await {
        if shutdown.requested() {
            return Ok(());
        }
        let wait = backoff.next();
        tracing::warn!(error = %unavailable, cause = %unavailable.source, "the ingestor waits for the log");
        tokio::time::sleep(wait).await;
    }
    let mut following = JoinSet::new();
    for chain in chains {
        let Some(plugin) = newest(&plugins, &chain.plugin) else {
            let wanted = &chain.plugin;
            tracing::error!(chain.id = chain.id, plugin.id = wanted, "chain parked: no such plugin in PLUGINS_DIR");
            continue;
        };
        let (engine, plugin, log) = (engine.clone(), plugin.clone(), log.clone());
        following.spawn(follow_one(engine, plugin, Arc::new(chain), log, shutdown.clone()));
    }
    shutdown.wait().await;
    while let Some(ended) = following.join_next().await {
        ended.context("follow a chain")??;
    }
    Ok(())
}

/// The chain files, or all that is wrong with them.
pub fn read_chains(settings: &Settings, strings: &impl Strings) -> Result<Vec<ChainFile>, ConfigError> {
    let variables = Variables { strings, secrets: settings.secrets.as_deref() };
    chainfile::read_folder(&settings.chains, &variables).map_err(ConfigError)
}

/// The plugin of that id with the highest version.
pub fn newest<'a>(plugins: &'a [Admitted], id: &str) -> Option<&'a Admitted> {
    let version = |plugin: &&Admitted| -> Vec<u64> {
        plugin.detector.version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0)).collect()
    };
    plugins.iter().filter(|plugin| plugin.detector.plugin == id).max_by_key(version)
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

async fn follow_one(
    engine: Engine,
    plugin: Admitted,
    chain: Arc<ChainFile>,
    log: Log,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut source = Source::new(&engine, &plugin, &chain).context("make an HTTP client")?;
    let tape = LogTape::new(log, &chain, (*plugin.detector).clone());
    let (plan, world) = (plan(&chain), World(shutdown.clone()));
    tracing::info!(chain.id = chain.id, plugin.version = plugin.detector.version, "following");
    match follow(&mut source, &tape, &world, &Journalist, &plan).await {
        End::Stopped => tracing::info!(chain.id = chain.id, "stopped"),
        End::Parked(why) => tracing::error!(chain.id = chain.id, %why, "chain parked"),
        End::Lost => tracing::error!(chain.id = chain.id, "another instance has taken the chain; this one lets go"),
    }
    Ok(())
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
