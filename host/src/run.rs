//! `run`: admit the plugins, read the chain files, share their chains with the other instances until the process is to stop.

use crate::catalog::{Entry, Listing, Standing};
use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine, admit_folder};
use crate::settings::Settings;
use crate::shares;
use anyhow::Context;
use environment::{ConfigError, Shutdown, Strings};
use std::sync::Arc;
use std::time::Duration;
use tape_log::{Log, topics};
use tokio::sync::watch;

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
    let entry = |chain: ChainFile| {
        let standing = newest(&plugins, &chain.plugin).map_or_else(
            || Standing::Parked(format!("no plugin `{}` in PLUGINS_DIR", chain.plugin)),
            |plugin| Standing::InUse(plugin.clone()),
        );
        (chain.id.clone(), Entry { file: Arc::new(chain), standing })
    };
    let listing: Listing = Arc::new(chains.into_iter().map(entry).collect());
    let (_unchanging, listing) = watch::channel(listing);
    shares::share(engine, log, listing, shutdown).await.context("share the chains")
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
