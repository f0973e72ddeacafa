//! `run`: share every chain of the catalog with the other instances, as chains come, change and go, until the process is to
//! stop.

use crate::assignment;
use crate::catalog::Keeper;
use crate::chainfile::{self, ChainFile, Variables};
use crate::plugin::{Admitted, Engine};
use crate::settings::Settings;
use anyhow::Context;
use environment::{Backoff, ConfigError, Shutdown, Strings, retry};
use std::collections::HashMap;
use std::time::Duration;
use tape::{Detector, Unavailable};
use tape_log::{Log, topics};
use wire::v1::progress;

/// Follows every chain of the chain files, as they come, change and go.
pub async fn run(settings: Settings, strings: &impl Strings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    environment::install_crypto();
    let engine = Engine::new(settings.scans)?;
    let opening = async || {
        log.own(topics::OF_INGESTOR).await?;
        in_force(&log).await
    };
    let opened = retry(
        Backoff::new(Duration::from_millis(200), Duration::from_secs(10)),
        opening,
        |unavailable: &Unavailable, _| {
            tracing::warn!(error = %unavailable, cause = %unavailable.source, "the ingestor waits for the log");
        },
    );
    let Some(in_force) = shutdown.or_stop(opened).await else { return Ok(()) };
    let (catalog, mut keeper) = Keeper::open(&engine, &settings, strings, in_force).await?;
    tokio::select! {
        shared = assignment::hold(engine, log, catalog, shutdown) => shared.context("share the chains"),
        () = async { keeper.keep(strings).await } => Ok(()),
    }
}

/// The code that wrote each chain last.
async fn in_force(log: &Log) -> Result<HashMap<String, Detector>, Unavailable> {
    let mut known = HashMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        if let Some(value) = record.value
            && let Ok(said) = progress::decode(&value)
        {
            let progress::Generation { plugin, version, digest } = said.detector;
            known.insert(said.chain, Detector { plugin, version, digest });
        }
    }
    Ok(known)
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
