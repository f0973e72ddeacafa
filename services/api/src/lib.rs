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
mod views;
mod token;
mod clients;
mod rate_limits;

pub use clients::{InvalidNetworks, TrustedProxies};
pub use settings::{InvalidOrigins, Origins, Settings};

use anyhow::Context;
use axum::serve::ListenerExt;
use environment::Shutdown;
use live::Hub;
use rate_limits::RateLimits;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tape_log::Log;
use tape_log::guard::TapeGuard;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long open requests may take to end after a shutdown signal.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// What all requests share.
pub(crate) struct App {
    store: Store,
    hub: Arc<Hub>,
    trusted_proxies: TrustedProxies,
    rate_limits: RateLimits,
    /// One per open WebSocket.
    stream_permits: Arc<Semaphore>,
    request_counters: http::RequestCounters,
    origins: Option<Origins>,
    /// The consumers of the tape in this process.
    consumers: Vec<Consumer>,
    shutdown: Shutdown,
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
    let listener = TcpListener::bind(addr).await.with_context(|| format!("listen on {addr}"))?;
    serve_with(listener, settings, log, consumers, shutdown).await
}

/// A consumer of the tape in this process.
#[derive(Clone)]
pub struct Consumer {
    /// Its name.
    pub service: &'static str,
    /// What keeps it from reading a tape that is not its own.
    pub guard: Arc<TapeGuard>,
}

/// Serves on a bound listener until shutdown. The database and the log may become available later: until then requests
/// are answered with "unavailable", and `/ready` names what is missing.
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
    let store = Store::from_url(settings.database.expose()).context("read DATABASE_URL")?;
    let hub = Arc::new(Hub::new());
    let app = Arc::new(App {
        store: store.clone(),
        hub: Arc::clone(&hub),
        trusted_proxies: settings.trusted_proxies,
        rate_limits: RateLimits::new(settings.rate),
        stream_permits: Arc::new(Semaphore::new(settings.max_connections)),
        request_counters: http::RequestCounters::default(),
        origins: settings.origins,
        consumers,
        shutdown: shutdown.clone(),
    });
    let following = tokio::spawn(live::follow_log(hub, store.clone(), log, settings.lookback, shutdown.clone()));
    let router = http::router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY on a connection; it is served without");
        }
    });
    tracing::info!(event = "api.serving", %addr, "serving at http://{addr}/");
    let stopping = shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { stopping.wait().await });
    let served = tokio::select! {
        served = serving => served,
        () = async { shutdown.wait().await; tokio::time::sleep(SHUTDOWN_TIMEOUT).await } => Ok(()),
    };
    following.abort();
    store.close().await;
    tracing::info!(event = "api.stopped", "stopped");
    served.context("serve")
}
