//! A running api for a test, with HTTP and WebSocket clients.

use crate::ground::Ground;
use api::{Settings, TrustedProxies};
use environment::{Rate, Secret, Shutdown};
use futures_util::{SinkExt, StreamExt};
use jsonschema::Validator;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tape::Event;
use tape_log::{Log, Record, Target, Topic, topics};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a test waits for what must happen.
pub(crate) const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

/// A running api.
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    pub(crate) log: Log,
    client: Client,
    shutdown: Shutdown,
}

impl Serving {
    /// Starts it over a test's database.
    pub(crate) async fn on(ground: &Ground) -> Self {
        Self::with(&ground.url(), |_| {}).await
    }

    /// Starts it with changed settings.
    pub(crate) async fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(Log::open(&Target::Memory).await.unwrap(), url, change).await
    }

    /// Starts it over a given log.
    pub(crate) async fn over(log: Log, url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        environment::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut settings = Settings {
            addr,
            database: Secret::new(url),
            database_read: None,
            rate: None,
            trusted_proxies: TrustedProxies::default(),
            keys: None,
            lookback: Duration::from_mins(5),
            max_connections: 100,
            streams_per_client: 100,
            max_sockets: 20_000,
            sockets_per_client: 20_000,
            admin_addr: None,
            drain: Duration::ZERO,
            origins: None,
        };
        change(&mut settings);
        let shutdown = Shutdown::default();
        tokio::spawn(api::serve(listener, settings, log.clone(), shutdown.clone()));
        Self { addr, log, client: Client::builder().gzip(false).build().unwrap(), shutdown }
    }

    /// Asks it to stop, as a signal does.
    pub(crate) fn stop(&self) {
        self.shutdown.trigger();
    }

    /// Settings with a request limit.
    pub(crate) fn rated(per_second: u32, burst: u32) -> impl FnOnce(&mut Settings) {
        move |settings| settings.rate = Some(Rate::per_second(per_second, burst))
    }

    pub(crate) async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// The body of a response, which must be 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path, &[]).await;
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until `/ready` says that the log is followed.
    pub(crate) async fn following(&self) {
        let following = async {
            loop {
                let body = self.request(Method::GET, "/ready", &[]).await.text().await.unwrap();
                let ready: Value = serde_json::from_str(&body).unwrap();
                if ready["log"]["following"] == true {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(EVENT_TIMEOUT, following).await.unwrap();
    }

    /// Publishes trade events as the ingestor does.
    pub(crate) async fn publish(&self, events: &[Event]) {
        let record = |event: &Event| record(&topics::TRADES, &event.trade.key(), wire::v1::trade::encode(event));
        self.log.publish(events.iter().map(record).collect()).await.unwrap();
    }

    /// Publishes a record of any topic.
    pub(crate) async fn publish_record(&self, topic: &Topic, key: &str, value: Vec<u8>) {
        self.log.publish(vec![record(topic, key, value)]).await.unwrap();
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self) -> Listener {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/v1/stream", self.addr)).await.unwrap();
        let mut listener = Listener(socket);
        assert_eq!(listener.next().await["type"], "hello");
        listener
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

fn record(topic: &Topic, key: &str, value: Vec<u8>) -> Record {
    Record { partition: topic.partition_of(key.as_bytes()), key: key.into(), headers: vec![], value: Some(value) }
}

/// A client of the stream.
pub(crate) struct Listener(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Listener {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message that is no heartbeat.
    pub(crate) async fn next(&mut self) -> Value {
        self.next_if_any().await.unwrap()
    }

    /// The next message, or none when the stream has ended.
    pub(crate) async fn next_if_any(&mut self) -> Option<Value> {
        loop {
            match tokio::time::timeout(EVENT_TIMEOUT, self.0.next()).await.unwrap()? {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    check_message(&message);
                    if message["type"] != "heartbeat" {
                        return Some(message);
                    }
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Asserts that nothing is waiting: a ping is answered before anything else arrives.
    pub(crate) async fn expect_nothing(&mut self) {
        self.send(r#"{"op":"ping"}"#).await;
        assert_eq!(self.next().await["type"], "pong");
    }
}

/// The AsyncAPI document as it is published.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

/// Validators by the name of the message.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Every message that a test receives is one that the AsyncAPI document describes.
fn check_message(message: &Value) {
    let kind = message["type"].as_str().unwrap();
    let name = match kind {
        "snapshot" | "update" => format!("{kind}.{}", message["channel"].as_str().unwrap()),
        other => other.to_owned(),
    };
    let known = VALIDATORS.lock().unwrap().get(&name).cloned();
    let validator = known.unwrap_or_else(|| {
        let payload = &DOCUMENT["components"]["messages"][&name]["payload"];
        assert!(payload.is_object(), "no schema for {message}");
        let schema = json!({ "allOf": [payload], "components": DOCUMENT["components"] });
        let validator = Arc::new(jsonschema::validator_for(&schema).unwrap());
        VALIDATORS.lock().unwrap().insert(name.clone(), Arc::clone(&validator));
        validator
    });
    let wrong: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{name} is not as asyncapi.json says: {wrong:?}\n{message}");
}
