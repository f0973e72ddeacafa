//! `latency`: measures the time from a block at a real node to its trade in Kafka and at a WebSocket client.

use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use system::anvil;
use system::figures::{Figures, kafka, quantile, rounded};
use system::line::{Ground, Line};
use tape::Start;
use tape_log::{Arrival, Log, topics};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Swaps that are measured.
const SWAPS_MEASURED: usize = 300;
/// Time between them: blocks of a fast chain.
const APART: Duration = Duration::from_millis(100);

/// When each transaction was seen, by hash.
type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// Runs it; needs `KAFKA_BROKERS`, and uses Postgres where `DATABASE_URL` is set.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(follow())
}

async fn follow() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let folder = anvil::installed().context("anvil is not installed: run `cargo xtask anvil`")?;
    let node = anvil::start(&folder).await?;
    let venues = node.deploy_venues().await?;
    let trader = node.accounts().await?[1].clone();
    let files = tempfile::tempdir()?;
    let ground = Ground {
        target: kafka("latency")?,
        database: format!("sqlite:{}", files.path().display()),
        chains: vec![format!(
            "id = \"anvil\"\nplugin = \"evm\"\nendpoints = [\"{}\"]\nstart = \"latest\"\npoll_ms = 5\n",
            node.url
        )],
        logins: HashMap::default(),
    };
    let line = Line::start(&ground).await?;
    let (in_kafka, at_client) = (Seen::default(), Seen::default());
    wait_until_live(line.api).await?;
    tokio::spawn(watch_kafka(line.log.clone(), Arc::clone(&in_kafka)));
    tokio::spawn(watch_stream(line.api, Arc::clone(&at_client)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut available = HashMap::new();
    for _ in 0..SWAPS_MEASURED {
        let receipt = node.swap_v2(&venues, &trader, [&venues.dollar, &venues.token], 1_000_000_000_000_000).await?;
        let hash = receipt["transactionHash"].as_str().context("a hash")?.to_owned();
        // anvil mines at once and answers with the receipt a moment after the block: what is measured starts late by
        // that moment, never early.
        available.insert(hash, Instant::now());
        tokio::time::sleep(APART).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut figures = Figures::new();
    for (name, seen) in [("kafka", &in_kafka), ("ws", &at_client)] {
        let samples = samples(&available, seen)?;
        figures.insert(format!("{name}_p50_ms"), rounded(quantile(&samples, 500), 1));
        figures.insert(format!("{name}_p99_ms"), rounded(quantile(&samples, 990), 1));
    }
    figures.insert("swaps".to_owned(), SWAPS_MEASURED.into());
    line.stop().await?;
    Ok(figures)
}

fn samples(available: &HashMap<String, Instant>, seen: &Seen) -> anyhow::Result<Vec<f64>> {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let took = |(hash, from): (&String, &Instant)| {
        let at = seen.get(hash).with_context(|| format!("the trade of {hash} never came"))?;
        Ok(at.saturating_duration_since(*from).as_secs_f64() * 1e3)
    };
    let mut samples = available.iter().map(took).collect::<anyhow::Result<Vec<f64>>>()?;
    samples.sort_by(f64::total_cmp);
    ensure!(samples.len() == SWAPS_MEASURED, "every swap was measured");
    Ok(samples)
}

async fn wait_until_live(api: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..600 {
        if let Ok(answer) = reqwest::get(format!("http://{api}/v1/chains")).await
            && let Ok(chains) = answer.json::<Value>().await
            && chains["items"][0]["state"] == "live"
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the chain was not live within a minute")
}

fn note(seen: &Seen, hash: &str) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).entry(hash.to_owned()).or_insert_with(Instant::now);
}

async fn watch_kafka(log: Log, seen: Seen) -> anyhow::Result<()> {
    let partitions = topics::TRADES.partitions().map(|partition| (partition, Start::Beginning)).collect();
    let mut reader = log.assigned(partitions).await?;
    loop {
        if let Arrival::Records { records, .. } = reader.next().await? {
            for record in records {
                let event = wire::v1::trade::decode(&record.value.unwrap_or_default())?;
                note(&seen, &event.trade.transaction.hash);
            }
        }
    }
}

async fn watch_stream(api: SocketAddr, seen: Seen) -> anyhow::Result<()> {
    let (mut socket, _) = connect_async(format!("ws://{api}/v1/stream")).await?;
    socket.send(Message::text(json!({"op": "subscribe", "channel": "trades"}).to_string())).await?;
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            let value: Value = serde_json::from_str(&text)?;
            if let Some(hash) = value["data"]["transaction"]["hash"].as_str() {
                note(&seen, hash);
            }
        }
    }
    Ok(())
}
