//! An ingestor in this process that follows one chain onto a log, for tests of the inbound side.

use crate::line::plugins_dir;
use anyhow::{Context, ensure};
use environment::{Problems, Shutdown};
use std::collections::HashMap;
use std::time::Duration;
use tape_log::{Log, topics};
use tokio::task::JoinHandle;

/// How long a height may take to be published.
const PUBLISH_TIMEOUT: Duration = Duration::from_mins(2);

/// A running ingestor.
pub struct Ingest {
    /// The log it writes to.
    pub log: Log,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
    _chains: tempfile::TempDir,
}

impl Ingest {
    /// Starts it on a log, with this chain file.
    pub fn start(log: &Log, chain: &str) -> anyhow::Result<Self> {
        environment::install_crypto();
        let chains = tempfile::tempdir()?;
        std::fs::write(chains.path().join("chain.toml"), chain)?;
        let strings: HashMap<String, String> = [
            ("PLUGINS_DIR".to_owned(), plugins_dir()?.display().to_string()),
            ("CHAINS_DIR".to_owned(), chains.path().display().to_string()),
        ]
        .into();
        let mut problems = Problems::default();
        let settings = chain_ingestor::Settings::read(&strings, &mut problems);
        problems.finish()?;
        let (shutdown, running_log) = (Shutdown::default(), log.clone());
        let stop = shutdown.clone();
        let running = tokio::spawn(async move { chain_ingestor::run(settings, &strings, running_log, stop).await });
        Ok(Self { log: log.clone(), shutdown, running, _chains: chains })
    }

    /// The height of the newest block on the tape.
    pub async fn published(&self) -> anyhow::Result<u64> {
        let records = self.log.read_all(&topics::PROGRESS.partition(0)).await?;
        let newest = records.last().and_then(|record| record.value.as_deref());
        let progress = newest.map(wire::v1::progress::decode).transpose()?;
        Ok(progress.and_then(|progress| progress.published).map_or(0, |block| block.height))
    }

    /// Waits until a height is on the tape.
    pub async fn until(&self, height: u64) -> anyhow::Result<()> {
        self.until_within(height, PUBLISH_TIMEOUT).await
    }

    /// The same with a timeout of the caller's choice.
    pub async fn until_within(&self, height: u64, timeout: Duration) -> anyhow::Result<()> {
        let there = async {
            while self.published().await? < height {
                ensure!(!self.running.is_finished(), "the ingestor has ended");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let late = || format!("height {height} is not on the tape within {timeout:?}");
        tokio::time::timeout(timeout, there).await.with_context(late)?
    }

    /// Stops it.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.trigger();
        self.running.await.context("join the ingestor")?
    }
}
