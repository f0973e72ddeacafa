//! The only public process: read-only REST, WebSocket and the page.
//!
//! Read in this order: [`run`] (the story), `live` (the stream's rules), `stream` (one WebSocket), `http` (REST),
//! [`store`] (the database), `views` (what is served).
//!
//! **Invariant:** nothing here writes: database sessions are read-only, and the log is only read.

pub mod settings;
pub mod store;
mod live;
mod stream;
mod http;
mod views;
mod token;
mod clients;

pub use settings::Settings;

use anyhow::Context;
use axum::serve::ListenerExt;
use clients::Clients;
use environment::Shutdown;
use live::Hub;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tape_log::Log;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long open requests may take to end once shutdown is wished.
const LAST_ORDERS: Duration = Duration::from_secs(10);

/// What every request shares.
pub(crate) struct App {
    store: Store,
    hub: Arc<Hub>,
    clients: Clients,
    seats: Arc<Semaphore>,
    measures: http::Measures,
    origins: Option<settings::Origins>,
    shutdown: Shutdown,
}

/// Listens where the settings say and serves until shutdown.
pub async fn run(settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    let addr = settings.addr;
    let listener = TcpListener::bind(addr).await.with_context(|| format!("listen on {addr}"))?;
    serve(listener, settings, log, shutdown).await
}

/// Serves on a bound listener until shutdown. The database and the log may come later: until then requests are
/// answered with "unavailable", and `/ready` says what is waited for.
pub async fn serve(listener: TcpListener, settings: Settings, log: Log, shutdown: Shutdown) -> anyhow::Result<()> {
    let addr = listener.local_addr().context("learn the own address")?;
    let store = Store::at(settings.database.expose()).context("understand DATABASE_URL")?;
    let hub = Arc::new(Hub::new());
    let app = Arc::new(App {
        store: store.clone(),
        hub: Arc::clone(&hub),
        clients: Clients::new(settings.rate),
        seats: Arc::new(Semaphore::new(settings.max_connections)),
        measures: http::Measures::default(),
        origins: settings.origins,
        shutdown: shutdown.clone(),
    });
    let pump = tokio::spawn(live::pump::follow(hub, store.clone(), log, settings.lookback, shutdown.clone()));
    let router = http::router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection stays without TCP_NODELAY");
        }
    });
    tracing::info!(event = "api.serving", %addr, "serving at http://{addr}/");
    let ending = shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { ending.wait().await });
    let served = tokio::select! {
        served = serving => served,
        () = async { shutdown.wait().await; tokio::time::sleep(LAST_ORDERS).await } => Ok(()),
    };
    pump.abort();
    store.close().await;
    tracing::info!(event = "api.stopped", "stopped");
    served.context("serve")
}
