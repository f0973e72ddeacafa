//! The public door: clients that are slow, greedy, or led here by foreign pages keep nobody else out.

use crate::ground::Ground;
use crate::serving::Serving;
use reqwest::Method;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Sends this much of a request on a connection of its own, and returns what came back and when it was closed.
async fn exchange(api: &Serving, sent: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut connection = TcpStream::connect(api.addr).await.unwrap();
    connection.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = vec![];
    let read = tokio::time::timeout(Duration::from_secs(30), connection.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "{sent:?} keeps its connection");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

/// What one test changes of the settings.
type Change = fn(&mut api::Settings);

#[tokio::test]
async fn requests_that_are_never_finished_are_dropped() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    let slow = async {
        let mut connection = TcpStream::connect(api.addr).await.unwrap();
        let begun = Instant::now();
        // One byte a second: no single wait is long, the headers never end.
        for byte in b"GET /v1/chains HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if connection.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        begun.elapsed()
    };
    let (silent, half, idle, slow) = tokio::join!(
        exchange(&api, ""),
        exchange(&api, "GET /v1/chains HTTP/1.1\r\nhost: x\r\n"),
        exchange(&api, "GET /v1/chains HTTP/1.1\r\nhost: x\r\n\r\n"),
        slow,
    );
    assert!(idle.0.starts_with("HTTP/1.1 200"), "{}", idle.0);
    for (what, took) in [("silent", silent.1), ("half", half.1), ("idle", idle.1), ("slow", slow)] {
        assert!((5..15).contains(&took.as_secs()), "{what} was dropped after {took:?}");
    }
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    for head in ["content-length: 1000000", "transfer-encoding: chunked"] {
        let (answer, took) = exchange(&api, &format!("GET /v1/chains HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n5")).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn connections_are_capped_for_a_client_and_in_all() {
    let ground = Ground::sqlite().await;
    let limits: [(Change, &str, &str); 3] = [
        (|settings| settings.sockets_per_client = 3, "429 Too Many Requests", "too-many-connections"),
        (|settings| settings.max_sockets = 3, "503 Service Unavailable", "full"),
        (
            |settings| {
                settings.sockets_per_client = 1;
                settings.max_sockets = 3;
                settings.trusted_proxies = "127.0.0.1".parse().unwrap();
            },
            "503 Service Unavailable",
            "full",
        ),
    ];
    for (limit, status, kind) in limits {
        let api = Serving::with(&ground.url(), limit).await;
        let mut open = vec![];
        for _ in 0..2 {
            open.push(TcpStream::connect(api.addr).await.unwrap());
        }
        // A stream is a connection too.
        let stream = api.stream().await;
        let (refused, took) = exchange(&api, "GET /v1/chains HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{refused}");
        assert!(refused.contains("retry-after: 5\r\n") && refused.contains(kind), "{refused}");
        assert!(took < Duration::from_secs(5));
        drop((open, stream));
        let free = async {
            while !exchange(&api, "GET /v1/chains HTTP/1.0\r\n\r\n").await.0.contains(" 200 OK") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
    }
}

/// The status that a handshake is answered with; 101 when the stream opens.
async fn handshake(api: &Serving, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = format!("ws://{}/v1/stream", api.addr).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn streams_are_capped_for_a_client() {
    let ground = Ground::sqlite().await;
    let api = Serving::with(&ground.url(), |settings| {
        settings.streams_per_client = 2;
        settings.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    let (_one, _two) = (api.stream().await, api.stream().await);
    assert_eq!(handshake(&api, &[]).await, 429);
    assert_eq!(handshake(&api, &[("x-forwarded-for", "192.0.2.1")]).await, 101, "another client");
}

#[tokio::test]
async fn foreign_pages_open_no_stream() {
    let ground = Ground::sqlite().await;
    let api = Serving::on(&ground).await;
    let own = format!("http://{}", api.addr);
    assert_eq!(handshake(&api, &[("origin", &own)]).await, 101);
    assert_eq!(handshake(&api, &[("origin", "https://evil.example")]).await, 403);
    let allowing =
        Serving::with(&ground.url(), |settings| settings.origins = "https://good.example".parse().ok()).await;
    assert_eq!(handshake(&allowing, &[("origin", "https://good.example")]).await, 101);
    assert_eq!(handshake(&allowing, &[("origin", "https://evil.example")]).await, 403);
}

#[tokio::test]
async fn with_an_admin_address_the_public_one_shows_no_operations() {
    let ground = Ground::sqlite().await;
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = Serving::with(&ground.url(), |settings| settings.admin_addr = Some(admin)).await;
    for path in ["/health", "/ready", "/metrics"] {
        let status = async |addr: std::net::SocketAddr| {
            reqwest::get(format!("http://{addr}{path}")).await.unwrap().status().as_u16()
        };
        assert_eq!((status(api.addr).await, status(admin).await), (404, 200), "{path}");
    }
    assert_eq!(reqwest::get(format!("http://{admin}/v1/chains")).await.unwrap().status(), 404);
    assert_eq!(api.request(Method::GET, "/v1/chains", &[]).await.status(), 200);
}
