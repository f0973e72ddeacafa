//! Wake-ups: where a plugin names a WebSocket subscription, each notification of a node makes the head be read at once.
//! Nothing depends on them: the poll finds whatever they miss.

use crate::cache::Cache;
use crate::in_force::Entry;
use crate::plugin::v1::{self, Wake};
use crate::plugin::{CallContext, CallResources, Engine};
use crate::subscription::Subscription;
use environment::Backoff;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The first wait before a node is connected to again.
const MIN_RECONNECT_DELAY: Duration = Duration::from_secs(2);
/// The longest wait before a node is connected to again.
const MAX_RECONNECT_DELAY: Duration = Duration::from_mins(5);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one message: only its arrival counts.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Notifies `wake` whenever a node of the chain reports something new, with whatever plugin is in use, until it is
/// dropped.
pub(crate) async fn listen(engine: Engine, subscription: Subscription, wake: Arc<Notify>) {
    while let Some(entry) = subscription.current() {
        let generation = entry.generation;
        tokio::select! {
            () = listen_to_nodes(&engine, &entry, &wake) => {}
            () = subscription.changed(generation) => {}
        }
    }
}

/// Listens to the chain's nodes, one after the other. Never ends.
async fn listen_to_nodes(engine: &Engine, entry: &Entry, wake: &Notify) {
    let Some(subscribe) = wake_subscription(engine, entry).await.filter(|_| !entry.file.sockets.is_empty()) else {
        return std::future::pending().await;
    };
    let mut backoff = Backoff::new(MIN_RECONNECT_DELAY, MAX_RECONNECT_DELAY);
    let mut logged = false;
    for (number, socket) in entry.file.sockets.iter().enumerate().cycle() {
        let address = format!("{socket}{}", subscribe.path);
        let Err(error) = receive(&address, &subscribe.message, wake, || backoff.reset()).await;
        let error = entry.file.without_secrets(&error.to_string());
        // Logged once: many nodes have no WebSocket, and the poll goes on.
        if logged {
            tracing::debug!(chain.id = entry.file.id, socket = number, %error, "no wake-ups");
        } else {
            tracing::info!(chain.id = entry.file.id, socket = number, %error, "no wake-ups from this node for now; the poll goes on");
            logged = true;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

async fn wake_subscription(engine: &Engine, entry: &Entry) -> Option<Wake> {
    let Ok(plugin) = &entry.running else { return None };
    let file = &entry.file;
    let resources = CallResources {
        chain: file.id.as_str().into(),
        upstream: None,
        cache: Cache::default(),
        limits: file.limits.clone(),
    };
    let context =
        CallContext { settings: file.settings.clone(), now_ms: environment::now_ms(), ..CallContext::default() };
    match v1::wake_by(engine, plugin, resources, &context).await {
        Ok(wake) => wake,
        Err(error) => {
            tracing::warn!(chain.id = file.id, %error, "the plugin does not say what wakes it; the poll goes on");
            None
        }
    }
}

/// Subscribes, and notifies `wake` at every message, until the connection ends.
async fn receive(
    address: &str,
    message: &str,
    wake: &Notify,
    mut connected: impl FnMut(),
) -> Result<std::convert::Infallible, Error> {
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES));
    let late = |_| Error::Io(std::io::ErrorKind::TimedOut.into());
    let (mut socket, _) = tokio::time::timeout(CONNECT_TIMEOUT, connect_async_with_config(address, Some(config), true))
        .await
        .map_err(late)??;
    socket.send(Message::text(message)).await?;
    while let Some(message) = socket.next().await {
        if matches!(message?, Message::Text(_) | Message::Binary(_)) {
            connected();
            wake.notify_one();
        }
    }
    Err(Error::ConnectionClosed)
}
