//! How an instance stops: not ready first, serving on while it drains, then streams are sent elsewhere.

use crate::ground::Ground;
use crate::serving::Serving;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn an_instance_drains_and_sends_its_streams_elsewhere() {
    let ground = Ground::sqlite().await;
    let drain = Duration::from_secs(2);
    let api = Serving::with(&ground.url(), |settings| settings.drain = drain).await;
    api.following().await;
    let url = format!("ws://{}/v1/stream", api.addr);
    let (mut stream, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let begun = Instant::now();
    api.stop();
    let ready = api.request(Method::GET, "/ready", &[]).await;
    assert_eq!(ready.status(), 503);
    let body: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
    assert_eq!(body["status"], "stopping");
    assert_eq!(api.request(Method::GET, "/v1/chains", &[]).await.status(), 200, "it serves while it drains");
    let (mut late, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    assert!(begun.elapsed() < drain);
    for stream in [&mut stream, &mut late] {
        let close = loop {
            if let Message::Close(frame) = stream.next().await.unwrap().unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::Restart, "restart"));
        assert!(begun.elapsed() >= drain);
    }
    let closed = async {
        while TcpStream::connect(api.addr).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
}
