//! One WebSocket connection: handles the client's requests and writes the messages that wait for it.

use super::protocol::{self, BadMessage, ClientRequest, ServerMessage};
use super::snapshots::{self, SubscribeError};
use crate::App;
use crate::live::{Mailbox, Outgoing, Subscription};
use api_domain::Delivery;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use environment::{Rate, TokenBucket, now_ms};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How often both sides show that they are alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// How long a client may send nothing, not even answers to pings.
const CLIENT_SILENCE_TIMEOUT: Duration = Duration::from_secs(50);
/// How long one write may take while the client reads nothing.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// Messages written between two flushes at most.
const MAX_MESSAGES_PER_FLUSH: usize = 64;
/// How often a client may send messages.
const CLIENT_MESSAGE_RATE: Rate = Rate::per_second(10, 64);

/// How long the close frame may take to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

type SocketSink = SplitSink<WebSocket, Message>;

/// Serves one client until it leaves.
pub(super) async fn serve(app: &App, socket: WebSocket) {
    let mailbox = Arc::new(Mailbox::new());
    let reader = app.hub.attach(&mailbox);
    let hello = ServerMessage::Hello {
        version: "v1",
        heartbeat_ms: u64::try_from(HEARTBEAT_INTERVAL.as_millis()).unwrap_or(u64::MAX),
        max_subscriptions: Subscription::MAX_PER_READER,
    };
    mailbox.reply(hello.text());
    let (mut sink, incoming) = socket.split();
    // Receiving and sending run side by side: neither a slow reader nor a slow snapshot delays the other.
    let ending = tokio::select! {
        ending = receive(app, reader, &mailbox, incoming) => ending,
        ending = send(app, &mailbox, &mut sink) => ending,
    };
    app.hub.detach(reader);
    close(&mut sink, ending).await;
    tracing::debug!(event = "api.stream.closed", reader, reason = ending, "a stream is closed");
}

async fn receive(
    app: &App,
    reader: u64,
    mailbox: &Mailbox,
    mut incoming: futures_util::stream::SplitStream<WebSocket>,
) -> &'static str {
    let mut tokens = TokenBucket::default();
    loop {
        let message = tokio::select! {
            message = timeout(CLIENT_SILENCE_TIMEOUT, incoming.next()) => message,
            () = app.stopping.wait() => return "restart",
        };
        let text = match message {
            Err(_) => return "silent",
            Ok(None | Some(Ok(Message::Close(_)))) => return "closed",
            Ok(Some(Err(error))) => {
                tracing::debug!(event = "api.stream.broken", error = &error as &dyn Error, "a stream is broken");
                return "broken";
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Binary(_)))) => {
                reply_error(mailbox, None, "bad-message", None, "messages are text");
                continue;
            }
            Ok(Some(Ok(Message::Text(text)))) => text,
        };
        if let Err(wait) = tokens.try_take(CLIENT_MESSAGE_RATE, Duration::from_millis(now_ms())) {
            reply_error(mailbox, None, "too-fast", None, "slow down");
            tokio::time::sleep(wait).await;
        }
        // A client that sends requests without reading the replies waits here, so that these cannot pile up.
        mailbox.wait_for_room().await;
        handle_message(app, reader, mailbox, &text).await;
    }
}

async fn handle_message(app: &App, reader: u64, mailbox: &Mailbox, text: &str) {
    match protocol::parse_message(text) {
        Err(BadMessage { id, field, detail }) => {
            reply_error(mailbox, id.as_deref(), "bad-message", field.as_deref(), &detail);
        }
        Ok(ClientRequest::Ping) => mailbox.reply(ServerMessage::Pong.text()),
        Ok(ClientRequest::Unsubscribe { id }) => {
            if app.hub.unsubscribe(reader, &id) {
                mailbox.reply(ServerMessage::Unsubscribed { id: &id }.text());
            } else {
                reply_error(mailbox, Some(&id), "unknown", Some("id"), "no such subscription");
            }
        }
        Ok(ClientRequest::Subscribe { id, selection, resume }) => {
            let subscribed = async {
                let selection = snapshots::completed(app, selection).await?;
                match resume {
                    Some(point) => snapshots::resume(app, reader, mailbox, &id, &selection, &point).await,
                    None => snapshots::subscribe(app, reader, &id, &selection).await,
                }
            };
            if let Err(error) = subscribed.await {
                reply_subscribe_error(mailbox, &id, &error);
            }
        }
    }
}

fn reply_subscribe_error(mailbox: &Mailbox, id: &str, error: &SubscribeError) {
    match error {
        SubscribeError::Refused(refused) => {
            let (code, detail) = protocol::refusal(*refused);
            reply_error(mailbox, Some(id), code, None, detail);
        }
        SubscribeError::WrongName(wrong) => {
            let field = format!("filter.{}", wrong.field);
            reply_error(mailbox, Some(id), "bad-message", Some(&field), &wrong.rule);
        }
        SubscribeError::Unavailable(error) => {
            tracing::warn!(
                event = "api.snapshot.failed",
                error = error as &dyn Error,
                "cannot read the snapshot of a subscription; the client is asked to retry"
            );
            let detail = "the database cannot be read now; ask again in a moment";
            reply_error(mailbox, Some(id), "unavailable", None, detail);
        }
    }
}

fn reply_error(mailbox: &Mailbox, id: Option<&str>, code: &'static str, field: Option<&str>, detail: &str) {
    mailbox.reply(ServerMessage::Error { id, code, field, detail }.text());
}

/// Writes the messages that wait, and heartbeats; returns why when the client reads nothing any more.
async fn send(app: &App, mailbox: &Mailbox, sink: &mut SocketSink) -> &'static str {
    let mut next_heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
    loop {
        let written = tokio::select! {
            deliveries = mailbox.take_messages(MAX_MESSAGES_PER_FLUSH) => {
                timeout(WRITE_TIMEOUT, write(app, sink, deliveries)).await
            }
            () = tokio::time::sleep_until(next_heartbeat) => {
                next_heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
                timeout(WRITE_TIMEOUT, heartbeat(sink)).await
            }
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "gone",
            Err(_) => return "stuck",
        }
    }
}

async fn write(app: &App, sink: &mut SocketSink, deliveries: Vec<Delivery<Outgoing>>) -> Result<(), axum::Error> {
    for delivery in deliveries {
        let text = match delivery {
            Delivery::Message(message) => message.text(),
            Delivery::Gap(missed) => {
                app.hub.count_missed(missed);
                ServerMessage::Gap { channel: "trades", missed }.text()
            }
        };
        sink.feed(Message::Text(text)).await?;
    }
    sink.flush().await
}

async fn heartbeat(sink: &mut SocketSink) -> Result<(), axum::Error> {
    sink.feed(Message::Text(ServerMessage::Heartbeat { now: now_ms() }.text())).await?;
    sink.send(Message::Ping(axum::body::Bytes::new())).await
}

/// Closes the connection and says why.
async fn close(sink: &mut SocketSink, reason: &'static str) {
    // 1012: this instance restarts or goes away; the client connects again, and reaches another one.
    let code = if reason == "restart" { close_code::RESTART } else { close_code::NORMAL };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(frame)))).await;
}
