//! A server on this machine that stands for a provider, and recorded responses.

use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portfolio_domain::Snapshot;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use wire::v1::progress::{ChainProgressed, Generation, State as ChainState};

type Headers = Vec<(&'static str, String)>;
type CannedResponse = (u16, Headers, Vec<u8>);

/// A server with a list of responses; it records the requests.
#[derive(Clone, Default)]
pub(crate) struct ProviderServer {
    responses: Arc<Mutex<VecDeque<CannedResponse>>>,
    requests: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

async fn respond(State(server): State<ProviderServer>, RawQuery(query): RawQuery, request: Request) -> Response {
    let key = request.headers().get("x-api-key").map_or("no key", |key| key.to_str().unwrap()).to_owned();
    let request_line = format!("{} {} {} {key}", request.method(), request.uri().path(), query.unwrap_or_default());
    server.requests.lock().unwrap().push(request_line);
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    server.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
    let Some((status, headers, body)) = server.responses.lock().unwrap().pop_front() else {
        return (StatusCode::IM_A_TEAPOT, "asked too often").into_response();
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl ProviderServer {
    pub(crate) fn then(self, status: u16, body: impl Into<Vec<u8>>) -> Self {
        self.with(status, vec![], body)
    }

    pub(crate) fn with(self, status: u16, headers: Headers, body: impl Into<Vec<u8>>) -> Self {
        self.responses.lock().unwrap().push_back((status, headers, body.into()));
        self
    }

    /// Listens; returns the URL.
    pub(crate) async fn listen(&self, path: &str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

pub(crate) fn progress(providers: &[(&str, &str)]) -> ChainProgressed {
    let text = |text: &&str| (*text).to_owned();
    ChainProgressed {
        chain: "ethereum".to_owned(),
        network: "1".to_owned(),
        step: 1,
        at: 0,
        state: ChainState::Live,
        reason: None,
        published: None,
        latest: None,
        finalized: None,
        lag_blocks: 0,
        detector: Generation { plugin: "evm".to_owned(), version: "1".to_owned(), digest: "d".to_owned() },
        proof: "receipts".to_owned(),
        display: BTreeMap::new(),
        providers: providers.iter().map(|(name, value)| (text(name), text(value))).collect(),
        history: vec![],
        covered: vec![],
        partitions: vec![],
        candidates: vec![],
        unbacked: 0,
        dropped: BTreeMap::new(),
        waiting: false,
        since: 0,
        endpoint: None,
        written_by: None,
    }
}

/// A recorded response; none, with a printed line, where the recordings are missing and `CHAINTAPE_FIXTURES` is not
/// set.
pub(crate) fn recorded(path: &str) -> Option<Vec<u8>> {
    let configured = std::env::var_os("CHAINTAPE_FIXTURES").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let file = configured.clone().unwrap_or(beside).join(path);
    match std::fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) if configured.is_some() => panic!("failed to read {}: {error}", file.display()),
        Err(_) => {
            println!("skipped: no recorded responses at {}", file.display());
            None
        }
    }
}

pub(crate) fn rows(snapshot: &Snapshot) -> Vec<(String, String, Option<bool>)> {
    snapshot.balances().map(|row| (row.asset.clone(), row.raw.to_string(), row.decoration.spam)).collect()
}
