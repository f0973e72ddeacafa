//! The health of a process: what it waits for, what it counted and measured, served at `GET /health`, `/ready` and
//! `/metrics`, and the probe.

use crate::Measurements;
use axum::Json;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a process waits for, and what it counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// What it waits for before it can work: `log`, `database`, `upstream`, `plugin`; ready when empty.
    pub waiting_for: Vec<String>,
    /// Sentences about what is wrong but keeps it from nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// What it has counted since it started.
    pub counters: BTreeMap<String, u64>,
}

/// Sentences about what is wrong in a process but keeps it from nothing else, each under a key. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<BTreeMap<String, String>>>);

impl Notices {
    /// Sets a sentence. Returns whether there was none under the key.
    pub fn set(&self, key: &str, sentence: &str) -> bool {
        self.all().insert(key.to_owned(), sentence.to_owned()).is_none()
    }

    /// Keeps the sentences whose key passes, and returns the keys of the others.
    pub fn retain(&self, passes: impl Fn(&str) -> bool) -> Vec<String> {
        let mut all = self.all();
        let gone: Vec<String> = all.keys().filter(|key| !passes(key)).cloned().collect();
        all.retain(|key, _| passes(key));
        gone
    }

    /// The sentences in order of their keys.
    pub fn sentences(&self) -> Vec<String> {
        self.all().values().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // A panic cannot leave a map of texts half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// Whether it waits for nothing.
    pub fn ready(&self) -> bool {
        self.waiting_for.is_empty()
    }
}

/// Answers on `addr` until dropped.
pub async fn serve(
    addr: SocketAddr,
    health: impl Fn() -> Health + Clone + Send + Sync + 'static,
    measurements: Measurements,
) -> io::Result<()> {
    serve_on(TcpListener::bind(addr).await?, health, measurements).await
}

/// Answers on a bound listener until dropped.
pub async fn serve_on(
    listener: TcpListener,
    health: impl Fn() -> Health + Clone + Send + Sync + 'static,
    measurements: Measurements,
) -> io::Result<()> {
    let ready = health.clone();
    let router = Router::new()
        .route("/health", get(move || std::future::ready(answer(&health(), StatusCode::OK))))
        .route("/ready", get(move || std::future::ready(answer(&ready(), StatusCode::SERVICE_UNAVAILABLE))))
        .route("/metrics", get(move || std::future::ready(measurements_response(measurements.text()))));
    axum::serve(listener, router).await
}

/// The answer to whoever reads measurements in the text format of Prometheus.
pub fn measurements_response(text: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}

/// Why a probe fails. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing answers there.
    #[error("reach {addr}")]
    Unreachable {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The process answers with another status than 200.
    #[error("find {addr} well: {answer}")]
    Unwell {
        /// Where.
        addr: SocketAddr,
        /// Its status line and body.
        answer: String,
    },
}

/// The body of `/health` at this address: the process there is alive. For `health` subcommands.
pub async fn probe(addr: SocketAddr) -> Result<String, ProbeError> {
    get_path(addr, "/health").await
}

/// The body of `/ready` at this address: the process there is ready.
pub async fn probe_ready(addr: SocketAddr) -> Result<String, ProbeError> {
    get_path(addr, "/ready").await
}

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

async fn get_path(addr: SocketAddr, path: &str) -> Result<String, ProbeError> {
    let answer = tokio::time::timeout(PROBE_TIMEOUT, exchange(reachable(addr), path))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| ProbeError::Unreachable { addr, source })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(ProbeError::Unwell { addr, answer: format!("{status} {body}") })
}

async fn exchange(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A process that listens on all addresses is reached on the loopback address.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[derive(Serialize)]
struct HealthBody<'a> {
    status: &'static str,
    #[serde(flatten)]
    health: &'a Health,
}

fn answer(health: &Health, waiting: StatusCode) -> (StatusCode, Json<serde_json::Value>) {
    let (code, status) = if health.ready() { (StatusCode::OK, "ready") } else { (waiting, "waiting") };
    let body = serde_json::to_value(HealthBody { status, health }).unwrap_or_default();
    (code, Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_process_shows_what_it_waits_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ready = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&ready);
        let health = move || Health {
            waiting_for: if now.load(Ordering::Relaxed) { vec![] } else { vec!["database".to_owned()] },
            notices: vec!["one network is not asked for".to_owned()],
            counters: BTreeMap::from([("trades".to_owned(), 7)]),
        };
        let measurements = Measurements::of("metrics");
        measurements.meter().u64_counter("chaintape.counted").build().add(7, &[]);
        let serving = tokio::spawn(serve_on(listener, health, measurements));
        let measured = get_path(addr, "/metrics").await.unwrap();
        assert_eq!(measured.contains("chaintape_counted_total 7"), cfg!(feature = "otlp"), "{measured}");
        let body = probe(addr).await.unwrap();
        assert!(body.contains(r#""waitingFor":["database"]"#) && body.contains(r#""trades":7"#), "{body}");
        assert!(body.contains(r#""notices":["one network is not asked for"]"#), "{body}");
        let refused = probe_ready(addr).await.unwrap_err().to_string();
        assert!(refused.contains("503") && refused.contains("database"), "{refused}");
        ready.store(true, Ordering::Relaxed);
        assert!(probe_ready(addr).await.unwrap().contains(r#""status":"ready""#));
        assert!(matches!(get_path(addr, "/other").await, Err(ProbeError::Unwell { .. })));
        serving.abort();
        let _ = serving.await;
        assert!(matches!(probe(addr).await, Err(ProbeError::Unreachable { .. })));
    }
}
