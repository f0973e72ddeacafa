//! The public listener: how many connections there may be, and how long each may keep the server waiting.
//!
//! A client that never finishes its headers, or reads nothing of a response, is disconnected; connections are counted in
//! all and per client, WebSockets among them. What one connection asks for is limited by `http/guard.rs`.
//!
//! Decisions
//! * 2026-11-29 – connections are accepted here and served by hyper itself. Context: `axum::serve` knows neither timeouts
//!   nor caps. Price: eighty lines, and hyper among the direct dependencies; both were there already through axum.

mod permits;
mod write_timeout;

pub(crate) use permits::{ClientCounts, ConnectionPermit};

use crate::clients::{ClientId, TrustedProxies};
use crate::http::Problem;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use environment::Shutdown;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt;
use write_timeout::WriteTimeout;

/// How long the headers of a request may take, and how long a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one write may take while the client reads nothing.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// Largest headers of a request.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long open requests and streams may take to end when the listener is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long no connection is accepted after accepting one failed, as when no file is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Refused connections that are told why at once; more are closed without a word.
const MAX_REFUSALS: usize = 64;
/// How long a refused client may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How many connections there may be.
pub(crate) struct ConnectionLimits {
    /// In all.
    pub(crate) connections: usize,
    /// Of one client; those of trusted proxies are not counted.
    pub(crate) per_client: usize,
    pub(crate) trusted_proxies: TrustedProxies,
}

/// Serves until `stopping`, then lets what is open end.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, stopping: Shutdown) {
    let most = u32::try_from(limits.connections.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let all = Arc::new(Semaphore::new(most as usize));
    let clients = ClientCounts::new();
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut waiting = pin!(stopping.wait());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut waiting => break,
        };
        let (connection, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(event = "api.accept.failed", %error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match admit(&all, &clients, &limits, peer) {
            Ok(permit) => {
                tokio::spawn(serve_connection(connection, peer, router.clone(), permit, stopping.clone()));
            }
            Err(problem) => {
                if let Ok(telling) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        let _ = timeout(REFUSAL_TIMEOUT, refuse(connection, &problem)).await;
                        drop(telling);
                    });
                }
            }
        }
    }
    drop(listener);
    // Every connection holds a permit, a WebSocket too: all are there again when all have ended.
    if timeout(CLOSE_TIMEOUT, all.acquire_many(most)).await.is_err() {
        tracing::warn!(event = "api.close.timeout", "some connections did not end in time and are cut");
    }
}

fn admit(
    all: &Arc<Semaphore>,
    clients: &Arc<ClientCounts>,
    limits: &ConnectionLimits,
    peer: SocketAddr,
) -> Result<ConnectionPermit, Problem> {
    let of_client = if limits.trusted_proxies.contains(peer.ip()) {
        None
    } else {
        let client = ClientId::from_address(peer.ip());
        Some(clients.take(client, limits.per_client).ok_or_else(Problem::too_many_connections)?)
    };
    let of_all = Arc::clone(all).try_acquire_owned().map_err(|_| Problem::no_connection_free())?;
    Ok(ConnectionPermit::new(of_all, of_client))
}

async fn serve_connection(
    connection: TcpStream,
    peer: SocketAddr,
    router: Router,
    permit: ConnectionPermit,
    stopping: Shutdown,
) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(event = "api.connection.delayed", %error, "cannot set TCP_NODELAY on a connection; it is served without");
    }
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(permit.clone());
        router.clone().oneshot(request)
    });
    let io = TokioIo::new(WriteTimeout::new(connection, WRITE_TIMEOUT));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(io, service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopping.wait() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event = "api.connection.failed", %error, %peer, "a connection ended");
    }
}

/// Says why a connection is refused. What the client has sent is read, so that closing does not take the words back.
async fn refuse(mut connection: TcpStream, problem: &Problem) {
    if connection.write_all(&problem.as_last_response()).await.is_err() || connection.shutdown().await.is_err() {
        return;
    }
    let mut sent = [0; 1024];
    while connection.read(&mut sent).await.is_ok_and(|read| read > 0) {}
}
