//! `catch-up`: measures the fold of trades that are read from Kafka on the same cores, as by a service that starts far behind.

use super::fold::{CORES, SHAPE, WORKERS, check, dropped, opened};
use super::tape::partitions;
use metrics::adapters::postgres::Postgres;
use metrics_domain::{DecodedTrade, Limits, follow};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system::figures::{Figures, kafka, rounded};
use tape::{Delivery, Feed, Partition, Start, Unavailable};
use tape_log::feed::TradeFeed;
use tape_log::{Log, Record, topics};
use tokio::task::JoinSet;

/// Records appended at once.
const PIECE: usize = 2_000;

/// Runs it; needs `DATABASE_URL` and `KAFKA_BROKERS`.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(CORES).enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    let log = Log::open(&kafka("catch-up")?).await?;
    let (store, schema) = opened().await?;
    log.own(topics::OF_INGESTOR).await?;
    log.own(topics::OF_METRICS).await?;
    let records = partitions(&SHAPE);
    let appending = Instant::now();
    for (partition, values) in topics::TRADES.partitions().zip(&records) {
        for at in (0..values.len()).step_by(PIECE) {
            let record = |value: &[u8]| Record {
                partition: partition.clone(),
                key: vec![],
                headers: vec![],
                value: Some(value.to_vec()),
            };
            log.publish(values.in_range(at..at + PIECE).map(record).collect()).await?;
        }
    }
    let appending = appending.elapsed();
    let begun = Instant::now();
    let batches: Arc<AtomicU64> = Arc::default();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (store, log, batches) = (Arc::clone(&store), log.clone(), Arc::clone(&batches));
        workers.spawn(async move {
            let feed = Counting { feed: TradeFeed::join(&log, topics::READ_BY_METRICS).await?, batches };
            follow(feed, &*store, Limits::default()).await.map(|never| match never {})
        });
    }
    while read_trades(&store).await? < SHAPE.trades {
        if let Some(ended) = workers.try_join_next() {
            let () = ended??;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    workers.shutdown().await;
    check(&store, &records).await?;
    dropped(&store, &schema).await?;
    let per = |seconds: f64| u32::try_from(SHAPE.trades).map(|trades| rounded(f64::from(trades) / seconds, 0));
    let mut figures = Figures::new();
    figures.insert("trades".to_owned(), SHAPE.trades.into());
    figures.insert("appended_per_s".to_owned(), per(appending.as_secs_f64())?);
    figures.insert("trades_per_s".to_owned(), per(took.as_secs_f64())?);
    figures.insert("seconds".to_owned(), rounded(took.as_secs_f64(), 2));
    figures.insert("trades_per_batch".to_owned(), (SHAPE.trades / batches.load(Ordering::Relaxed).max(1)).into());
    Ok(figures)
}

/// How many trades are read, over all partitions.
async fn read_trades(store: &Postgres) -> anyhow::Result<u64> {
    let read: i64 = sqlx::query_scalar("SELECT coalesce(sum(next), 0)::bigint FROM position WHERE log = $1")
        .bind(topics::TRADES.name)
        .fetch_one(store.pool())
        .await?;
    Ok(read.cast_unsigned())
}

/// The service's feed, its batches counted.
struct Counting {
    feed: TradeFeed<DecodedTrade>,
    batches: Arc<AtomicU64>,
}

impl Feed<DecodedTrade> for Counting {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        let delivery = self.feed.next().await?;
        if matches!(delivery, Delivery::Batch(_)) {
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
        Ok(delivery)
    }

    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        self.feed.seek(partition, start).await
    }
}
