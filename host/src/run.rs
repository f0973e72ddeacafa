//! The command `run`: follows the chains of the catalog together with the other instances, until the process is to
//! stop.

use crate::assignment;
use crate::catalog::Keeper;
use crate::plugin::Engine;
use crate::settings::Settings;
use anyhow::Context;
use environment::{Backoff, Shutdown, Strings, retry};
use std::collections::HashMap;
use std::time::Duration;
use tape::{Detector, Unavailable};
use tape_log::{Log, topics};
use wire::v1::progress;

/// Follows every chain of the chain files, as they come, change and go.
pub async fn run(settings: Settings, strings: &impl Strings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    environment::install_crypto();
    settings.check_folders()?;
    let engine = Engine::new(settings.scans)?;
    let Some(in_force) = wait_for_log(&log, &shutdown).await else { return Ok(()) };
    let (catalog, mut keeper) = Keeper::open(&engine, &settings, strings, in_force).await?;
    let (inbox, command) = (log.clone(), settings.command.clone());
    tokio::select! {
        held = assignment::hold_assigned(engine, log, catalog, command, shutdown) => held.context("share the chains"),
        () = tape_log::inbox::follow(&inbox) => Ok(()),
        () = async { keeper.keep_current(strings).await } => Ok(()),
    }
}

/// Waits until the log can be reached; returns the code that wrote each chain last, or none when the process is to
/// stop.
async fn wait_for_log(log: &Log, shutdown: &Shutdown) -> Option<HashMap<String, Detector>> {
    let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let open = async || {
        log.own(topics::OF_INGESTOR).await?;
        code_in_force(log).await
    };
    let opened = retry(backoff, open, |unavailable: &Unavailable, _| {
        tracing::warn!(
            event = "log.waiting", error = %unavailable, cause = %unavailable.source,
            "the ingestor waits for the log"
        );
    });
    shutdown.or_stop(opened).await
}

/// The code that wrote each chain last, by the chain's id.
async fn code_in_force(log: &Log) -> Result<HashMap<String, Detector>, Unavailable> {
    let mut in_force = HashMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        if let Some(value) = record.value
            && let Ok(progressed) = progress::decode(&value)
        {
            let progress::Generation { plugin, version, digest } = progressed.known_code().clone();
            // A chain that was never followed has no code in force.
            if !digest.is_empty() {
                in_force.insert(progressed.chain, Detector { plugin, version, digest });
            }
        }
    }
    Ok(in_force)
}
