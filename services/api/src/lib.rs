//! The only public process: read-only REST, WebSocket and the page.
//!
//! Read in this order: [`run`] (how the process serves), `http` (REST), `stream` (one WebSocket), `live` (the hub that
//! the streams are served from), [`store`] (the database), `views` (the JSON shapes).
//!
//! **Invariant:** nothing here writes: database sessions are read-only, and the log is only read.

mod settings;
pub mod store;
mod live;
mod stream;
mod http;
mod names;
mod views;
mod token;
mod clients;
mod keys;
mod listen;
mod freshness;
mod rate_limits;

pub use clients::{InvalidNetworks, TrustedProxies};
pub use keys::{InvalidKeyFile, KeyFault, KeyFile};
pub use settings::{InvalidOrigins, Origins, Settings};

use anyhow::Context;
use environment::health::Notices;
use environment::{Measurements, Shutdown};
use freshness::Freshness;
use keys::ApiKeys;
use listen::{ClientCounts, ConnectionLimits};
use live::Hub;
use rate_limits::RateLimits;
use std::sync::Arc;
use store::Store;
use tape_log::Log;
use tape_log::guard::TapeGuard;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What all requests share.
pub(crate) struct App {
    /// What requests are answered from.
    store: Store,
    /// What snapshots of streams are read from: whatever metrics publishes is in there.
    primary: Store,
    /// Whether these are two databases.
    has_replica: bool,
    freshness: Arc<Freshness>,
    hub: Arc<Hub>,
    trusted_proxies: TrustedProxies,
    rate_limits: RateLimits,
    keys: Arc<ApiKeys>,
    /// One per open WebSocket.
    stream_permits: Arc<Semaphore>,
    measurements: Measurements,
    request_figures: http::RequestFigures,
    origins: Option<Origins>,
    /// The consumers of the tape in this process.
    consumers: Vec<Consumer>,
    /// WebSockets of each client.
    streams_of_clients: Arc<ClientCounts>,
    streams_per_client: usize,
    /// The process shall stop: it is not ready any more, but serves until `stopping`.
    shutdown: Shutdown,
    /// The listener closes, and every WebSocket with it.
    stopping: Shutdown,
}

/// Listens where the settings say and serves until shutdown.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    run_with(settings, log, vec![], shutdown).await
}

/// The same in a process with consumers of the tape: `/ready` answers for them too.
pub async fn run_with(
    settings: Settings,
    log: Log,
    consumers: Vec<Consumer>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let addr = settings.addr;
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("listen on {addr}; set API_ADDR to another address, or stop what listens there"))?;
    serve_with(listener, settings, log, consumers, shutdown).await
}

/// What a database that answers has of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Its tables are there.
    Ready,
    /// It has no tables yet: the services make them when they start.
    WithoutTables,
}

/// Reads from the database once, as every request does.
pub async fn try_database(settings: &Settings) -> anyhow::Result<DatabaseState> {
    let store = Store::from_url(settings.database.expose()).context("read DATABASE_URL")?;
    let read = store.folded_positions().await;
    store.close().await;
    match read {
        Ok(_) => Ok(DatabaseState::Ready),
        Err(error) if store::is_missing_table(&error) => Ok(DatabaseState::WithoutTables),
        Err(error) => Err(error.into()),
    }
}

/// A consumer of the tape in this process.
#[derive(Clone)]
pub struct Consumer {
    /// Its name.
    pub service: &'static str,
    /// What keeps it from reading a tape that is not its own.
    pub guard: Arc<TapeGuard>,
    /// What is wrong with it but keeps it from nothing else.
    pub notices: Notices,
    /// What it measures of itself.
    pub measurements: Measurements,
}

/// Serves on a bound listener until shutdown. The database and the log may become available later: until then requests
/// are answered with "unavailable", and `/ready` names what is missing.
///
/// After the request to stop it is not ready, and serves on for the time to drain, so that whoever sends clients here can
/// send them elsewhere. Then the listener closes, WebSockets are told to connect again, and what is open may end.
pub async fn serve(listener: TcpListener, settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    serve_with(listener, settings, log, vec![], shutdown).await
}

async fn serve_with(
    listener: TcpListener,
    settings: Settings,
    log: Log,
    consumers: Vec<Consumer>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let addr = listener.local_addr().context("read the address of the listener")?;
    let admin_listener = match settings.admin_addr {
        Some(addr) => Some(TcpListener::bind(addr).await.with_context(|| format!("listen on ADMIN_ADDR {addr}"))?),
        None => None,
    };
    let primary = Store::from_url(settings.database.expose()).context("read DATABASE_URL")?;
    let store = match &settings.database_read {
        Some(url) => Store::from_url(url.expose()).context("read DATABASE_READ_URL")?,
        None => primary.clone(),
    };
    let hub = Arc::new(Hub::new());
    let stopping = Shutdown::default();
    let keys = Arc::new(ApiKeys::new(settings.keys));
    let measurements = Measurements::of("api");
    let freshness = Arc::<Freshness>::default();
    http::observe(&measurements.meter(), &hub, &freshness);
    let app = Arc::new(App {
        store: store.clone(),
        primary: primary.clone(),
        has_replica: settings.database_read.is_some(),
        freshness: Arc::clone(&freshness),
        hub: Arc::clone(&hub),
        trusted_proxies: settings.trusted_proxies.clone(),
        rate_limits: RateLimits::new(settings.rate),
        keys: Arc::clone(&keys),
        stream_permits: Arc::new(Semaphore::new(settings.max_connections)),
        request_figures: http::RequestFigures::on(&measurements.meter()),
        measurements,
        origins: settings.origins,
        consumers,
        streams_of_clients: ClientCounts::new(),
        streams_per_client: settings.streams_per_client,
        shutdown: shutdown.clone(),
        stopping: stopping.clone(),
    });
    let watching = tokio::spawn(live::watch_prices(Arc::clone(&hub), store.clone(), stopping.clone()));
    let (looked, reads) = (Arc::clone(&hub), store.clone());
    let looking = tokio::spawn(async move { freshness.follow(&looked, &reads).await });
    let following = tokio::spawn(live::follow_log(hub, primary.clone(), log, settings.lookback, stopping.clone()));
    let limits = ConnectionLimits {
        connections: settings.max_sockets,
        per_client: settings.sockets_per_client,
        trusted_proxies: settings.trusted_proxies,
    };
    let router = http::router(&app, admin_listener.is_none());
    let admin = admin_listener.map(|listener| tokio::spawn(serve_admin(listener, http::admin_router(&app))));
    tracing::info!(event = "api.serving", %addr, "serving at http://{addr}/");
    let drained = async {
        shutdown.wait().await;
        if !settings.drain.is_zero() {
            tracing::info!(event = "api.draining", seconds = settings.drain.as_secs(), "not ready any more; draining");
            tokio::time::sleep(settings.drain).await;
        }
        stopping.trigger();
    };
    let serving = listen::serve(listener, router, limits, stopping.clone());
    tokio::join!(serving, drained, keys.follow_file(stopping.clone()));
    following.abort();
    looking.abort();
    watching.abort();
    if let Some(admin) = admin {
        admin.abort();
    }
    store.close().await;
    primary.close().await;
    tracing::info!(event = "api.stopped", "stopped");
    Ok(())
}

async fn serve_admin(listener: TcpListener, router: axum::Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(event = "api.admin.failed", %error, "the admin address is not served any more");
    }
}
