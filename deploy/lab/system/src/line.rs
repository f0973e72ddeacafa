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

/// How one process reaches log and database.
pub struct ProcessAccess {
    /// The log.
    pub target: Target,
    /// `postgres://…` or `sqlite:DIRECTORY`.
    pub database: String,
}

/// What a line runs on.
pub struct Ground {
    /// The log.
    pub target: Target,
    /// `postgres://…` or `sqlite:DIRECTORY`.
    pub database: String,
    /// Chain files, one text each.
    pub chains: Vec<String>,
    /// Processes with a login of their own, by name.
    pub logins: HashMap<&'static str, ProcessAccess>,
}

/// The processes of a line.
pub const PROCESSES: [&str; 4] = [INGESTOR, METRICS, PORTFOLIO, API];
const INGESTOR: &str = "chain-ingestor";
const METRICS: &str = "metrics";
const PORTFOLIO: &str = "portfolio";
const API: &str = "api";

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
        let plugins = plugins_dir()?.display().to_string();
        let strings = |process: &str| -> HashMap<String, String> {
            let own = ground.logins.get(process).map_or(&ground.database, |login| &login.database);
            [
                ("PLUGINS_DIR", plugins.clone()),
                ("CHAINS_DIR", chains.path().display().to_string()),
                ("DATABASE_URL", own.clone()),
                ("PORTFOLIO_PROVIDER", "mock".to_owned()),
                ("PORTFOLIO_TRACK", "all".to_owned()),
                ("API_RATE_PER_SECOND", "0".to_owned()),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
        };
        let of_ingestor = strings(INGESTOR);
        let mut problems = Problems::default();
        let ingest = chain_ingestor::Settings::read(&of_ingestor, &mut problems);
        let metrics = metrics::Settings::read(&strings(METRICS), &mut problems);
        let portfolio = portfolio::Settings::read(&strings(PORTFOLIO), &mut problems);
        let reads = api::Settings::read(&strings(API), &mut problems);
        problems.finish()?;
        let log = Log::open(&ground.target).await?;
        let mut logs = HashMap::new();
        for process in PROCESSES {
            let own = match ground.logins.get(process) {
                Some(login) => Log::open(&login.target).await?,
                None => log.clone(),
            };
            logs.insert(process, own);
        }
        let shutdown = Shutdown::default();
        let mut services = JoinSet::new();
        services.spawn(api::serve(listener, reads, logs[API].clone(), shutdown.clone()));
        services.spawn(metrics::run(metrics, logs[METRICS].clone(), shutdown.clone()));
        services.spawn(portfolio::run(portfolio, logs[PORTFOLIO].clone(), shutdown.clone()));
        let (stop, ingest_log) = (shutdown.clone(), logs[INGESTOR].clone());
        services.spawn(async move { chain_ingestor::run(ingest, &of_ingestor, ingest_log, stop).await });
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
