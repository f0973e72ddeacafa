//! Fifty swaps of a plugin under load: no trade is lost, none is doubled, and each names the plugin that saw it.

use std::time::Duration;
use system::progress::Progress;
use system::swaps;
use tape_log::{Log, Target};

/// Longer than anything here takes.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn fifty_swaps_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let counted = swaps::swap(50, &Target::Sqlite(folder.path().join("tape.db"))).await.unwrap();
    assert_eq!((counted.lost, counted.doubled), (0, 0), "{counted:?}");
    assert!(counted.trades > 5_000, "a chain under load: {} trades", counted.trades);
    assert!(counted.detectors >= 50, "each plugin detected some trades: {}", counted.detectors);
}

/// A chain file dropped, taken away and dropped again while the ingestor runs: the chain starts, drains, goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_comes_and_goes_and_comes_back() {
    let ground = swaps::Folders::lay_out().unwrap();
    let log = Log::open(&Target::Memory).await.unwrap();
    let (running, progress) = (ground.start(&log).unwrap(), Progress::follow(&log));
    let chain = "id = \"late\"\nplugin = \"mock\"\nstart = 0\npoll_ms = 20\n\
                 [settings]\nblock-ms = 50\nepoch-ms = EPOCH\ntrades-per-block = 4\n";
    let chain = chain.replace("EPOCH", &environment::now_ms().to_string());
    ground.drop_chain("late.toml", &chain).unwrap();
    let first = progress.until(STEP_TIMEOUT, |progress| progress.step > 5).await.unwrap();
    assert_eq!(first.detector.plugin, "mock");
    ground.take_chain("late.toml").unwrap();
    let drained = progress.until_still(STEP_TIMEOUT, Duration::from_secs(2)).await.unwrap();
    ground.drop_chain("late.toml", &chain).unwrap();
    let back = progress.until(STEP_TIMEOUT, |progress| progress.step > drained.step + 5).await.unwrap();
    running.stop().await.unwrap();
    let counts: u64 = back.partitions.iter().map(|partition| partition.count).sum();
    let published = back.published.unwrap().height;
    assert_eq!(counts, (published + 1) * 4, "every block from the first, once");
}
