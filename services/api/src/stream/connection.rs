//! One connection: reads what the client asks, writes what waits for it, and ends when it falls silent.

use super::protocol::{self, Answer, Ask, Misunderstood, What};
use super::snapshots::{self, Failed};
use crate::App;
use crate::live::{Mailbox, Outgoing, Place, Subscription};
use api_domain::Taken;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use environment::{Rate, TokenBucket, now_ms};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How often both sides show that they live.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client may be silent, not even answering pings.
const SILENCE: Duration = Duration::from_secs(50);
/// How long a client may take nothing of what is written to it.
const STUCK: Duration = Duration::from_mins(1);
/// Messages written between two flushes.
const HANDFUL: usize = 64;
/// What a client may ask.
const ASKING: Rate = Rate::per_second(10, 64);

type Out = SplitSink<WebSocket, Message>;

/// Serves one client until it leaves.
pub(super) async fn serve(app: &App, socket: WebSocket) {
    let mailbox = Arc::new(Mailbox::new());
    let reader = app.hub.attach(&mailbox);
    let hello = Answer::Hello {
        version: "v1",
        heartbeat_ms: u64::try_from(HEARTBEAT.as_millis()).unwrap_or(u64::MAX),
        max_subscriptions: Subscription::MOST,
    };
    mailbox.reply(Outgoing::Text(hello.text()));
    let (mut out, incoming) = socket.split();
    // Asking and telling run side by side: neither a slow reader nor a slow snapshot holds the other up.
    let ending = tokio::select! {
        ending = listen(app, reader, &mailbox, incoming) => ending,
        ending = tell(app, &mailbox, &mut out) => ending,
    };
    app.hub.detach(reader);
    close(&mut out, ending).await;
    tracing::debug!(event = "api.stream.closed", reader, reason = ending, "a stream has ended");
}

async fn listen(
    app: &App,
    reader: u64,
    mailbox: &Mailbox,
    mut incoming: futures_util::stream::SplitStream<WebSocket>,
) -> &'static str {
    let mut asked = TokenBucket::default();
    loop {
        let message = tokio::select! {
            message = timeout(SILENCE, incoming.next()) => message,
            () = app.shutdown.wait() => return "shutdown",
        };
        let text = match message {
            Err(_) => return "silent",
            Ok(None | Some(Ok(Message::Close(_)))) => return "closed",
            Ok(Some(Err(error))) => {
                tracing::debug!(error = &error as &dyn Error, "a stream broke");
                return "broken";
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Binary(_)))) => {
                refuse(mailbox, None, "bad-message", None, "messages are text");
                continue;
            }
            Ok(Some(Ok(Message::Text(text)))) => text,
        };
        if let Err(wait) = asked.try_take(ASKING, Duration::from_millis(now_ms())) {
            refuse(mailbox, None, "too-fast", None, "slow down");
            tokio::time::sleep(wait).await;
        }
        // A client that asks without reading waits here, so that its answers cannot pile up.
        mailbox.wait_for_room().await;
        answer(app, reader, mailbox, &text).await;
    }
}

async fn answer(app: &App, reader: u64, mailbox: &Mailbox, text: &str) {
    match protocol::read(text) {
        Err(Misunderstood { id, field, detail }) => {
            refuse(mailbox, id.as_deref(), "bad-message", field.as_deref(), &detail);
        }
        Ok(Ask::Ping) => mailbox.reply(Outgoing::Text(Answer::Pong.text())),
        Ok(Ask::Unsubscribe { id }) => {
            if app.hub.unsubscribe(reader, &id) {
                mailbox.reply(Outgoing::Text(Answer::Unsubscribed { id: &id }.text()));
            } else {
                refuse(mailbox, Some(&id), "unknown", Some("id"), "no such subscription");
            }
        }
        Ok(Ask::Subscribe { id, what, resume }) => match enter(app, reader, mailbox, &id, &what, resume.as_ref()).await
        {
            Ok(()) => {}
            Err(Failed::Refused(refused)) => {
                let (code, detail) = protocol::refusal(refused);
                refuse(mailbox, Some(&id), code, None, detail);
            }
            Err(Failed::Unavailable(error)) => {
                tracing::warn!(
                    event = "api.snapshot.failed",
                    error = &error as &dyn Error,
                    "failed to take a snapshot"
                );
                refuse(
                    mailbox,
                    Some(&id),
                    "unavailable",
                    None,
                    "the database cannot be read now; ask again in a moment",
                );
            }
        },
    }
}

async fn enter(
    app: &App,
    reader: u64,
    mailbox: &Mailbox,
    id: &str,
    what: &What,
    resume: Option<&Place>,
) -> Result<(), Failed> {
    match resume {
        Some(place) => snapshots::resume(app, reader, mailbox, id, what, place).await,
        None => snapshots::subscribe(app, reader, id, what).await,
    }
}

fn refuse(mailbox: &Mailbox, id: Option<&str>, code: &'static str, field: Option<&str>, detail: &str) {
    mailbox.reply(Outgoing::Text(Answer::Error { id, code, field, detail }.text()));
}

/// Writes what waits, and a heartbeat in time; returns when the client takes nothing any more.
async fn tell(app: &App, mailbox: &Mailbox, out: &mut Out) -> &'static str {
    let mut beat = Instant::now() + HEARTBEAT;
    loop {
        let written = tokio::select! {
            waiting = mailbox.take(HANDFUL) => timeout(STUCK, write(app, out, waiting)).await,
            () = tokio::time::sleep_until(beat) => {
                beat = Instant::now() + HEARTBEAT;
                timeout(STUCK, heartbeat(out)).await
            }
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "gone",
            Err(_) => return "stuck",
        }
    }
}

async fn write(app: &App, out: &mut Out, waiting: Vec<Taken<Outgoing>>) -> Result<(), axum::Error> {
    for taken in waiting {
        let text = match taken {
            Taken::Message(message) => message.text(),
            Taken::Gap(missed) => {
                app.hub.count_missed(missed);
                Answer::Gap { channel: "trades", missed }.text()
            }
        };
        out.feed(Message::Text(text)).await?;
    }
    out.flush().await
}

async fn heartbeat(out: &mut Out) -> Result<(), axum::Error> {
    out.feed(Message::Text(Answer::Heartbeat { now: now_ms() }.text())).await?;
    out.send(Message::Ping(axum::body::Bytes::new())).await
}

/// Tells a client why it is left.
async fn close(out: &mut Out, reason: &'static str) {
    let code = if reason == "shutdown" { close_code::AWAY } else { close_code::NORMAL };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = timeout(Duration::from_secs(1), out.send(Message::Close(Some(frame)))).await;
}
