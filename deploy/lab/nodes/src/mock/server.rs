//! The mock node's HTTP server: two paths, and the faults of one address.

use super::{Fault, Faults, Node};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Most heights in one answer.
const WIDEST: u64 = 1_000;

/// A served address; dropping it closes its port.
pub struct Server(JoinHandle<std::io::Result<()>>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn serve(node: Node, address: SocketAddr, faults: Faults) -> std::io::Result<(SocketAddr, Server)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/head", get(head)).route("/blocks", get(blocks)).with_state((node, faults));
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, Server(task)))
}

#[derive(Deserialize)]
struct Span {
    first: u64,
    last: u64,
}

async fn head(State((node, faults)): State<(Node, Faults)>) -> Response {
    let fault = faults.next();
    let lag = if fault == Some(Fault::StaleHead) { 5 } else { 0 };
    let mut head = node.head(lag);
    if fault == Some(Fault::WrongNetwork) {
        "mock/another".clone_into(&mut head.network);
    }
    answer(fault, &head)
}

async fn blocks(State((node, faults)): State<(Node, Faults)>, Query(span): Query<Span>) -> Response {
    let fault = faults.next();
    let mut served = node.blocks(span.first, span.last.min(span.first.saturating_add(WIDEST - 1)));
    match fault {
        Some(Fault::Gap) if served.blocks.len() > 2 => drop(served.blocks.remove(1)),
        Some(Fault::MissingTrade) => {
            if let Some(block) = served.blocks.last_mut() {
                block.trades.pop();
            }
        }
        _ => {}
    }
    answer(fault, &served)
}

fn answer(fault: Option<Fault>, right: &impl Serialize) -> Response {
    let text = serde_json::to_string(right).unwrap_or_default();
    match fault {
        Some(Fault::TooMany) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")], "slow down").into_response()
        }
        Some(Fault::Broken) => (StatusCode::INTERNAL_SERVER_ERROR, "scripted fault").into_response(),
        Some(Fault::NotJson) => "<html><body>502 Bad Gateway</body></html>".into_response(),
        Some(Fault::CutOff) => text[..text.len() / 2].to_owned().into_response(),
        _ => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
    }
}
