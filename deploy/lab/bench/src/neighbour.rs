//! `neighbour`: measures how late the blocks of an honest chain reach the tape alone, and beside each hostile plugin.

use anyhow::ensure;
use guests::{Recipe, hostile, neighbour_of};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system::figures::{Figures, kafka, quantile, rounded};
use system::swaps::Folders;
use tape::Start;
use tape_log::{Arrival, Log, topics};

/// Time between blocks of the honest chain, milliseconds.
const BLOCK_MS: u64 = 100;
/// How long the chain is watched alone and beside each plugin.
const WATCHED: Duration = Duration::from_mins(1);
/// How long the chain runs before it is watched; what the arrival of a plugin costs is measured.
const SETTLING: Duration = Duration::from_secs(5);
/// Blocks that must have been seen of those that there were.
const MIN_BLOCKS: usize = 400;
/// The honest chain.
const HONEST: &str = "honest";

/// How late each block was, milliseconds, in the order of their arrival.
type Lateness = Arc<Mutex<Vec<f64>>>;

/// A hostile plugin: what it does, its id, and its component.
type Hostile = (&'static str, &'static str, Recipe);

/// Runs it; needs `KAFKA_BROKERS`.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(follow())
}

async fn follow() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let ground = Folders::lay_out()?;
    let epoch = environment::now_ms();
    let honest = format!(
        "id = \"{HONEST}\"\nplugin = \"mock\"\nstart = 0\npoll_ms = 20\n\
         [settings]\nepoch-ms = {epoch}\nblock-ms = {BLOCK_MS}\ntrades-per-block = 20\nreorg-every = 0\n"
    );
    ground.drop_chain("honest.toml", &honest)?;
    let log = Log::open(&kafka("neighbour")?).await?;
    log.own(topics::OF_INGESTOR).await?;
    let running = ground.start(&log)?;
    let lateness = Lateness::default();
    let watching = tokio::spawn(watch(log.clone(), Arc::clone(&lateness)));
    let mut figures = Figures::new();
    tokio::time::sleep(SETTLING).await;
    let alone = watch_for("alone", &lateness, &mut figures).await?;
    let mut worst: f64 = 0.0;
    for (name, plugin, recipe) in hostile_plugins() {
        ground.drop_plugin(&format!("{name}.wasm"), &recipe.build())?;
        if plugin != "mock" {
            ground.drop_chain(&format!("{name}.toml"), &chain_of(plugin))?;
        }
        let p99 = watch_for(name, &lateness, &mut figures).await?;
        worst = worst.max(p99 / alone);
    }
    figures.insert("worst_over_alone".to_owned(), rounded(worst, 2));
    ensure!(!watching.is_finished(), "the watcher of the tape has ended");
    watching.abort();
    running.stop().await?;
    Ok(figures)
}

/// The kinds that chaos drops in too; each stays when the next one comes.
fn hostile_plugins() -> [Hostile; 4] {
    [
        ("poison", "poison", hostile::poison("poison")),
        ("amplifier", "wat", hostile::amplifier_of_one_key()),
        ("lying_schema", "schema", hostile::lying_schema("schema")),
        ("impostor", "mock", hostile::impostor("mock")),
    ]
}

/// A chain file for a hostile plugin; its journal lies in one partition with the honest chain's.
fn chain_of(plugin: &str) -> String {
    let id = neighbour_of(HONEST, &format!("guest-{plugin}"), |name| topics::JOURNAL.partition_of(name.as_bytes()));
    hostile::chain_file(&id, plugin, 100, 1_000)
}

/// Watches for a while; returns the 99th percentile.
async fn watch_for(name: &str, lateness: &Lateness, figures: &mut Figures) -> anyhow::Result<f64> {
    take(lateness);
    tokio::time::sleep(WATCHED).await;
    let mut samples = take(lateness);
    ensure!(samples.len() >= MIN_BLOCKS, "{name}: {} blocks of the honest chain were seen", samples.len());
    samples.sort_by(f64::total_cmp);
    let p99 = quantile(&samples, 990);
    figures.insert(format!("{name}_p50_ms"), rounded(quantile(&samples, 500), 1));
    figures.insert(format!("{name}_p99_ms"), rounded(p99, 1));
    Ok(p99)
}

fn take(lateness: &Lateness) -> Vec<f64> {
    std::mem::take(&mut lateness.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn watch(log: Log, lateness: Lateness) -> anyhow::Result<()> {
    let partitions = topics::TRADES.partitions().map(|partition| (partition, Start::Beginning)).collect();
    let mut reader = log.assigned(partitions).await?;
    let mut newest = 0;
    loop {
        if let Arrival::Records { records, .. } = reader.next().await? {
            let now_ms = environment::now_ms();
            for record in records {
                let block = wire::v1::trade::decode(&record.value.unwrap_or_default())?.trade.block;
                if block.id.height > newest {
                    newest = block.id.height;
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a minute")]
                    let late = now_ms.saturating_sub(block.timestamp_ms) as f64;
                    lateness.lock().unwrap_or_else(PoisonError::into_inner).push(late);
                }
            }
        }
    }
}
