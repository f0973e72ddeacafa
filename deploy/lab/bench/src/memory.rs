//! `memory`: the memory of an ingestor while it backfills a chain of mainnet's shape, which must not grow with what it has read.
//!
//! Ingestor and node run in this process; the node makes each block when it is asked for it, and keeps none.

use super::backfill::chain::shaped;
use anyhow::{Context, ensure};
use environment::now_ms;
use std::time::Duration;
use system::figures::{Figures, kafka, resident_mib, rounded};
use system::ingest::Ingest;
use tape_log::{Log, topics};

/// Bounds the whole.
const TIMEOUT: Duration = Duration::from_hours(3);

/// How long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MemoryOptions {
    /// `memory`: blocks that are read, about sixteen trades in each.
    #[arg(long, default_value_t = 60_000)]
    memory_blocks: u64,
}

/// Runs it; needs `KAFKA_BROKERS`.
pub(crate) fn measure(options: &MemoryOptions) -> anyhow::Result<Figures> {
    environment::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let blocks = options.memory_blocks;
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, measure_here(blocks)).await.context("not all is read in time")?
    })
}

async fn measure_here(blocks: u64) -> anyhow::Result<Figures> {
    let (chain, _) = shaped(blocks)?;
    let node = chain.node()?;
    let (address, _serving) = node.serve("127.0.0.1:0".parse()?).await?;
    let log = Log::open(&kafka("memory")?).await?;
    log.own(topics::OF_INGESTOR).await?;
    let file = format!(
        "id = \"bench\"\nplugin = \"evm\"\nendpoints = [\"http://{address}\"]\nsockets = []\nstart = {}\n",
        chain.first()
    );
    let begun = now_ms();
    let ingest = Ingest::start(&log, &file)?;
    // By how many blocks were asked for: memory in MiB.
    let mut samples: Vec<(u64, f64)> = vec![];
    let asked = || node.calls_of("eth_getBlockReceipts") + node.calls_of("debug_getRawReceipts");
    while asked() < blocks {
        samples.push((asked(), resident_mib()?));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    samples.push((asked(), resident_mib()?));
    ingest.until_within(chain.last(), Duration::from_mins(5)).await?;
    let seconds = f64::from(u32::try_from(now_ms() - begun)?) / 1_000.0;
    ingest.stop().await?;
    ensure!(samples.len() > 3, "{blocks} blocks are too few to tell");
    let between = |from: u64, to: u64| {
        let of_part =
            samples.iter().filter(|(asked, _)| (from..=to).contains(&(asked * 10 / blocks))).map(|(_, mib)| *mib);
        of_part.max_by(f64::total_cmp)
    };
    let first = between(1, 2).or_else(|| between(0, 5)).context("a sample of the beginning")?;
    let last = between(9, 10).context("a sample of the end")?;
    let mut figures = Figures::new();
    figures.insert("blocks".to_owned(), blocks.into());
    figures.insert("seconds".to_owned(), rounded(seconds, 1));
    figures.insert("rss_mib_second_tenth".to_owned(), rounded(first, 1));
    figures.insert("rss_mib_last_tenth".to_owned(), rounded(last, 1));
    figures.insert("growth".to_owned(), rounded(last / first, 2));
    let highest = samples.iter().map(|(_, mib)| *mib).max_by(f64::total_cmp).unwrap_or(last);
    figures.insert("rss_mib_highest".to_owned(), rounded(highest, 1));
    Ok(figures)
}
