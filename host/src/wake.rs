//! Wake-ups: where a plugin says what to subscribe to, a node's WebSocket tells when something is new, and the head is looked at
//! at once. Nothing rests on it: what it misses the poll finds.

use crate::cache::Cache;
use crate::catalog::{Entry, Standing, Subscription};
use crate::plugin::v1::{self, Context, Wake};
use crate::plugin::{Engine, Lent};
use environment::Backoff;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The first and the longest wait before a node is tried again.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));
/// A node that takes longer to answer is tried again later.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of one message: it is a knock, not a delivery.
const MESSAGE: usize = 1 << 20;

/// Rings the bell of one chain, with whatever is in use for it, until it is dropped.
pub(crate) async fn listen(engine: Engine, subscription: Subscription, bell: Arc<Notify>) {
    while let Some(entry) = subscription.current() {
        let generation = entry.generation;
        tokio::select! {
            () = follow(&engine, &entry, &bell) => {}
            () = subscription.changed(generation) => {}
        }
    }
}

/// Listens to the chain's nodes, one after the other. Never ends.
async fn follow(engine: &Engine, entry: &Entry, bell: &Notify) {
    let Some(wake) = wake_of(engine, entry).await.filter(|_| !entry.file.sockets.is_empty()) else {
        return std::future::pending().await;
    };
    let mut backoff = Backoff::new(PATIENCE.0, PATIENCE.1);
    let mut told = false;
    for (number, socket) in entry.file.sockets.iter().enumerate().cycle() {
        let Err(error) = hear(&format!("{socket}{}", wake.path), &wake.message, bell, || backoff.reset()).await;
        let error = entry.file.without_secrets(&error.to_string());
        // Once is enough: many nodes have no WebSocket, and the poll goes on.
        if told {
            tracing::debug!(chain.id = entry.file.id, socket = number, %error, "no wake-ups");
        } else {
            tracing::info!(chain.id = entry.file.id, socket = number, %error, "no wake-ups from this node for now; the poll goes on");
            told = true;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

async fn wake_of(engine: &Engine, entry: &Entry) -> Option<Wake> {
    let Standing::InUse(plugin) = &entry.standing else { return None };
    let file = &entry.file;
    let lent =
        Lent { chain: file.id.as_str().into(), upstream: None, cache: Cache::default(), limits: file.limits.clone() };
    let told = Context { settings: file.settings.clone(), now_ms: environment::now_ms(), finalized: None };
    match v1::wake_by(engine, plugin, lent, &told).await {
        Ok(wake) => wake,
        Err(error) => {
            tracing::warn!(chain.id = file.id, %error, "the plugin does not say what wakes it; the poll goes on");
            None
        }
    }
}

/// Subscribes and rings at every message, until the connection ends.
async fn hear(
    address: &str,
    message: &str,
    bell: &Notify,
    mut connected: impl FnMut(),
) -> Result<std::convert::Infallible, Error> {
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE));
    let late = |_| Error::Io(std::io::ErrorKind::TimedOut.into());
    let (mut socket, _) =
        tokio::time::timeout(CONNECT, connect_async_with_config(address, Some(config), true)).await.map_err(late)??;
    socket.send(Message::text(message)).await?;
    while let Some(heard) = socket.next().await {
        if matches!(heard?, Message::Text(_) | Message::Binary(_)) {
            connected();
            bell.notify_one();
        }
    }
    Err(Error::ConnectionClosed)
}
