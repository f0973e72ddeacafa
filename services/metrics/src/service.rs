//! Runs the parts of the service together: feeds are folded into the database, and its outbox is published.

use crate::adapters::OpenError;
use crate::adapters::postgres::Postgres;
use crate::adapters::sqlite::Sqlite;
use crate::health::{self, ServiceHealth, health_of};
use crate::leaders::{self, Leaderboards};
use crate::linger::LingeringFeed;
use crate::outbox::{Outbox, publish};
use crate::prices::{self, Prices};
use crate::retention;
use crate::retry::{RetryingFeed, RetryingStore, retry};
use crate::settings::{Database, Settings};
use anyhow::Context;
use environment::{Measurements, Shutdown};
use metrics_domain::{Retention, Store, follow};
use migrations::MigrateCommand;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use tape_log::feed::{FeedCounters, TradeFeed};
use tape_log::guard::{self, AdoptCommand, KnownPartition, TapeGuard, TapeMemory};
use tape_log::{Log, topics};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Runs until it is asked to stop. Ends with an error only when retrying cannot help: a database that this version
/// cannot use, or an address that is in use.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    run_guarded(settings, log, Arc::default(), Measurements::of(Settings::NAME), shutdown).await
}

/// The same with a guard and measurements that another part of the process looks at, too.
pub async fn run_guarded(
    settings: Settings,
    log: Log,
    guard: Arc<TapeGuard>,
    measurements: Measurements,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let health = Arc::new(ServiceHealth { guard, ..ServiceHealth::default() });
    let feed_counters: Arc<AllFeedCounters> = Arc::default();
    let serving = {
        let (health, feed_counters) = (Arc::clone(&health), Arc::clone(&feed_counters));
        serve_health(settings.health, move || health_of(&health, feed_counters.get()), measurements.clone())
    };
    health::observe(&health, &measurements.meter());
    let feeds = Arc::clone(&feed_counters);
    let sum = move || FeedCounters::sum_of(feeds.get().into_iter().flatten().map(Arc::as_ref));
    health.figures.observe(&measurements, &health.guard, sum);
    tokio::select! {
        ended = follow_tape(&settings, log, &health, &feed_counters) => ended,
        ended = serving => ended,
        () = shutdown.wait() => {
            tracing::info!(event = "metrics.stopped", "metrics stopped");
            Ok(())
        }
    }
}

async fn serve_health(
    addr: Option<std::net::SocketAddr>,
    health: impl Fn() -> environment::health::Health + Clone + Send + Sync + 'static,
    measurements: Measurements,
) -> anyhow::Result<()> {
    match addr {
        Some(addr) => {
            let serving = environment::health::serve(addr, health, measurements);
            serving.await.with_context(|| format!("serve health on {addr}"))
        }
        None => std::future::pending().await,
    }
}

/// The counters of each feed, once there are feeds.
type AllFeedCounters = OnceLock<Vec<Arc<FeedCounters>>>;

/// Opens the database and follows the tape with it.
async fn follow_tape(
    settings: &Settings,
    log: Log,
    health: &Arc<ServiceHealth>,
    feed_counters: &AllFeedCounters,
) -> anyhow::Result<()> {
    match &settings.database {
        Database::Postgres(url) => {
            let store = open_with_retry(health, || {
                Postgres::open(url.expose(), Postgres::METRICS_SCHEMA, settings.rules.clone())
            })
            .await?;
            run_tasks(settings, store, log, health, feed_counters).await
        }
        Database::Sqlite(path) => {
            let store = open_with_retry(health, || Sqlite::open(path, settings.rules.clone())).await?;
            run_tasks(settings, store, log, health, feed_counters).await
        }
    }
}

/// The command `adopt`: lets the database belong to the log as it is; returns what it says.
pub async fn adopt(settings: &Settings, log: &Log, command: AdoptCommand) -> anyhow::Result<Vec<String>> {
    let service = topics::READ_BY_METRICS;
    let adopted = match &settings.database {
        Database::Postgres(url) => {
            let store = Postgres::open(url.expose(), Postgres::METRICS_SCHEMA, settings.rules.clone()).await;
            guard::adopt(command, log, &service, &store.context("use the database")?).await
        }
        Database::Sqlite(path) => {
            let store = Sqlite::open(path, settings.rules.clone()).await.context("use the database")?;
            guard::adopt(command, log, &service, &store).await
        }
    };
    Ok(adopted?)
}

/// Carries out the command `migrate`.
pub async fn migrate(settings: &Settings, command: MigrateCommand) -> anyhow::Result<Vec<String>> {
    match &settings.database {
        Database::Postgres(url) => {
            let (migrator, grants) = (migrations::metrics_postgres(), migrations::METRICS_GRANTS);
            Ok(command.execute(url.expose(), Postgres::METRICS_SCHEMA, &migrator, grants).await?)
        }
        Database::Sqlite(path) => {
            Sqlite::open(path, settings.rules.clone()).await.context("use the database")?;
            Ok(vec![format!("{} is up to date", path.display())])
        }
    }
}

/// Opens and migrates the database, and retries while the server does not answer.
async fn open_with_retry<S, F>(health: &ServiceHealth, mut open: impl FnMut() -> F) -> anyhow::Result<S>
where
    F: Future<Output = Result<S, OpenError>>,
{
    let opened = retry(&health.database, || {
        let opening = open();
        async {
            match opening.await {
                Err(OpenError::Unavailable(error)) => Err(error),
                opened => Ok(opened),
            }
        }
    });
    opened.await.context("use the database")
}

/// Runs the readers, the publisher and the regular tasks. A task ends only with a failure that retrying cannot help.
async fn run_tasks<S>(
    settings: &Settings,
    store: S,
    log: Log,
    health: &Arc<ServiceHealth>,
    feed_counters: &AllFeedCounters,
) -> anyhow::Result<()>
where
    S: Store + Outbox + Leaderboards + Prices + Retention + TapeMemory + 'static,
{
    if let Some(range) = settings.partitions {
        let known = retry(&health.database, || store.known_partitions()).await;
        let beyond = known.iter().find(|known| known.next.is_some() && !range.contains(&known.partition));
        if let Some(KnownPartition { partition, .. }) = beyond {
            anyhow::bail!(
                "the database holds users of partition {} and METRICS_PARTITIONS is {range}: name the database of that \
                 range in DATABASE_URL, or write a METRICS_PARTITIONS that begins at or before and ends at or behind {}",
                partition.index,
                partition.index
            );
        }
    }
    retry(&health.log, || log.own(topics::OF_METRICS)).await;
    let (store, written) = (Arc::new(store), Arc::new(Notify::new()));
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut counters = vec![];
    for _ in 0..reader_count(settings, &log) {
        let feed =
            retry(&health.log, || TradeFeed::join_range(&log, topics::READ_BY_METRICS, settings.partitions)).await;
        counters.push(feed.counters());
        let feed = LingeringFeed::new(feed.guarded_by(&health.guard), environment::now_ms);
        let feed = RetryingFeed::new(feed, Arc::clone(health));
        let store = RetryingStore::new(Arc::clone(&store), Arc::clone(health), Arc::clone(&written));
        let limits = settings.limits;
        tasks.spawn(async move {
            follow(feed, &store, limits).await.map(|never| match never {}).context("follow the tape")
        });
    }
    feed_counters.get_or_init(|| counters);
    let (memory, guarded, guard) = (Arc::clone(&store), log.clone(), Arc::clone(&health.guard));
    tasks.spawn(async move { match guard.watch(&guarded, &topics::READ_BY_METRICS, &*memory).await {} });
    let (leaderboards, health) = (Arc::clone(&store), Arc::clone(health));
    let folding = Arc::clone(&health);
    tasks.spawn(async move {
        leaders::rebuild_regularly(&*leaderboards, || folding.commits.load(Ordering::Relaxed)).await;
        Ok(())
    });
    let (priced, price_rules, folding) = (Arc::clone(&store), settings.price_rules.clone(), Arc::clone(&health));
    tasks.spawn(async move {
        prices::refresh_regularly(&*priced, &price_rules, || folding.commits.load(Ordering::Relaxed)).await;
        Ok(())
    });
    if let Some(days) = settings.retention_days {
        let (store, log) = (Arc::clone(&store), log.clone());
        tasks.spawn(async move {
            retention::drop_regularly(&*store, &log, days).await;
            Ok(())
        });
    }
    tasks.spawn(async move {
        publish(&*store, &log, &written, &health).await;
        Ok(())
    });
    tracing::info!(event = "metrics.started", "metrics started");
    match tasks.join_next().await {
        Some(ended) => ended.context("run a task of metrics")?,
        None => Ok(()),
    }
}

/// How many readers to run: on Kafka the members of a group divide the partitions among them; the embedded logs have no
/// groups.
fn reader_count(settings: &Settings, log: &Log) -> usize {
    match log {
        Log::Kafka(_) => settings.workers,
        Log::Sqlite(_) | Log::Memory(_) => 1,
    }
}
