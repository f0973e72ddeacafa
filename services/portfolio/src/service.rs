//! What runs: the tape puts wallets into the queue, workers refresh them, the relay publishes what changed.
//!
//! ```text
//! trades.executed.v1 ──▶ follow ──queue table──▶ refresh ×4 ──outbox table──▶ relay ──▶ portfolio.updated.v1
//! chains.progress.v1 ──▶ names ────────────────────┘
//! ```

use crate::health::ServiceHealth;
use crate::names::ProviderNames;
use crate::provider::AnyProvider;
use crate::provider::alchemy::Alchemy;
use crate::provider::measured::MeasuredProvider;
use crate::provider::mock::Mock;
use crate::provider::moralis::Moralis;
use crate::provider::throttle::Throttle;
use crate::settings::{Database, ProviderSettings, Settings};
use crate::store::postgres::PORTFOLIO_SCHEMA;
use crate::store::{DatabaseError, Store};
use crate::{figures, follow, refresh, relay};
use anyhow::Context;
use environment::health::{self, Notices};
use environment::{Backoff, Measurements, Shutdown, retry};
use migrations::MigrateCommand;
use portfolio_domain::{Circuits, Clock, RefreshRules, Tracking};
use rand::Rng;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tape::Unavailable;
use tape_log::guard::{self, AdoptCommand, TapeGuard};
use tape_log::{Log, topics};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The service's name in groups, logs and headers.
pub const SERVICE_NAME: &str = "portfolio";

const REFRESH_WORKERS: usize = 4;
/// How long the parts may take to finish what they are doing after a shutdown was requested.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(15);

/// What all parts of the running service share.
pub(crate) struct Service {
    pub(crate) log: Log,
    pub(crate) store: Store,
    pub(crate) tracking: Tracking,
    pub(crate) rules: RefreshRules,
    /// When which provider is asked for which network.
    pub(crate) circuits: Circuits,
    /// What is wrong but keeps nothing from working.
    pub(crate) notices: Notices,
    pub(crate) health: Arc<ServiceHealth>,
    pub(crate) measurements: Measurements,
    /// Lets trades through only while log and database belong together.
    pub(crate) guard: Arc<TapeGuard>,
    pub(crate) shutdown: Shutdown,
    /// Notified when wallets were put into the queue.
    pub(crate) waiting: Notify,
    /// Notified when messages were put into the outbox.
    pub(crate) written: Notify,
}

/// Runs portfolio until a shutdown is requested. Failures of database, log and providers are retried; invalid settings
/// are returned as an error.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    let measurements = Measurements::of(SERVICE_NAME);
    run_guarded(settings, log, Arc::default(), Notices::default(), measurements, shutdown).await
}

/// The same with a guard, notices and measurements that another part of the process looks at, too.
pub async fn run_guarded(
    settings: Settings,
    log: Log,
    guard: Arc<TapeGuard>,
    notices: Notices,
    measurements: Measurements,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let state = Arc::new(ServiceHealth::new(guard, notices));
    state.waits_for("database");
    state.waits_for("log");
    let mut health_server = JoinSet::new();
    if let Some(addr) = settings.health {
        let listener = TcpListener::bind(addr).await.with_context(|| format!("listen on HEALTH_ADDR {addr}"))?;
        let state = Arc::clone(&state);
        health_server.spawn(health::serve_on(listener, move || state.health(), measurements.clone()));
    }
    figures::observe_health(&measurements.meter(), &state);
    open_and_run(settings, log, state, measurements, shutdown).await
}

/// The command `adopt`: lets the database belong to the log as it is; returns what it says.
pub async fn adopt(settings: &Settings, log: &Log, command: AdoptCommand) -> Result<Vec<String>, Unavailable> {
    let store = Store::open(&settings.database).await?;
    guard::adopt(command, log, &topics::READ_BY_PORTFOLIO, &store).await
}

/// Carries out the command `migrate`.
pub async fn migrate(settings: &Settings, command: MigrateCommand) -> anyhow::Result<Vec<String>> {
    match &settings.database {
        Database::Postgres(url) => {
            let (migrator, grants) = (migrations::portfolio_postgres(), migrations::PORTFOLIO_GRANTS);
            Ok(command.execute(url.expose(), PORTFOLIO_SCHEMA, &migrator, grants).await?)
        }
        Database::Sqlite(path) => {
            Store::open(&settings.database).await?;
            Ok(vec![format!("{} is up to date", path.display())])
        }
    }
}

/// Opens store, log and providers, then runs all parts.
async fn open_and_run(
    settings: Settings,
    log: Log,
    health: Arc<ServiceHealth>,
    measurements: Measurements,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let open = || Store::open(&settings.database);
    let Some(store) = retry_until_done(&health, &shutdown, "database", open).await else { return Ok(()) };
    let own = || log.own(topics::OF_PORTFOLIO);
    if retry_until_done(&health, &shutdown, "log", own).await.is_none() {
        return Ok(());
    }
    let names = ProviderNames::default();
    let meter = measurements.meter();
    let open = |provider| Ok(MeasuredProvider::new(open_provider(provider, &store, &names)?, &meter));
    let providers = settings.providers.iter().map(open);
    let providers =
        Arc::new(providers.collect::<Result<Vec<_>, Unavailable>>().context("set up the providers of balances")?);
    let Settings { tracking, rules, .. } = settings;
    let (waiting, written) = (Notify::new(), Notify::new());
    let (guard, notices, circuits) = (health.guard(), health.notices(), Circuits::default());
    let service = Arc::new(Service {
        log,
        store,
        tracking,
        rules,
        circuits,
        notices,
        health,
        measurements,
        guard,
        shutdown,
        waiting,
        written,
    });
    run_parts(&service, &providers, &names).await
}

/// Runs all parts until a shutdown is requested or one of them panics.
async fn run_parts(
    service: &Arc<Service>,
    providers: &Arc<Vec<MeasuredProvider<AnyProvider>>>,
    names: &ProviderNames,
) -> anyhow::Result<()> {
    let mut parts = JoinSet::new();
    let (following, relaying, learning) = (Arc::clone(service), Arc::clone(service), Arc::clone(service));
    let names = names.clone();
    parts.spawn(async move {
        tokio::select! {
            () = follow::follow(&following) => {}
            never = following.guard.watch(&following.log, &topics::READ_BY_PORTFOLIO, &following.store) => match never {},
        }
    });
    parts.spawn(async move { relay::relay(&relaying).await });
    parts.spawn(async move {
        let follow = || names.follow(&learning.log, &learning.health);
        retry_until_done(&learning.health, &learning.shutdown, "log", follow).await;
    });
    let counting = Arc::clone(service);
    parts.spawn(async move { figures::count_tables(&counting, &counting.measurements.meter()).await });
    for _ in 0..REFRESH_WORKERS {
        let (service, providers) = (Arc::clone(service), Arc::clone(providers));
        parts.spawn(async move { refresh::refresh_wallets(&service, &providers).await });
    }
    tracing::info!(event = "portfolio.started", "portfolio started");
    let ended = tokio::select! {
        () = service.shutdown.wait() => None,
        ended = parts.join_next() => ended,
    };
    if let Some(Err(panic)) = ended {
        return Err(panic).context("run a part of portfolio");
    }
    let finished = tokio::time::timeout(SHUTDOWN_TIMEOUT, async { while parts.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(
            event = "portfolio.stop.timeout",
            "portfolio stops with work unfinished after {} s; the next process does it again",
            SHUTDOWN_TIMEOUT.as_secs()
        );
    }
    tracing::info!(event = "portfolio.stopped", "portfolio stopped");
    Ok(())
}

fn open_provider(
    settings: &ProviderSettings,
    store: &Store,
    names: &ProviderNames,
) -> Result<AnyProvider, Unavailable> {
    let names = names.clone();
    match settings {
        ProviderSettings::Mock => {
            tracing::info!(event = "provider.invented", "balances are invented, because PORTFOLIO_PROVIDER names mock");
            Ok(AnyProvider::Mock(Mock::new(store.clone())))
        }
        ProviderSettings::Moralis { key, url, solana, rate } => {
            Moralis::new(url.clone(), solana.clone(), key.clone(), names, Throttle::new(*rate))
                .map(AnyProvider::Moralis)
        }
        ProviderSettings::Alchemy { key, url, node_url, rate } => {
            Alchemy::new(url, node_url.clone(), key.clone(), names, Throttle::new(*rate)).map(AnyProvider::Alchemy)
        }
    }
}

/// Retries an attempt until it succeeds; none when a shutdown is requested.
pub(crate) async fn retry_until_done<T, F>(
    health: &ServiceHealth,
    shutdown: &Shutdown,
    what: &'static str,
    attempt: impl Fn() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let attempts = retry(retry_backoff(), attempt, |error, _| {
        health.waits_for(what);
        log_failure(error);
    });
    let done = shutdown.or_stop(attempts).await?;
    health.has(what);
    Some(done)
}

impl Service {
    /// Reports a failure of database or log, and waits before the retry. False when a shutdown is requested.
    pub(crate) async fn failed(&self, error: &Unavailable, backoff: &mut Backoff) -> bool {
        self.report_failure(error);
        self.rest(backoff.next()).await
    }

    /// Logs a failure of database or log, and shows in the health which of them is waited for.
    pub(crate) fn report_failure(&self, error: &Unavailable) {
        self.health.waits_for(failed_dependency(error));
        log_failure(error);
    }

    /// Waits. False when a shutdown is requested.
    pub(crate) async fn rest(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.wait() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// How long a part waits between retries.
pub(crate) fn retry_backoff() -> Backoff {
    Backoff::new(FIRST_RETRY_DELAY, MAX_RETRY_DELAY)
}

fn failed_dependency(error: &Unavailable) -> &'static str {
    if error.source.is::<DatabaseError>() { "database" } else { "log" }
}

fn log_failure(error: &Unavailable) {
    tracing::warn!(
        event = "outside.failed",
        error = error as &(dyn Error + 'static),
        "database or log unavailable; retrying"
    );
}

/// The clock and the random numbers of this machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    fn draw(&self, bound: u64) -> u64 {
        rand::rng().random_range(0..=bound)
    }
}
