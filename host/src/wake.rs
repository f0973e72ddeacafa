//! Wake-ups: where a plugin names a WebSocket subscription, each notification of a node makes the head be read at once.
//! Nothing depends on them: the poll finds whatever they miss.

use crate::cache::Cache;
use crate::chainfile::{ChainFile, NodeAddress, NodeProxy};
use crate::in_force::Entry;
use crate::plugin::v1::{self, Wake};
use crate::plugin::{CallContext, CallResources, Engine};
use crate::subscription::Subscription;
use crate::websocket;
use environment::Backoff;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
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

/// Listens to the chain's nodes. Never ends.
async fn listen_to_nodes(engine: &Engine, entry: &Entry, wake: &Notify) {
    let Some(subscribe) = wake_subscription(engine, entry).await.filter(|_| !entry.file.sockets.is_empty()) else {
        return std::future::pending().await;
    };
    follow_sockets(&entry.file, &subscribe, wake).await;
}

/// Keeps to the first address that notifies of anything, and goes on to the next one where none does. Never ends.
async fn follow_sockets(file: &ChainFile, subscribe: &Wake, wake: &Notify) {
    let mut backoff = Backoff::new(MIN_RECONNECT_DELAY, MAX_RECONNECT_DELAY);
    let (mut number, mut failed_in_a_row, mut logged) = (0, 0, false);
    loop {
        let (socket, mut has_notified) = (&file.sockets[number], false);
        let Err(error) = receive(socket, &file.proxy, subscribe, wake, || has_notified = true).await;
        if has_notified {
            failed_in_a_row = 0;
            backoff.reset();
        } else {
            failed_in_a_row += 1;
            number = (number + 1) % file.sockets.len();
        }
        let error = file.without_secrets(&error.to_string());
        tracing::debug!(event = "wake.unavailable", chain.id = file.id, socket = number, %error, "no wake-ups from this address");
        if !has_notified && failed_in_a_row < file.sockets.len() {
            continue;
        }
        // Logged once: many nodes have no WebSocket, and the poll goes on.
        if !has_notified && !logged {
            tracing::info!(event = "wake.unavailable", chain.id = file.id, %error, "{}", without_wake_ups(file));
            logged = true;
        }
        failed_in_a_row = 0;
        tokio::time::sleep(backoff.next()).await;
    }
}

/// What is logged where no address notifies of new blocks.
fn without_wake_ups(file: &ChainFile) -> String {
    let what = "no node notifies of new blocks for now, so the head is polled";
    if file.names_sockets {
        return format!("{what}; check `sockets` in the chain file");
    }
    let poll_ms = file.poll_ms;
    format!(
        "{what} every {poll_ms} ms; where a node has its WebSocket at another address, name it in the chain file: \
         sockets = [\"ws://HOST:PORT\"], and sockets = [] tries none"
    )
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
            tracing::warn!(
                event = "wake.unknown", chain.id = file.id, %error,
                "the plugin does not say what wakes it; the poll goes on"
            );
            None
        }
    }
}

/// Subscribes, and notifies `wake` at every message, until the connection ends.
async fn receive(
    socket: &NodeAddress,
    proxy: &NodeProxy,
    subscribe: &Wake,
    wake: &Notify,
    mut connected: impl FnMut(),
) -> Result<std::convert::Infallible, Error> {
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES));
    let late = |_| Error::Io(std::io::ErrorKind::TimedOut.into());
    let connecting = websocket::connect(socket, &subscribe.path, proxy, config);
    let mut socket = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(late)??;
    socket.send(Message::text(subscribe.message.as_str())).await?;
    while let Some(message) = socket.next().await {
        if matches!(message?, Message::Text(_) | Message::Binary(_)) {
            connected();
            wake.notify_one();
        }
    }
    Err(Error::ConnectionClosed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Two ports side by side, as a node has them.
    async fn ports_side_by_side() -> (TcpListener, TcpListener) {
        loop {
            let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let Some(next) = http.local_addr().unwrap().port().checked_add(1) else { continue };
            if let Ok(socket) = TcpListener::bind(("127.0.0.1", next)).await {
                return (http, socket);
            }
        }
    }

    #[tokio::test]
    async fn a_socket_beside_the_http_port_is_found() {
        let (http, beside) = ports_side_by_side().await;
        let address = |port: &TcpListener| NodeAddress::from(format!("ws://{}", port.local_addr().unwrap()).as_str());
        let sockets = [&http, &beside].map(address).to_vec();
        let refusing = tokio::spawn(async move {
            while let Ok((mut stream, _)) = http.accept().await {
                let _ = stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        let notifying = tokio::spawn(async move {
            let (stream, _) = beside.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let subscribed = socket.next().await.unwrap().unwrap();
            assert_eq!(subscribed.into_text().unwrap().as_str(), "newHeads");
            socket.send(Message::text("a block")).await.unwrap();
            std::future::pending::<()>().await;
        });
        let file = ChainFile { sockets, ..ChainFile::default() };
        let subscribe = Wake { path: String::new(), message: "newHeads".to_owned() };
        let wake = Arc::new(Notify::new());
        let shared = Arc::clone(&wake);
        let following = tokio::spawn(async move { follow_sockets(&file, &subscribe, &shared).await });
        tokio::time::timeout(CONNECT_TIMEOUT, wake.notified()).await.unwrap();
        for task in [refusing, notifying, following] {
            assert!(!task.is_finished());
            task.abort();
        }
    }

    #[test]
    fn the_hint_names_the_setting() {
        let unnamed = without_wake_ups(&ChainFile { poll_ms: 500, ..ChainFile::default() });
        assert!(unnamed.contains("every 500 ms") && unnamed.contains("sockets = [\"ws://HOST:PORT\"]"), "{unnamed}");
        let named = without_wake_ups(&ChainFile { names_sockets: true, ..ChainFile::default() });
        assert!(named.ends_with("check `sockets` in the chain file"), "{named}");
    }
}
