//! A chain that cannot be followed is visible and harms no other: a poisoned journal, a missing plugin, a refused file.

use chain_ingestor::{ChainCommand, Settings};
use environment::{Problems, Shutdown};
use guests::hostile::with_trade;
use guests::{Recipe, neighbour_of};
use std::collections::HashMap;
use std::time::Duration;
use tape_log::{Log, Record, Target, topics};
use tokio::task::JoinHandle;
use wire::v1::progress::{self, ChainProgressed, State};

/// How long a test waits for anything.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

pub(super) struct Running {
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(super) fn start(folder: &std::path::Path, log: &Log) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        let strings: HashMap<String, String> =
            ["PLUGINS_DIR", "CHAINS_DIR"].map(str::to_owned).into_iter().zip(["plugins", "chains"].map(path)).collect();
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        problems.finish().unwrap();
        let (log, shutdown) = (log.clone(), Shutdown::default());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { chain_ingestor::run(settings, &strings, log, stop).await });
        Self { shutdown, task }
    }

    pub(super) async fn stop(self) {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap();
    }
}

/// A folder with a plugin `honest` and these chain files.
pub(super) fn folder_with(chains: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plugins", "chains"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let component: Recipe = with_trade("honest", "");
    std::fs::write(folder.path().join("plugins/honest-1.0.0.wasm"), component.build()).unwrap();
    for (name, text) in chains {
        std::fs::write(folder.path().join("chains").join(name), text).unwrap();
    }
    folder
}

async fn progress_of(log: &Log, chain: &str) -> Option<ChainProgressed> {
    let records = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap();
    let newest = records.into_iter().rfind(|record| record.key == chain.as_bytes())?;
    Some(progress::decode(&newest.value.unwrap()).unwrap())
}

/// Waits until a chain's progress is as it should be.
pub(super) async fn until(log: &Log, chain: &str, is_so: impl Fn(&ChainProgressed) -> bool) -> ChainProgressed {
    let waiting = async {
        loop {
            if let Some(progress) = progress_of(log, chain).await.filter(&is_so) {
                return progress;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("waited for {chain}"))
}

pub(super) fn height(progress: &ChainProgressed) -> u64 {
    progress.published.as_ref().map_or(0, |block| block.height)
}

/// A version of before has journalled what cannot be read: after a restart that chain alone is parked, with a command
/// that lets it go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_journal_parks_its_chain_alone_and_repair_lets_it_go_on() {
    let neighbour = neighbour_of("poisoned", "neighbour", |name| topics::JOURNAL.partition_of(name.as_bytes()));
    let chain = |id: &str| format!("id = \"{id}\"\nplugin = \"honest\"\nstart = 10\n");
    let folder = folder_with(&[("a.toml", &chain("poisoned")), ("b.toml", &chain(&neighbour))]);
    let log = Log::open(&Target::Memory).await.unwrap();
    let running = Running::start(folder.path(), &log).await_progress(&log, "poisoned", 30).await;
    running.stop().await;
    let reached = height(&progress_of(&log, "poisoned").await.unwrap());
    let key = wire::v1::journal::block_key("poisoned", reached - 3, 0);
    let bad = format!("{{\"height\":{},\"hash\":\"0x\",\"trades\":[{{\"trader\":\"\"}}]}}", reached - 3);
    let partition = topics::JOURNAL.partition_of(b"poisoned");
    let record = Record { partition, key: key.clone().into_bytes(), headers: vec![], value: Some(bad.into_bytes()) };
    log.publish(vec![record]).await.unwrap();
    let running = Running::start(folder.path(), &log);
    let parked = until(&log, "poisoned", |progress| progress.state == State::Parked).await;
    let why = parked.reason.unwrap();
    assert!(why.contains(&key) && why.contains("chain-ingestor repair --chain poisoned"), "{why}");
    let before = height(&progress_of(&log, &neighbour).await.unwrap());
    until(&log, &neighbour, |progress| height(progress) > before + 20).await;
    let repair = |confirm| ChainCommand::Repair { chain: "poisoned".to_owned(), skip: None, confirm };
    let shown = repair(false).execute(&log, "chain-ingestor").await.unwrap();
    assert!(shown.contains(&format!("above {} is taken back", reached - 4)), "{shown}");
    repair(true).execute(&log, "chain-ingestor").await.unwrap();
    until(&log, "poisoned", |progress| progress.state != State::Parked && height(progress) > reached + 20).await;
    running.stop().await;
}

impl Running {
    /// Waits until a chain has published a height.
    async fn await_progress(self, log: &Log, chain: &str, at_least: u64) -> Self {
        until(log, chain, |progress| height(progress) >= at_least).await;
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_cannot_start_is_published_with_the_reason() {
    let folder = folder_with(&[
        ("a.toml", "id = \"no-plugin\"\nplugin = \"nobody\"\n"),
        ("b.toml", "id = \"odd-key\"\nplugin = \"honest\"\nendponts = []\n"),
        ("no-variable.toml", "id = \"${NOWHERE}\"\nplugin = \"honest\"\n"),
        ("broken.toml", "id = \n"),
    ]);
    let log = Log::open(&Target::Memory).await.unwrap();
    let running = Running::start(folder.path(), &log);
    for (chain, reason) in [
        ("no-plugin", "plugin nobody is not in PLUGINS_DIR"),
        ("odd-key", "endponts"),
        ("broken", "chain file is refused"),
    ] {
        let parked = until(&log, chain, |progress| progress.state == State::Parked).await;
        let why = parked.reason.unwrap();
        assert!(why.contains(reason), "{chain}: {why}");
        assert!(parked.step == 0 && parked.since > 0, "it was never followed");
    }
    std::fs::write(folder.path().join("chains/b.toml"), "id = \"odd-key\"\nplugin = \"honest\"\nstart = 10\n").unwrap();
    until(&log, "odd-key", |progress| progress.state != State::Parked && height(progress) > 10).await;
    running.stop().await;
}
