//! `fold`: measures trades per second decoded, folded and committed to PostgreSQL by the code of the service, without a broker.
//!
//! All tables of metrics with their indexes and the outbox are written, under the service's exactly-once rules.

use super::tape::{Records, TapeShape, partitions};
use anyhow::{Context, ensure};
use metrics::adapters::postgres::Postgres;
use metrics::prices::{Prices, refresh_regularly};
use metrics_domain::{DecodedTrade, Limits, Method, PriceRules, Store, follow};
use sqlx::AssertSqlSafe;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;
use system::figures::{Figures, rounded};
use tape::{Batch, Delivery, Feed, Partition, Start, Unavailable};
use tape_log::topics;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Records that the reader of a broker hands out at once, as `catch-up` counts them.
const EVENTS_PER_BATCH: usize = 7_000;
/// Workers, as the service has by default, on two cores.
pub(super) const WORKERS: usize = 4;
pub(super) const CORES: usize = 2;

/// What is folded: an hour and a half of eight busy chains, three handfuls of each partition.
pub(crate) const SHAPE: TapeShape = TapeShape {
    trades: 1_280_000,
    traders: 20_000,
    assets: 400,
    chains: 8,
    from_ms: 1_790_000_000_000,
    block_ms: 2_000,
    per_block: 60,
};

/// Runs it; needs `DATABASE_URL`.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(CORES).enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    let (store, schema) = opened().await?;
    let records = Arc::new(partitions(&SHAPE));
    // Prices and candles are calculated beside it, as in the service.
    let priced = Arc::clone(&store);
    let pricing = tokio::spawn(async move {
        refresh_regularly(&*priced, &PriceRules::default(), environment::now_ms).await;
    });
    let begun = Instant::now();
    fold(&store, &records).await?;
    let took = begun.elapsed();
    pricing.abort();
    let begun = Instant::now();
    wait_until_priced(&store).await?;
    let priced_after = begun.elapsed();
    check(&store, &records).await?;
    // Read again from the beginning: nothing may count twice.
    let again = Instant::now();
    fold(&store, &records).await?;
    let again = again.elapsed();
    check(&store, &records).await?;
    let mut figures = Figures::new();
    let rate = f64::from(u32::try_from(SHAPE.trades)?) / took.as_secs_f64();
    figures.insert("trades_per_s".to_owned(), rounded(rate, 0));
    figures.insert("seconds".to_owned(), rounded(took.as_secs_f64(), 2));
    figures.insert("priced_after_seconds".to_owned(), rounded(priced_after.as_secs_f64(), 2));
    figures.insert("read_again_seconds".to_owned(), rounded(again.as_secs_f64(), 2));
    for (name, value) in
        [("trades", SHAPE.trades), ("traders", SHAPE.traders), ("assets", SHAPE.assets), ("chains", SHAPE.chains)]
    {
        figures.insert(name.to_owned(), value.into());
    }
    figures.insert("workers".to_owned(), WORKERS.into());
    figures.insert("batch_events".to_owned(), EVENTS_PER_BATCH.into());
    for setting in ["fsync", "shared_buffers", "server_version"] {
        let value: String =
            sqlx::query_scalar(AssertSqlSafe(format!("SHOW {setting}"))).fetch_one(store.pool()).await?;
        figures.insert(format!("postgres_{setting}"), value.into());
    }
    for table in ["positions", "user_totals", "user_hours", "fees", "outbox", "candles"] {
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(store.pool()).await?;
        figures.insert(format!("rows_{table}"), rows.into());
    }
    dropped(&store, &schema).await?;
    Ok(figures)
}

/// Calculates what is left of prices and candles. A refresh that was broken off may hold its lock for a moment.
async fn wait_until_priced(store: &Postgres) -> anyhow::Result<()> {
    let is_priced = "SELECT NOT EXISTS (SELECT 1 FROM price_changes)";
    while !sqlx::query_scalar::<_, bool>(is_priced).fetch_one(store.pool()).await? {
        store.refresh(&PriceRules::default()).await?;
    }
    Ok(())
}

/// An empty book in a schema of its own.
pub(super) async fn opened() -> anyhow::Result<(Arc<Postgres>, String)> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo xtask servers start`")?;
    let schema = format!("bench_fold_{}", environment::now_ms());
    Ok((Arc::new(Postgres::open(&url, &schema, Method::Average).await?), schema))
}

/// Takes the schema of a run away.
pub(super) async fn dropped(store: &Postgres, schema: &str) -> anyhow::Result<()> {
    let drop = format!("DROP SCHEMA \"{schema}\" CASCADE");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(store.pool()).await.context("drop the schema of this run")?;
    Ok(())
}

/// Every trade is there once, with the volume that the records say, and every partition is read to its end.
pub(super) async fn check(store: &Postgres, records: &[Records]) -> anyhow::Result<()> {
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM trades WHERE status = 'live'").fetch_one(store.pool()).await?;
    ensure!(rows.cast_unsigned() == SHAPE.trades, "{rows} trades of {}", SHAPE.trades);
    let same = "SELECT (SELECT sum(volume_usd) FROM user_totals) = (SELECT sum(notional_usd) FROM trades)
                   AND (SELECT sum(volume_usd) FROM user_hours) = (SELECT sum(notional_usd) FROM trades)
                   AND (SELECT sum(realized_pnl_usd) FROM positions) = (SELECT sum(realized_pnl_usd) FROM trades)
                   AND (SELECT sum(volume_exact_usd) FROM user_totals) = (SELECT sum(volume_exact_usd) FROM user_hours)
                   AND (SELECT sum(volume_exact_usd) FROM user_hours)
                       = (SELECT sum(notional_usd) FROM trades WHERE confidence IS NULL)
                   AND (SELECT sum(swaps) FROM user_hours) = (SELECT count(*) FROM trades)";
    ensure!(sqlx::query_scalar::<_, bool>(same).fetch_one(store.pool()).await?, "tables say different things");
    for (partition, records) in topics::TRADES.partitions().zip(records) {
        let read = store.read_position(&partition).await?.unwrap_or(0);
        ensure!(read == records.len() as u64, "partition {} is read to {read} of {}", partition.index, records.len());
    }
    Ok(())
}

/// Folds all records through as many workers as there are.
pub(crate) async fn fold(store: &Arc<Postgres>, records: &Arc<Vec<Records>>) -> anyhow::Result<()> {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (store, records) = (Arc::clone(store), Arc::clone(records));
        workers.spawn(async move {
            let done = Notify::new();
            let mine = topics::TRADES.partitions().filter(|partition| partition.index as usize % WORKERS == worker);
            let feed = Handing { to_gain: mine.collect(), reading: VecDeque::new(), records, done: &done };
            tokio::select! {
                ended = follow(feed, &*store, Limits::default()) => match ended? {},
                () = done.notified() => anyhow::Ok(()),
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Hands out records as a broker's reader does: partition after partition in turn, a handful at a time, decoded on the way.
struct Handing<'a> {
    to_gain: Vec<Partition>,
    reading: VecDeque<(Partition, usize)>,
    records: Arc<Vec<Records>>,
    done: &'a Notify,
}

impl Feed<DecodedTrade> for Handing<'_> {
    async fn next(&mut self) -> Result<Delivery<DecodedTrade>, Unavailable> {
        if let Some(partition) = self.to_gain.pop() {
            return Ok(Delivery::Gained(partition));
        }
        while let Some((partition, at)) = self.reading.pop_front() {
            let all = &self.records[partition.index as usize];
            let end = all.len().min(at + EVENTS_PER_BATCH);
            if at == end {
                continue;
            }
            let decoded = all.in_range(at..end).zip(at as u64..).map(|(record, position)| {
                wire::v1::trade::decode_record(position, record.to_vec())
                    .map(DecodedTrade::from)
                    .map_err(|(e, _)| Unavailable::new("decode a record", e))
            });
            let events = decoded.collect::<Result<_, Unavailable>>()?;
            self.reading.push_back((partition.clone(), end));
            return Ok(Delivery::Batch(Batch { partition, events, next: end as u64, trace: None }));
        }
        self.done.notify_one();
        pending().await
    }

    /// Where reading begins is asked of the store, as the service does; the second time there is nothing left.
    async fn seek(&mut self, partition: &Partition, start: Start) -> Result<(), Unavailable> {
        let at = match start {
            Start::Beginning => 0,
            Start::At(position) => usize::try_from(position).unwrap_or(usize::MAX),
        };
        self.reading.push_back((partition.clone(), at));
        Ok(())
    }
}
