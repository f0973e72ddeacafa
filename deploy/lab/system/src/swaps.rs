//! A mock chain under load whose plugin is replaced again and again while the ingestor runs, and the count of what was
//! lost or doubled on the tape.

pub use guests::marked;

use crate::line::plugins_dir;
use crate::progress::Progress;
use anyhow::Context as _;
use chain_ingestor::catalog::Subscription;
use chain_ingestor::chainfile::{self, Variables};
use chain_ingestor::plugin::{Engine, Gate, admit};
use chain_ingestor::source::{FailureLog, Source};
use chain_ingestor::status::{self, FileStatus};
use environment::{Problems, Shutdown};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape_log::{Log, Target, topics};
use wire::v1::{progress, trade};

/// What the chain does: a block every 100 ms with 100 trades, and a branch that is left every 20 blocks.
const SETTINGS: &str = "block-ms = 100\ntrades-per-block = 100\nreorg-every = 20\nreorg-depth = 2\nfinality = 16\n";
/// How long one swap may take.
const SWAP_TIMEOUT: Duration = Duration::from_mins(1);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// From admitted to in use, each swap.
    pub admitted_to_use: Vec<Duration>,
    /// From the rename to in use, each swap.
    pub dropped_to_use: Vec<Duration>,
    /// Trades that stand on the tape below the final height.
    pub trades: usize,
    /// Trades that the chain has and the tape has not.
    pub lost: usize,
    /// Trades that the tape has twice, or that the chain has not.
    pub doubled: usize,
    /// Trades by the digest of the plugin that detected them: how many plugins had a part.
    pub detectors: usize,
}

/// Swaps the plugin so many times and counts.
pub async fn swap(times: u8, target: &Target) -> anyhow::Result<Counted> {
    let ground = Folders::lay_out()?;
    let epoch = environment::now_ms().saturating_sub(5_000);
    let chain = format!(
        "id = \"mock\"\nplugin = \"mock\"\nstart = 0\npoll_ms = 20\n[policy]\nshadow_blocks = 4\n\
         [settings]\nepoch-ms = {epoch}\n{SETTINGS}"
    );
    ground.drop_chain("mock.toml", &chain)?;
    let log = Log::open(target).await?;
    log.own(topics::OF_INGESTOR).await?;
    let (running, progress) = (ground.start(&log)?, Progress::follow(&log));
    let mut counted = Counted::default();
    until_in_use(&progress, &ground.digest(None)).await?;
    for mark in 0..times {
        let digest = ground.digest(Some(mark));
        let dropped = Instant::now();
        ground.drop_marked(mark)?;
        let admitted = ground.until_admitted(&digest).await?;
        until_in_use(&progress, &digest).await?;
        counted.admitted_to_use.push(admitted.elapsed());
        counted.dropped_to_use.push(dropped.elapsed());
    }
    // What the last plugin does is to be seen on the tape too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await?;
    ground.count(&log, &mut counted).await?;
    Ok(counted)
}

/// The folders that an ingestor watches, with the mock plugin in one of them.
pub struct Folders {
    folder: tempfile::TempDir,
    component: Vec<u8>,
    strings: HashMap<String, String>,
}

/// An ingestor that runs.
pub struct Running {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Stops it and says whether it ended well.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.trigger();
        self.task.await?
    }
}

impl Folders {
    /// Lays them out.
    pub fn lay_out() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["plugins", "chains"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        let component = std::fs::read(component("mock")?)?;
        std::fs::write(folder.path().join("plugins/mock.wasm"), &component)?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let strings =
            [("PLUGINS_DIR", path("plugins")), ("CHAINS_DIR", path("chains")), ("INSTANCE", "swap".to_owned())];
        let strings = strings.map(|(key, value)| (key.to_owned(), value)).into();
        Ok(Self { folder, component, strings })
    }

    /// Starts an ingestor on them.
    pub fn start(&self, log: &Log) -> anyhow::Result<Running> {
        let mut problems = Problems::default();
        let settings = chain_ingestor::Settings::read(&self.strings, &mut problems);
        problems.finish()?;
        let (strings, log, shutdown) = (self.strings.clone(), log.clone(), Shutdown::default());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { chain_ingestor::run(settings, &strings, log, stop).await });
        Ok(Running { shutdown, task })
    }

    /// Drops a chain file.
    pub fn drop_chain(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.drop_in("chains", name, text.as_bytes())
    }

    /// Takes a chain file away.
    pub fn take_chain(&self, name: &str) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.folder.path().join("chains").join(name))?)
    }

    /// Drops a component.
    pub fn drop_plugin(&self, name: &str, component: &[u8]) -> anyhow::Result<()> {
        self.drop_in("plugins", name, component)
    }

    fn drop_in(&self, folder: &str, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let folder = self.folder.path().join(folder);
        let unfinished = folder.join(format!("{name}.new"));
        std::fs::write(&unfinished, bytes)?;
        Ok(std::fs::rename(unfinished, folder.join(name))?)
    }

    fn marked(&self, mark: Option<u8>) -> Vec<u8> {
        mark.map_or_else(|| self.component.clone(), |mark| marked(&self.component, mark))
    }

    fn digest(&self, mark: Option<u8>) -> String {
        use sha2::{Digest, Sha256};
        format!("sha256:{}", hex::encode(Sha256::digest(self.marked(mark))))
    }

    fn drop_marked(&self, mark: u8) -> anyhow::Result<()> {
        self.drop_in("plugins", "mock.wasm", &self.marked(Some(mark)))
    }

    /// Waits until the status file beside the plugin says that this one is admitted; when it did.
    async fn until_admitted(&self, digest: &str) -> anyhow::Result<Instant> {
        let path = status::status_path(&self.folder.path().join("plugins/mock.wasm"), "swap");
        until(async || {
            let said: Option<FileStatus> =
                std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let there = said.is_some_and(|said| said.digest.as_deref() == Some(digest));
            Ok(there.then(Instant::now))
        })
        .await
        .context("the plugin was not admitted")
    }

    /// Folds the tape and compares it with the chain.
    async fn count(&self, log: &Log, counted: &mut Counted) -> anyhow::Result<()> {
        let progress = newest(log).await?.context("no progress")?;
        let last = progress.finalized.context("nothing is final")?.height;
        let (mut live, mut detectors) = (BTreeMap::new(), BTreeSet::new());
        for (partition, _) in log.ends(&topics::TRADES).await? {
            for record in log.read_all(&partition).await? {
                let event = trade::decode(&record.value.context("a trade is no tombstone")?)?;
                let id = event.trade.id();
                let was = match event.status {
                    tape::Status::Reverted => live.remove(&id),
                    _ => live.insert(id, event.trade.block.id.height),
                };
                counted.doubled += usize::from(was.is_some() != (event.status == tape::Status::Reverted));
                detectors.insert(event.trade.detector.digest.clone());
            }
        }
        let present: BTreeSet<String> = live.into_iter().filter(|(_, at)| *at <= last).map(|(id, _)| id).collect();
        let expected = self.expected(last).await?;
        counted.lost = expected.difference(&present).count();
        counted.doubled += present.difference(&expected).count();
        (counted.trades, counted.detectors) = (present.len(), detectors.len());
        Ok(())
    }

    /// What the chain holds up to a height.
    async fn expected(&self, last: u64) -> anyhow::Result<BTreeSet<String>> {
        use ingest_domain::ChainReader as _;
        let engine = Engine::new(1)?;
        let plugin = admit(&engine, &Gate::default(), &self.folder.path().join("plugins/mock.wasm")).await?;
        let variables = Variables { strings: &self.strings, secrets: None };
        let file = chainfile::read(&self.folder.path().join("chains/mock.toml"), &variables);
        let file = Arc::new(file.map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?);
        let mut source = Source::new(&engine, Subscription::fixed(file, plugin), FailureLog::default());
        source.head().await?;
        let (mut expected, mut next) = (BTreeSet::new(), 0);
        while next <= last {
            let scanned = source.scan(next, last.min(next + 15), None).await?;
            expected.extend(scanned.blocks.iter().flat_map(|block| &block.trades).map(tape::Trade::id));
            next = scanned.through + 1;
        }
        Ok(expected)
    }
}

/// A built plugin, by its name.
pub fn component(name: &str) -> anyhow::Result<PathBuf> {
    let folder = plugins_dir()?;
    let is_it = |path: &Path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with(&format!("{name}-")) && path.extension().is_some_and(|kind| kind == "wasm")
    };
    let found = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).find(|path| is_it(path));
    found.with_context(|| format!("no {name} in {}: run `cargo xtask plugins`", folder.display()))
}

/// Waits until progress names this plugin.
async fn until_in_use(progress: &Progress, digest: &str) -> anyhow::Result<()> {
    let in_use = progress.until(SWAP_TIMEOUT, |progress| progress.detector.digest == digest).await;
    in_use.map(drop).context("the plugin was not taken over")
}

/// What stands last on the log of the chain's progress.
async fn newest(log: &Log) -> anyhow::Result<Option<progress::ChainProgressed>> {
    let records = log.read_all(&topics::PROGRESS.partition(0)).await?;
    let value = records.into_iter().rev().find_map(|record| record.value);
    Ok(value.map(|value| progress::decode(&value)).transpose()?)
}

/// Looks every few milliseconds until there is something.
async fn until<T>(mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let looked = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SWAP_TIMEOUT, looked).await.context("nothing within a minute")?
}
