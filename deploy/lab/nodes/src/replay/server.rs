//! The replay node's HTTP server: one POST endpoint under every path, and the faults that happen below JSON.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::faults::Fault;
use super::node::Node;
use super::rpc::{View, answer, refuse};

/// The largest request taken.
const REQUEST_LIMIT: usize = 16 << 20;

/// A running node; dropping it closes its port.
#[derive(Debug)]
pub struct Server(JoinHandle<std::io::Result<()>>);

impl Server {
    /// Waits until the server ends, which it does only by an error of its listener.
    pub async fn wait(mut self) -> std::io::Result<()> {
        (&mut self.0).await.map_err(std::io::Error::other)?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn serve(node: Node, address: SocketAddr, beside: Router) -> std::io::Result<(SocketAddr, Server)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(handle).layer(DefaultBodyLimit::max(REQUEST_LIMIT)).with_state(node).merge(beside);
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, Server(task)))
}

async fn handle(State(node): State<Node>, headers: HeaderMap, body: Bytes) -> Response {
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_packed = node.has_gzip() && accepts.contains("gzip");
    let json = |text: String| json(&node, text, is_packed);
    let right = |view| answer(&node, &body, view);
    let whole = View::default();
    let (number, fault) = node.next_fault();
    match fault {
        None => json(right(whole)),
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "scripted fault").into_response()
        }
        Some(Fault::RetryAfter(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], "slow down").into_response()
        }
        Some(Fault::CutOff) => cut_off(&right(whole)),
        Some(Fault::HalfJson) => {
            let text = right(whole);
            json(text.chars().take(text.len() / 2).collect())
        }
        Some(Fault::NotJson) => {
            let page = "<html><body>502 Bad Gateway</body></html>";
            ([(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        Some(Fault::RpcError(code, message)) => json(refuse(&node, &body, code, &message)),
        Some(Fault::Huge(bytes)) => huge(bytes),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            json(right(whole))
        }
        Some(Fault::StaleHead(behind)) => json(lied(&node, right(View { behind, ..whole }), &right(whole))),
        Some(Fault::MissingLog) => json(lied(&node, right(View { missing_log: true, ..whole }), &right(whole))),
        Some(Fault::Thinned(one_in)) => {
            json(lied(&node, right(View { thinned: Some((number, one_in)), ..whole }), &right(whole)))
        }
        Some(Fault::Node(other)) => {
            other.set_head(node.head());
            json(lied(&node, answer(&other, &body, whole), &right(whole)))
        }
    }
}

/// Counts what is not the truth.
fn lied(node: &Node, text: String, truth: &str) -> String {
    if text != truth {
        node.count_lie();
    }
    text
}

/// A whole answer, compressed as fast as that goes where the client accepts it.
fn json(node: &Node, text: String, is_packed: bool) -> Response {
    let kind = (header::CONTENT_TYPE, "application/json");
    let mut packed =
        GzEncoder::new(Vec::with_capacity(if is_packed { text.len() / 4 } else { 0 }), Compression::fast());
    if is_packed
        && packed.write_all(text.as_bytes()).is_ok()
        && let Ok(packed) = packed.finish()
    {
        node.count_sent(packed.len());
        return ([kind, (header::CONTENT_ENCODING, "gzip")], packed).into_response();
    }
    node.count_sent(text.len());
    ([kind], text).into_response()
}

/// Announces the whole body, sends half of it, and lets the connection go.
fn cut_off(text: &str) -> Response {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let parts = stream::unfold(Some(half), |half| async {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // Lets the first half leave before the connection breaks.
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Err(std::io::Error::other("scripted fault")), None))
    });
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, text.len().to_string())];
    (headers, Body::from_stream(parts)).into_response()
}

/// A JSON string of so many bytes, made while it is sent.
fn huge(bytes: u64) -> Response {
    const PIECE: u64 = 64 << 10;
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let body = stream::unfold(bytes.saturating_sub(2), move |left| {
        let piece = piece.clone();
        async move {
            let now = left.min(PIECE);
            let length = usize::try_from(now).unwrap_or_default();
            (now > 0).then(|| (Ok::<_, std::io::Error>(piece.slice(..length)), left - now))
        }
    });
    let quote = || stream::iter([Ok(Bytes::from_static(b"\""))]);
    let body = futures_util::StreamExt::chain(futures_util::StreamExt::chain(quote(), body), quote());
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}
