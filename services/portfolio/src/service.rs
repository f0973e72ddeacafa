//! What runs: the tape makes wallets wait, workers refresh them, the relay publishes what changed.
//!
//! ```text
//! trades.executed.v1 ──▶ follow ──queue table──▶ refresh ×4 ──outbox table──▶ relay ──▶ portfolio.updated.v1
//! chains.progress.v1 ──▶ names ────────────────────┘
//! ```

use crate::names::Names;
use crate::provider::Chosen;
use crate::provider::alchemy::Alchemy;
use crate::provider::mock::Mock;
use crate::provider::moralis::Moralis;
use crate::settings::{Choice, Settings};
use crate::store::{DatabaseError, Store};
use crate::vitals::Vitals;
use crate::{follow, refresh, relay};
use anyhow::Context;
use environment::{Backoff, Shutdown, health, retry};
use portfolio_domain::app::Rules;
use portfolio_domain::{Clock, Tracking};
use rand::Rng;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tape::Unavailable;
use tape_log::{Log, topics};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The service's name in groups, logs and headers.
pub const NAME: &str = "portfolio";

const WORKERS: usize = 4;
/// How long what is in hand may take to be finished once the process shall stop.
const GRACE: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MOST_RETRY: Duration = Duration::from_secs(15);

/// What all parts of the running service share.
pub(crate) struct Service {
    pub(crate) log: Log,
    pub(crate) store: Store,
    pub(crate) tracking: Tracking,
    pub(crate) rules: Rules,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) shutdown: Shutdown,
    /// Wallets began to wait.
    pub(crate) waiting: Notify,
    /// Messages were left in the outbox.
    pub(crate) written: Notify,
}

/// Runs portfolio until it shall stop. What fails outside is waited for; what is wrong with the settings is returned.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    let vitals = Arc::new(Vitals::default());
    vitals.waits_for("database");
    vitals.waits_for("log");
    let mut answering = JoinSet::new();
    if let Some(addr) = settings.health {
        let listener = TcpListener::bind(addr).await.with_context(|| format!("listen on HEALTH_ADDR {addr}"))?;
        let vitals = Arc::clone(&vitals);
        answering.spawn(health::serve_on(listener, move || vitals.health()));
    }
    work(settings, log, vitals, shutdown).await
}

async fn work(settings: Settings, log: Log, vitals: Arc<Vitals>, shutdown: Shutdown) -> anyhow::Result<()> {
    let open = || Store::open(&settings.database);
    let Some(store) = patiently(&vitals, &shutdown, "database", open).await else { return Ok(()) };
    let own = || log.own(topics::OF_PORTFOLIO);
    if patiently(&vitals, &shutdown, "log", own).await.is_none() {
        return Ok(());
    }
    let names = Names::default();
    let providers = settings.providers.iter().map(|choice| chosen(choice, &store, &names));
    let providers = Arc::new(providers.collect::<Result<Vec<_>, _>>().context("set up the providers of balances")?);
    let Settings { tracking, rules, .. } = settings;
    let (waiting, written) = (Notify::new(), Notify::new());
    let service = Arc::new(Service { log, store, tracking, rules, vitals, shutdown, waiting, written });
    tend(&service, &providers, &names).await
}

/// Runs all parts; they end when the process shall stop.
async fn tend(service: &Arc<Service>, providers: &Arc<Vec<Chosen>>, names: &Names) -> anyhow::Result<()> {
    let mut parts = JoinSet::new();
    let (following, relaying, learning) = (Arc::clone(service), Arc::clone(service), Arc::clone(service));
    let names = names.clone();
    parts.spawn(async move { follow::follow(&following).await });
    parts.spawn(async move { relay::relay(&relaying).await });
    parts.spawn(async move {
        let follow = || names.follow(&learning.log, &learning.vitals);
        patiently(&learning.vitals, &learning.shutdown, "log", follow).await;
    });
    for _ in 0..WORKERS {
        let (service, providers) = (Arc::clone(service), Arc::clone(providers));
        parts.spawn(async move { refresh::refresh_all(&service, &providers).await });
    }
    tracing::info!(event = "portfolio.started", "portfolio started");
    let ended = tokio::select! {
        () = service.shutdown.wait() => None,
        ended = parts.join_next() => ended,
    };
    if let Some(Err(panic)) = ended {
        return Err(panic).context("run a part of portfolio");
    }
    let finished = tokio::time::timeout(GRACE, async { while parts.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!("what was in hand is left to whoever comes next");
    }
    tracing::info!(event = "portfolio.stopped", "portfolio stopped");
    Ok(())
}

fn chosen(choice: &Choice, store: &Store, names: &Names) -> Result<Chosen, Unavailable> {
    match choice {
        Choice::Mock => {
            tracing::warn!("balances are invented: PORTFOLIO_PROVIDER is mock");
            Ok(Chosen::Mock(Mock::new(store.clone())))
        }
        Choice::Moralis { key, url, solana, rate } => {
            let limit = rate.limiter();
            Ok(Chosen::Moralis(Moralis::new(url.clone(), solana.clone(), key.clone(), names.clone(), limit)?))
        }
        Choice::Alchemy { key, url, rate } => {
            Ok(Chosen::Alchemy(Alchemy::new(url, key.clone(), names.clone(), rate.limiter())?))
        }
    }
}

/// Tries until it succeeds; none when the process shall stop.
pub(crate) async fn patiently<T, F>(
    vitals: &Vitals,
    shutdown: &Shutdown,
    what: &'static str,
    attempt: impl Fn() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let done = retry(backoff(), attempt, |error, _| {
        vitals.waits_for(what);
        report(error);
    });
    let done = shutdown.or_stop(done).await?;
    vitals.has(what);
    Some(done)
}

impl Service {
    /// A part failed outside: says so, and returns when it may try again. False when the process shall stop.
    pub(crate) async fn failed(&self, error: &Unavailable, backoff: &mut Backoff) -> bool {
        self.blame(error);
        self.rest(backoff.next()).await
    }

    /// Logs a failure outside, and shows in the health what is waited for.
    pub(crate) fn blame(&self, error: &Unavailable) {
        self.vitals.waits_for(blamed(error));
        report(error);
    }

    /// Returns after a while. False when the process shall stop.
    pub(crate) async fn rest(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.wait() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// How a part waits between failures.
pub(crate) fn backoff() -> Backoff {
    Backoff::new(FIRST_RETRY, MOST_RETRY)
}

fn blamed(error: &Unavailable) -> &'static str {
    if error.source.is::<DatabaseError>() { "database" } else { "log" }
}

fn report(error: &Unavailable) {
    tracing::warn!(error = error as &(dyn Error + 'static), "failed, will try again");
}

/// The clock of this machine, and its dice.
pub(crate) struct Machine;

impl Clock for Machine {
    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    fn draw(&self, bound: u64) -> u64 {
        rand::rng().random_range(0..=bound)
    }
}
