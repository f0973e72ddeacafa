//! How the parts run together: a database, a feed folded into it, an outbox emptied out of it.

use crate::adapters::OpenError;
use crate::adapters::postgres::Postgres;
use crate::adapters::sqlite::Sqlite;
use crate::leaders::{self, Boards};
use crate::outbox::{Outbox, publish};
use crate::patient::{PatientFeed, PatientStore, patiently};
use crate::pulse::{Pulse, health};
use crate::retention;
use crate::settings::{Database, Settings};
use anyhow::Context;
use environment::Shutdown;
use metrics_domain::{Retention, Store, follow};
use std::sync::{Arc, OnceLock};
use tape_log::feed::{Tallies, TradeFeed};
use tape_log::{Log, topics};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Runs until it is asked to stop. Ends with an error only when waiting cannot help: a database that this version may
/// not use, an address that is taken.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    let pulse = Arc::new(Pulse::default());
    let counted: Arc<Counted> = Arc::default();
    let serving = {
        let (pulse, counted) = (Arc::clone(&pulse), Arc::clone(&counted));
        serve(settings.health, move || health(&pulse, counted.get()))
    };
    tokio::select! {
        ended = work(&settings, log, &pulse, &counted) => ended,
        ended = serving => ended,
        () = shutdown.wait() => {
            tracing::info!(event = "metrics.stopped", "metrics stopped");
            Ok(())
        }
    }
}

async fn serve(
    addr: Option<std::net::SocketAddr>,
    health: impl Fn() -> environment::health::Health + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    match addr {
        Some(addr) => environment::health::serve(addr, health).await.with_context(|| format!("serve health on {addr}")),
        None => std::future::pending().await,
    }
}

/// What each feed counts, once there are feeds.
type Counted = OnceLock<Vec<Arc<Tallies>>>;

async fn work(settings: &Settings, log: Log, pulse: &Arc<Pulse>, counted: &Counted) -> anyhow::Result<()> {
    match &settings.database {
        Database::Postgres(url) => {
            let store = open(pulse, || Postgres::open(url.expose(), Postgres::SCHEMA, settings.method)).await?;
            tend(settings, store, log, pulse, counted).await
        }
        Database::Sqlite(path) => {
            let store = open(pulse, || Sqlite::open(path, settings.method)).await?;
            tend(settings, store, log, pulse, counted).await
        }
    }
}

/// Opens and migrates, waiting for a server that is not there yet.
async fn open<S, F>(pulse: &Pulse, mut open: impl FnMut() -> F) -> anyhow::Result<S>
where
    F: Future<Output = Result<S, OpenError>>,
{
    let opened = patiently(&pulse.database, || {
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

/// Follows and publishes at the same time; either ends only by a failure that waiting did not cure.
async fn tend<S>(settings: &Settings, store: S, log: Log, pulse: &Arc<Pulse>, counted: &Counted) -> anyhow::Result<()>
where
    S: Store + Outbox + Boards + Retention + 'static,
{
    patiently(&pulse.log, || log.own(topics::OF_METRICS)).await;
    let (store, written) = (Arc::new(store), Arc::new(Notify::new()));
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut tallies = vec![];
    for _ in 0..workers(settings, &log) {
        let feed = patiently(&pulse.log, || TradeFeed::join(&log, topics::READ_BY_METRICS)).await;
        tallies.push(feed.tallies());
        let feed = PatientFeed::new(feed, Arc::clone(pulse));
        let patient = PatientStore::new(Arc::clone(&store), Arc::clone(pulse), Arc::clone(&written));
        let limits = settings.limits;
        tasks.spawn(async move {
            follow(feed, &patient, limits).await.map(|never| match never {}).context("follow the tape")
        });
    }
    counted.get_or_init(|| tallies);
    let (boards, pulse) = (Arc::clone(&store), Arc::clone(pulse));
    tasks.spawn(async move {
        leaders::keep(&*boards).await;
        Ok(())
    });
    if let Some(days) = settings.retention_days {
        let (store, log) = (Arc::clone(&store), log.clone());
        tasks.spawn(async move {
            retention::keep(&*store, &log, days).await;
            Ok(())
        });
    }
    tasks.spawn(async move {
        publish(&*store, &log, &written, &pulse).await;
        Ok(())
    });
    tracing::info!(event = "metrics.started", "metrics started");
    match tasks.join_next().await {
        Some(ended) => ended.context("run a task of metrics")?,
        None => Ok(()),
    }
}

/// Members of one group on Kafka divide its partitions among them; a log of this process alone knows no groups.
fn workers(settings: &Settings, log: &Log) -> usize {
    match log {
        Log::Kafka(_) => settings.workers,
        Log::Sqlite(_) | Log::Memory(_) => 1,
    }
}
