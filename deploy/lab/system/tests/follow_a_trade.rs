//! One journey: swaps on a real node, through every hop, to REST, WebSocket and a user's metrics; then a reorg takes
//! them back everywhere.
#![expect(clippy::unwrap_used, reason = "tests")]

use environment::Problems;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use system::anvil;
use system::evm_node::EvmNode;
use system::line::{Ground, Line, PROCESSES, ProcessAccess};
use system::log_lines;
use system::venues::Venues;
use tape_log::Target;
use tape_log::settings::KafkaSettings;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const STEP_TIMEOUT: Duration = Duration::from_mins(1);

/// Ten dollars in the test dollar's smallest unit.
const TEN: u128 = 10_000_000_000_000_000_000;

struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let answer = self.http.get(format!("{}{path}", self.base)).send().await;
                if let Ok(answer) = answer
                    && answer.status().is_success()
                    && let Ok(answer) = answer.json().await
                    && wanted(&answer)
                {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(STEP_TIMEOUT, asked).await {
            Ok(answer) => answer,
            Err(_) => unreachable!("{path} still answers {}", self.get(path).await),
        }
    }
}

struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Stream {
    async fn trades(address: std::net::SocketAddr) -> Self {
        let (mut socket, _) = connect_async(format!("ws://{address}/v1/stream")).await.unwrap();
        let subscribe = json!({"op": "subscribe", "channel": "trades"}).to_string();
        socket.send(Message::text(subscribe)).await.unwrap();
        let mut stream = Self(socket);
        stream.next("snapshot").await;
        stream
    }

    /// The next message of a type.
    async fn next(&mut self, kind: &str) -> Value {
        let wanted = async {
            loop {
                let message = self.0.next().await.expect("an open socket").unwrap();
                if let Message::Text(text) = message {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] == kind {
                        return value;
                    }
                }
            }
        };
        tokio::time::timeout(STEP_TIMEOUT, wanted).await.expect("the message within a minute")
    }
}

/// Journeys run side by side in this process; each has a chain, and so event ids, of its own.
static JOURNEYS: AtomicU32 = AtomicU32::new(0);

fn chain_file(node: &EvmNode, venues: &Venues) -> String {
    let journey = JOURNEYS.fetch_add(1, Ordering::Relaxed);
    format!(
        "id = \"anvil-{journey}\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nstart = 0\npoll_ms = 25\n\
         [settings.stables]\n\"{}\" = 18\n[display]\nname = \"Anvil\"\n",
        node.url, venues.dollar
    )
}

/// The whole journey on one log and one database.
async fn journey(target: Target, database: String, logins: HashMap<&'static str, ProcessAccess>) {
    let Some(folder) = anvil::installed_for_test().unwrap() else { return };
    environment::install_crypto();
    log_lines::gather();
    let node = anvil::start(&folder).await.unwrap();
    let venues = node.deploy_venues().await.unwrap();
    let accounts = node.accounts().await.unwrap();
    let (alice, bob) = (accounts[1].to_lowercase(), accounts[2].to_lowercase());
    let ground = Ground { target, database, chains: vec![chain_file(&node, &venues)], logins };
    let line = Line::start(&ground).await.unwrap();
    let client = Client { base: format!("http://{}", line.api), http: reqwest::Client::new() };
    client.until("/v1/chains", |chains| chains["items"][0]["state"] == "live").await;
    let mut stream = Stream::trades(line.api).await;

    let bought = node.swap_v2(&venues, &alice, [&venues.dollar, &venues.token], TEN).await.unwrap();
    let first = stream.next("apply").await;
    assert_trade(&first["data"], &bought, &alice, &venues.v2_pair);
    node.swap_v3(&venues, &bob, 2 * TEN).await.unwrap();
    let event = stream.next("apply").await;
    assert_eq!(event["data"]["trader"]["address"], bob.as_str());
    assert_eq!(event["data"]["legs"][0]["pool"], venues.v3_pool.to_lowercase().as_str());
    let sold = node.swap_v2(&venues, &alice, [&venues.token, &venues.dollar], TEN / 2).await.unwrap();
    let event = stream.next("apply").await;
    assert_eq!(event["data"]["transaction"]["hash"], sold["transactionHash"]);

    let trades = client.until("/v1/trades", |page| page["items"].as_array().unwrap().len() == 3).await;
    assert_eq!(trades["items"][0]["tradeId"], event["data"]["tradeId"], "newest first");
    assert_metrics(&client, &alice, 2, 1).await;
    assert_metrics(&client, &bob, 1, 1).await;
    let page = client.get(&format!("/v1/users/{alice}/trades")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let chains = client.get("/v1/chains").await;
    assert_eq!(chains["items"][0]["proof"], "receipts", "{chains}");
    client.until(&format!("/v1/users/{alice}/portfolio"), |held| !held["items"].as_array().unwrap().is_empty()).await;

    anvil::reorg(&node, 3).await.unwrap();
    let mut reverted = vec![];
    for _ in 0..3 {
        reverted.push(stream.next("revert").await["data"]["tradeId"].clone());
    }
    let place = |event: &Value| reverted.iter().position(|id| *id == event["data"]["tradeId"]);
    assert!(place(&event) < place(&first) && place(&event).is_some(), "a trader's newest is taken back first");
    client.until("/v1/trades", |page| page["items"].as_array().unwrap().is_empty()).await;
    let all = client.get("/v1/trades?status=all").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3, "what was taken back can still be looked at");
    for user in [&alice, &bob] {
        let path = format!("/v1/users/{user}/metrics");
        client.until(&path, |metrics| metrics["total"]["swaps"] == 0 && metrics["total"]["volumeUsd"] == "0").await;
    }

    node.swap_v2(&venues, &bob, [&venues.dollar, &venues.token], TEN).await.unwrap();
    let again = stream.next("apply").await;
    assert_eq!(again["data"]["trader"]["address"], bob.as_str(), "the line goes on after a reorg");
    assert_lines(&[first, event]).await;
    line.stop().await.unwrap();
}

fn assert_trade(trade: &Value, receipt: &Value, trader: &str, pool: &str) {
    assert_eq!(trade["transaction"]["hash"], receipt["transactionHash"]);
    assert_eq!(trade["block"]["hash"], receipt["blockHash"]);
    assert_eq!(trade["trader"], json!({"address": trader, "evidence": "tx-sender"}));
    assert_eq!(trade["sold"]["raw"], TEN.to_string());
    assert_eq!(trade["valuation"]["notionalUsd"], "10");
    assert_eq!(trade["legs"].as_array().unwrap().len(), 1);
    assert_eq!(trade["legs"][0]["pool"], pool.to_lowercase().as_str());
    assert_eq!(trade["status"], "observed");
}

/// Every log line names its service and its event, and each of these events is, or soon is, in the lines of all services.
async fn assert_lines(events: &[Value]) {
    for event in events {
        let id = event["data"]["eventId"].as_str().unwrap();
        let services = || log_lines::services_about(&log_lines::lines().unwrap(), id);
        let in_all = async {
            while !services().into_iter().eq(["api", "chain-ingestor", "metrics", "portfolio"]) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(STEP_TIMEOUT, in_all).await.is_ok();
        assert!(in_time, "{id} is in the lines of {:?} alone", services());
    }
}

async fn assert_metrics(client: &Client, user: &str, swaps: u64, positions: usize) {
    let metrics = client.until(&format!("/v1/users/{user}/metrics"), |m| m["total"]["swaps"] == swaps).await;
    assert_ne!(metrics["total"]["volumeUsd"], "0");
    let held = client.get(&format!("/v1/users/{user}/positions")).await;
    assert_eq!(held["items"].as_array().unwrap().len(), positions, "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().display());
    journey(Target::Sqlite(folder.path().join("tape.db")), database, HashMap::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka_and_postgres() {
    let (Ok(_), Ok(database)) = (std::env::var("KAFKA_BROKERS"), std::env::var("DATABASE_URL")) else {
        println!("skipped: KAFKA_BROKERS and DATABASE_URL are not set");
        return;
    };
    let unique = format!("journey_{}_{}", std::process::id(), environment::now_ms());
    let server = sqlx::PgPool::connect(&database).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {unique}"))).execute(&server).await.unwrap();
    let (base, _) = database.rsplit_once('/').unwrap();
    let variables: HashMap<String, String> = std::env::vars().collect();
    let settings = KafkaSettings::apart(&variables, format!("{unique}."), &*unique).unwrap();
    let target = Target::Kafka(settings.into());
    journey(target, format!("{base}/{unique}"), HashMap::new()).await;
    sqlx::query(sqlx::AssertSqlSafe(format!("drop database {unique} with (force)"))).execute(&server).await.unwrap();
}

/// On servers that encrypt, want a login of each process, and let each do only what its `topics --print acls` and its grants
/// say: `cargo xtask secured` starts them, and leaves the variables of each process in the folder that it names.
#[tokio::test(flavor = "multi_thread")]
async fn on_secured_servers() {
    let Ok(folder) = std::env::var("CHAINTAPE_SECURED") else {
        println!("skipped: CHAINTAPE_SECURED names no folder; run `cargo xtask secured`");
        return;
    };
    let access = |process: &str| {
        let text = std::fs::read_to_string(format!("{folder}/{process}.env")).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
        let variables: HashMap<String, String> = text.lines().map(pair).collect();
        let mut problems = Problems::default();
        let target = tape_log::settings::target(&variables, &mut problems);
        // The ingestor has no database.
        let has_database = process != PROCESSES[0];
        let database = if has_database { problems.required_url(&variables, "DATABASE_URL") } else { String::new() };
        problems.finish().unwrap();
        ProcessAccess { target, database }
    };
    let logins = PROCESSES.map(|process| (process, access(process))).into();
    let ProcessAccess { target, database } = access(PROCESSES[1]);
    journey(target, database, logins).await;
}
