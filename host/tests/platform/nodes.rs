//! Nodes that want to be told who asks, and nodes behind a proxy: what they get, and what nobody sees of it.

use axum::Router;
use axum::extract::Request as Received;
use axum::http::{HeaderMap, StatusCode};
use chain_ingestor::chainfile::{Limits, NodeAddress, NodeProxy};
use chain_ingestor::plugin::Budget;
use chain_ingestor::upstream::{Endpoint, Request, Response, UpstreamError};
use environment::Secret;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const LOGIN: &str = "Bearer token-of-the-node";

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A node that answers those who log in, and repeats the login, as careless ones do.
async fn shut(headers: HeaderMap) -> (StatusCode, [(&'static str, String); 1], String) {
    let login = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let status = if login == LOGIN { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    (status, [("x-seen", login.clone())], format!("{{\"login\":\"{login}\"}}"))
}

async fn ask(node: NodeAddress, proxy: &NodeProxy, headers: Vec<(String, String)>) -> Result<Response, UpstreamError> {
    let endpoint = Endpoint::all(&[node], proxy, &Limits::default()).unwrap().remove(0);
    let request = Request { path: "/v1".to_owned(), headers, body: Some(b"{}".to_vec()), weight: 1 };
    endpoint.send(vec![request], &Budget::new(1 << 20)).await.remove(0)
}

fn with_login(url: String, login: &str) -> NodeAddress {
    NodeAddress { url, headers: BTreeMap::from([("Authorization".to_owned(), Secret::new(login))]) }
}

#[tokio::test]
async fn a_node_gets_its_headers_and_a_plugin_does_not_see_them() {
    let address = serve(Router::new().fallback(shut)).await;
    let url = format!("http://{address}");
    let answer = ask(with_login(url.clone(), LOGIN), &NodeProxy::Direct, vec![]).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"{\"login\":\"***\"}");
    assert!(answer.headers.contains(&("x-seen".to_owned(), "***".to_owned())), "{:?}", answer.headers);
    for (node, status) in [(url.as_str().into(), 401), (with_login(url.clone(), "Bearer other-token"), 401)] {
        assert_eq!(ask(node, &NodeProxy::Direct, vec![]).await.unwrap().status, status);
    }
    // A plugin cannot log in for the host.
    let own = vec![("authorization".to_owned(), LOGIN.to_owned())];
    let refused = ask(url.as_str().into(), &NodeProxy::Direct, own).await.unwrap_err();
    assert!(refused.to_string().contains("host's own"), "{refused}");
}

#[tokio::test]
async fn a_node_is_reached_through_the_proxy_that_the_chain_file_names() {
    // Nothing listens where the node should be: only the proxy knows a way.
    let proxied = async |request: Received| {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        format!("{} {:?} {:?}", request.uri(), header("proxy-authorization"), header("authorization"))
    };
    let proxy = serve(Router::new().fallback(proxied)).await;
    let through = NodeProxy::Through(Secret::new(format!("http://user:password-of-9@{proxy}")));
    let answer = ask(with_login("http://node.invalid:8545".to_owned(), LOGIN), &through, vec![]).await.unwrap();
    let seen = String::from_utf8(answer.body).unwrap();
    assert!(seen.starts_with("http://node.invalid:8545/v1 Some(\"Basic "), "{seen}");
    assert!(seen.ends_with("Some(\"***\")"), "the node's login goes along and is struck out: {seen}");
}

/// A node that compresses by whatever is asked for first, and one that compresses by gzip alone.
#[tokio::test]
async fn answers_are_inflated_by_zstd_and_by_gzip() {
    let text = "{\"result\":\"0x0\"}".repeat(999);
    for (coding, body) in [
        ("zstd", ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)),
        ("gzip", {
            let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        }),
    ] {
        let compressed = async move |headers: HeaderMap| {
            assert_eq!(headers["accept-encoding"], "zstd, gzip");
            ([("content-encoding", coding)], body.clone())
        };
        let address = serve(Router::new().fallback(compressed)).await;
        let answer = ask(format!("http://{address}").as_str().into(), &NodeProxy::Direct, vec![]).await.unwrap();
        assert_eq!(String::from_utf8(answer.body).unwrap(), text, "{coding}");
        assert!(answer.headers.iter().all(|(name, _)| name != "content-encoding"), "{:?}", answer.headers);
    }
}

/// One call is told that there are too many: a call that was told nothing waits as well, and both are answered afterwards.
#[tokio::test]
async fn a_429_makes_every_call_to_that_endpoint_wait() {
    let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let limited_once = async move || {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        let status = if seen.len() == 1 { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
        (status, [("retry-after", "1")], "{}")
    };
    let address = serve(Router::new().fallback(limited_once)).await;
    let node = NodeAddress::from(format!("http://{address}").as_str());
    let endpoint = Endpoint::all(&[node], &NodeProxy::Direct, &Limits::default()).unwrap().remove(0);
    let call = async |endpoint: Arc<Endpoint>| {
        let request = Request { path: String::new(), headers: vec![], body: Some(b"{}".to_vec()), weight: 1 };
        endpoint.send(vec![request], &Budget::new(1 << 20)).await.remove(0)
    };
    let first = tokio::spawn(call(Arc::clone(&endpoint)));
    while endpoint.times_limited() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = call(Arc::clone(&endpoint)).await.unwrap();
    assert_eq!((second.status, first.await.unwrap().unwrap().status), (200, 200));
    let asked = asked.lock().unwrap();
    assert_eq!((asked.len(), endpoint.times_limited()), (3, 1));
    let pause = Duration::from_millis(900);
    assert!(asked[1..].iter().all(|at| at.duration_since(asked[0]) > pause), "nothing is sent while it lasts");
}
