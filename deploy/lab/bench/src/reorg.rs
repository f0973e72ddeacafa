//! `reorg`: measures how long the tape needs to take 64 blocks back and to put the other branch in their place, and compares the
//! books with those of a line that never saw what was left.

use anyhow::{Context, ensure};
use nodes::mock::{Faults, Node, Script};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use system::figures::{Figures, kafka, quantile, rounded};
use system::line::{Ground, Line};
use tape::{Start, Status};
use tape_log::{Arrival, Log, topics};

/// Blocks that are left at once.
const DEPTH: u64 = 64;
/// Times that a branch is left.
const REORGS: u64 = 20;
/// Between two of them the chain goes on in peace for so long.
const APART: Duration = Duration::from_millis(500);
/// The chain before the first reorg.
const BLOCKS_BEFORE: u64 = 200;
const TRADES_PER_BLOCK: u32 = 20;
const TRADERS: u64 = 200;
const SEED: u64 = 7;
/// How long anything may take that should take a second.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What arrived on the tape: height, hash of the block, status, and when.
type Arrivals = Arc<Mutex<Vec<(u64, Arc<str>, Status, Instant)>>>;

/// Runs it; needs `KAFKA_BROKERS`.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    let script = Script { seed: SEED, trades_per_block: TRADES_PER_BLOCK, users: TRADERS, ..Script::default() };
    let node = Node::new(script);
    let (address, _server) = node.serve("127.0.0.1:0".parse()?, Faults::none()).await?;
    node.grow(BLOCKS_BEFORE);
    let folder = tempfile::tempdir()?;
    let line = start_line(address, &folder.path().join("reorganized")).await?;
    let arrivals = Arrivals::default();
    let watching = tokio::spawn(watch(line.log.clone(), Arc::clone(&arrivals)));
    until_arrived(&arrivals, (node.latest() + 1) * u64::from(TRADES_PER_BLOCK)).await?;
    let mut samples = vec![];
    for _ in 0..REORGS {
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        node.grow(1);
        until_arrived(&arrivals, u64::from(TRADES_PER_BLOCK)).await?;
        tokio::time::sleep(APART).await;
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let begun = Instant::now();
        ensure!(node.fork(DEPTH, DEPTH + 1) == DEPTH, "the node leaves as many blocks as it was told");
        samples.push(until_replaced(&arrivals, node.latest(), begun).await?);
    }
    until_followed(line.api, node.latest()).await?;
    watching.abort();
    let peaceful = start_line(address, &folder.path().join("peaceful")).await?;
    until_followed(peaceful.api, node.latest()).await?;
    let traders: BTreeSet<String> =
        node.truth().into_iter().flat_map(|block| block.trades).map(|swap| swap.trader).collect();
    let books_equal = until_equal(line.api, peaceful.api, &traders).await?;
    line.stop().await?;
    peaceful.stop().await?;
    samples.sort_by(f64::total_cmp);
    let mut figures = Figures::new();
    figures.insert("ms".to_owned(), rounded(quantile(&samples, 500), 1));
    figures.insert("worst_ms".to_owned(), rounded(quantile(&samples, 1_000), 1));
    figures.insert("reorgs".to_owned(), REORGS.into());
    figures.insert("blocks_left_at_once".to_owned(), DEPTH.into());
    figures.insert("events_at_once".to_owned(), events_of_one_reorg().into());
    figures.insert("books_equal".to_owned(), books_equal.into());
    figures.insert("traders".to_owned(), traders.len().into());
    Ok(figures)
}

/// What one reorg puts on the tape: each trade that is taken back, and those of one block more in their place.
fn events_of_one_reorg() -> u64 {
    (DEPTH + DEPTH + 1) * u64::from(TRADES_PER_BLOCK)
}

/// All four services on topics and databases of their own.
async fn start_line(node: SocketAddr, databases: &Path) -> anyhow::Result<Line> {
    std::fs::create_dir_all(databases)?;
    let chain = format!(
        "id = \"mock\"\nplugin = \"mock\"\nendpoints = [\"http://{node}\"]\nstart = 0\npoll_ms = 20\n\
         [settings]\nnode = true\nseed = {SEED}\n"
    );
    let ground = Ground {
        target: kafka("reorg")?,
        database: format!("sqlite:{}", databases.display()),
        chains: vec![chain],
        logins: HashMap::default(),
    };
    Line::start(&ground).await
}

/// Waits until a height is published.
async fn until_followed(api: SocketAddr, height: u64) -> anyhow::Result<()> {
    let looking = async {
        loop {
            if let Ok(chains) = answer(api, "/v1/chains").await
                && chains["items"][0]["published"]["height"].as_u64().is_some_and(|published| published >= height)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, looking).await.with_context(|| format!("height {height} is not published"))
}

/// Waits until so many events are on the tape.
async fn until_arrived(arrivals: &Arrivals, events: u64) -> anyhow::Result<()> {
    let looking = async {
        while (arrivals.lock().unwrap_or_else(PoisonError::into_inner).len() as u64) < events {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, looking).await.with_context(|| format!("{events} events are not on the tape"))
}

/// Waits until each event of a reorg is on the tape; the milliseconds to the last of them.
async fn until_replaced(arrivals: &Arrivals, latest: u64, begun: Instant) -> anyhow::Result<f64> {
    let looking = async {
        loop {
            let seen = arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let count = |is_counted: fn(Status) -> bool| seen.iter().filter(|it| is_counted(it.2)).count() as u64;
            let (taken_back, put) = (count(|it| it == Status::Reverted), count(|it| it != Status::Reverted));
            let per_block = u64::from(TRADES_PER_BLOCK);
            if taken_back >= DEPTH * per_block && put >= (DEPTH + 1) * per_block {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = tokio::time::timeout(TIMEOUT, looking).await.context("the reorg is not on the tape")?;
    ensure!(seen.len() as u64 == events_of_one_reorg(), "{} events of one reorg are on the tape", seen.len());
    let first = latest - DEPTH;
    let hashes: BTreeSet<_> =
        seen.iter().filter(|it| it.2 != Status::Reverted).map(|(height, hash, ..)| (height, hash)).collect();
    ensure!(hashes.len() as u64 == DEPTH + 1 && seen.iter().all(|it| it.0 >= first), "each block was replaced once");
    let last = seen.iter().map(|it| it.3).max().context("an event")?;
    Ok(last.saturating_duration_since(begun).as_secs_f64() * 1e3)
}

/// Waits until both lines say the same of every trader; false where they do not within a minute.
async fn until_equal(one: SocketAddr, other: SocketAddr, traders: &BTreeSet<String>) -> anyhow::Result<bool> {
    let begun = Instant::now();
    loop {
        if book(one, traders).await? == book(other, traders).await? {
            return Ok(true);
        }
        if begun.elapsed() > TIMEOUT {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// All figures of each trader.
async fn book(api: SocketAddr, traders: &BTreeSet<String>) -> anyhow::Result<Vec<Value>> {
    let mut book = vec![];
    for trader in traders {
        book.push(answer(api, &format!("/v1/users/{trader}/metrics")).await?);
        let positions = answer(api, &format!("/v1/users/{trader}/positions?limit=500")).await?;
        let held = |position: &Value| {
            ["asset", "quantity", "basisUsd", "realizedPnlUsd", "proceedsUsd"]
                .map(|field| position[field].clone())
                .to_vec()
        };
        book.push(json!(positions["items"].as_array().into_iter().flatten().map(held).collect::<Vec<_>>()));
    }
    Ok(book)
}

async fn answer(api: SocketAddr, path: &str) -> anyhow::Result<Value> {
    Ok(reqwest::get(format!("http://{api}{path}")).await?.error_for_status()?.json().await?)
}

async fn watch(log: Log, arrivals: Arrivals) -> anyhow::Result<()> {
    let partitions = topics::TRADES.partitions().map(|partition| (partition, Start::Beginning)).collect();
    let mut reader = log.assigned(partitions).await?;
    loop {
        if let Arrival::Records { records, .. } = reader.next().await? {
            let at = Instant::now();
            for record in records {
                let event = wire::v1::trade::decode(&record.value.unwrap_or_default())?;
                let block = &event.trade.block.id;
                let arrival = (block.height, Arc::clone(&block.hash), event.status, at);
                arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
            }
        }
    }
}
