//! `backfill`: measures trades per second from a node's blocks through plugin, Kafka and fold into PostgreSQL, receipts proved.
//!
//! Node, ingestor and metrics run in this process, on the same cores as broker and database.

use anyhow::{Context, bail, ensure};
use environment::{Problems, Shutdown, health};
use futures_util::TryStreamExt;
use nodes::replay::Node;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use system::dense::{self, DenseChain, DenseShape, Swap};
use system::figures::{Figures, kafka, rounded};
use system::ingest::Ingest;
use tape_log::{Log, topics};
use tokio::net::TcpListener;

/// What the node has: a hundred thousand swaps.
const SHAPE: DenseShape = DenseShape { branch: "backfill", first: 1_000, last: 1_999, swaps: 100 };
const SWAPS_IN_CHAIN: u64 = (SHAPE.last - SHAPE.first + 1) * SHAPE.swaps;
/// Bounds each wait: for metrics, for the first request, for the last row.
const STEP_TIMEOUT: Duration = Duration::from_mins(5);

/// Runs it; needs `DATABASE_URL` and `KAFKA_BROKERS`.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    let server = std::env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo xtask servers start`")?;
    let node = dense::node(1, &DenseChain::new(SHAPE))?;
    let (address, _serving) = node.serve("127.0.0.1:0".parse()?).await?;
    let mut administrator = PgConnection::connect(&server).await.context("connect to DATABASE_URL")?;
    let name = format!("bench_backfill_{}", environment::now_ms());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut administrator).await?;
    let mut url: reqwest::Url = server.parse().context("read DATABASE_URL")?;
    url.set_path(&name);
    let measured = measure_on(&node, &format!("http://{address}"), url.as_str()).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut administrator).await.context("drop the database of this run")?;
    measured
}

/// Runs ingestor and metrics on one database, from the first request to the node to the last trade's row.
async fn measure_on(node: &Node, endpoint: &str, database: &str) -> anyhow::Result<Figures> {
    environment::install_crypto();
    let log = Log::open(&kafka("backfill")?).await?;
    let health = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let strings = [("DATABASE_URL", database.to_owned()), ("HEALTH_ADDR", health.to_string())];
    let strings: HashMap<String, String> = strings.map(|(key, value)| (key.to_owned(), value)).into();
    let mut problems = Problems::default();
    let settings = metrics::Settings::read(&strings, &mut problems);
    problems.finish()?;
    log.own(topics::OF_INGESTOR).await?;
    let shutdown = Shutdown::default();
    let mut folding = tokio::spawn(metrics::run(settings, log.clone(), shutdown.clone()));
    let ready = async {
        while health::probe_ready(health).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(STEP_TIMEOUT, ready).await.context("metrics is not ready")?;
    let mut reader = PgConnection::connect(database).await?;
    let chain = format!("id = \"dense\"\nplugin = \"evm\"\nendpoints = [\"{endpoint}\"]\nstart = {}\n", SHAPE.first);
    let ingest = Ingest::start(&log, &chain)?;
    let begun = tokio::time::timeout(STEP_TIMEOUT, first_request(node))
        .await
        .context("the ingestor sent no request to the node")?;
    let all = async {
        while count_live_trades(&mut reader).await? < SWAPS_IN_CHAIN {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = &mut folding => {
            ended??;
            bail!("metrics has stopped");
        }
        there = tokio::time::timeout(STEP_TIMEOUT, all) => there.context("not all trades are in the table in time")??,
    }
    let (took, requests) = (begun.elapsed().as_secs_f64(), u32::try_from(node.requests())?);
    let health_report: serde_json::Value = serde_json::from_str(&health::probe(health).await?)?;
    let commits = health_report["counters"]["commits"].as_u64().and_then(|commits| u32::try_from(commits).ok());
    let commits = f64::from(commits.context("metrics counts its commits")?);
    ingest.stop().await?;
    shutdown.trigger();
    folding.await??;
    compare_with_chain(&mut reader).await?;
    let trades = f64::from(u32::try_from(SWAPS_IN_CHAIN)?);
    let mut figures = Figures::new();
    figures.insert("trades".to_owned(), SWAPS_IN_CHAIN.into());
    figures.insert("seconds".to_owned(), rounded(took, 2));
    figures.insert("trades_per_s".to_owned(), rounded(trades / took, 0));
    figures.insert("trades_per_commit".to_owned(), rounded(trades / commits, 0));
    figures.insert("rpc_requests_per_trade".to_owned(), rounded(f64::from(requests) / trades, 5));
    Ok(figures)
}

/// When the node was first asked for something.
async fn first_request(node: &Node) -> Instant {
    while node.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

/// The number of live trades; counted only once all records are read, because counting costs.
async fn count_live_trades(reader: &mut PgConnection) -> anyhow::Result<u64> {
    let read: i64 = sqlx::query_scalar("SELECT coalesce(sum(next), 0)::bigint FROM metrics.position WHERE log = $1")
        .bind(topics::TRADES.name)
        .fetch_one(&mut *reader)
        .await?;
    if read.cast_unsigned() < SWAPS_IN_CHAIN {
        return Ok(0);
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM metrics.trades WHERE status = 'live'").fetch_one(reader).await?;
    Ok(rows.cast_unsigned())
}

/// Fails unless the table has every swap of the node's blocks once, with its trader and amounts, and nothing else.
async fn compare_with_chain(reader: &mut PgConnection) -> anyhow::Result<()> {
    let mut expected: Vec<String> = SHAPE.all().map(|swap| expected_line(&swap)).collect();
    let mut events =
        sqlx::query_scalar::<_, String>("SELECT event FROM metrics.trades WHERE status = 'live'").fetch(reader);
    let mut found = Vec::with_capacity(expected.len());
    while let Some(event) = events.try_next().await? {
        let trade = wire::v1::trade::decode(event.as_bytes())?.trade;
        let (hash, trader) = (&trade.transaction.hash, &trade.trader.address);
        let side = |side: &tape::Side| format!("{} of {}", side.raw, side.asset);
        found.push(format!("{hash}: {trader} gives {} for {}", side(&trade.sold), side(&trade.bought)));
    }
    expected.sort_unstable();
    found.sort_unstable();
    let differs = expected.iter().zip(&found).find(|(expected, found)| expected != found);
    ensure!(differs.is_none(), "the chain and the table differ: {differs:?}");
    ensure!(expected.len() == found.len(), "{} trades of {}", found.len(), expected.len());
    Ok(())
}

fn expected_line(swap: &Swap) -> String {
    let Swap { transaction, user, sold, bought, given, got, .. } = swap;
    format!("{transaction}: {user} gives {given} of {sold} for {got} of {bought}")
}
