//! The whole line in one process: the services as their binaries run them, on a log and a database of the caller's
//! choice, with chain files written for the occasion.

use anyhow::Context;
use environment::{Problems, Shutdown};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tape_log::{Log, Target};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a line runs on.
pub struct Ground {
    /// The log.
    pub target: Target,
    /// `postgres://…` or `sqlite:DIRECTORY`.
    pub database: String,
    /// Chain files, one text each.
    pub chains: Vec<String>,
}

/// A running line. Dropping it stops the services.
pub struct Line {
    /// Where the api listens.
    pub api: SocketAddr,
    /// The log, for tests to read.
    pub log: Log,
    shutdown: Shutdown,
    services: JoinSet<anyhow::Result<()>>,
    _chains: tempfile::TempDir,
}

/// The folder of built plugins; `cargo xtask plugins` fills it.
pub fn plugins_dir() -> anyhow::Result<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/plugins");
    let folder = std::env::var_os("CHAINTAPE_PLUGINS").map_or(default, PathBuf::from);
    let listed = std::fs::read_dir(&folder).with_context(|| format!("no plugins in {}", folder.display()))?;
    let any = listed.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"));
    anyhow::ensure!(any, "no plugins in {}: run `cargo xtask plugins`", folder.display());
    Ok(folder)
}

impl Line {
    /// Starts all four services.
    pub async fn start(ground: &Ground) -> anyhow::Result<Self> {
        environment::install_crypto();
        let chains = tempfile::tempdir()?;
        for (number, text) in ground.chains.iter().enumerate() {
            std::fs::write(chains.path().join(format!("{number}.toml")), text)?;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let api = listener.local_addr()?;
        let strings: HashMap<String, String> = [
            ("PLUGINS_DIR", plugins_dir()?.display().to_string()),
            ("CHAINS_DIR", chains.path().display().to_string()),
            ("DATABASE_URL", ground.database.clone()),
            ("PORTFOLIO_PROVIDERS", "mock".to_owned()),
            ("PORTFOLIO_TRACK", "all".to_owned()),
            ("API_RATE_PER_SECOND", "0".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let mut problems = Problems::default();
        let ingest = chain_ingestor::Settings::read(&strings, &mut problems);
        let metrics = metrics::Settings::read(&strings, &mut problems);
        let portfolio = portfolio::Settings::read(&strings, &mut problems);
        let reads = api::Settings::read(&strings, &mut problems);
        problems.finish()?;
        let log = Log::open(&ground.target).await?;
        let shutdown = Shutdown::default();
        let mut services = JoinSet::new();
        services.spawn(api::serve(listener, reads, log.clone(), shutdown.clone()));
        services.spawn(metrics::run(metrics, log.clone(), shutdown.clone()));
        services.spawn(portfolio::run(portfolio, log.clone(), shutdown.clone()));
        let (stop, ingest_log) = (shutdown.clone(), log.clone());
        services.spawn(async move { chain_ingestor::run(ingest, &strings, ingest_log, stop).await });
        Ok(Self { api, log, shutdown, services, _chains: chains })
    }

    /// Stops the services and says whether each ended well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.trigger();
        while let Some(ended) = self.services.join_next().await {
            ended??;
        }
        Ok(())
    }
}
