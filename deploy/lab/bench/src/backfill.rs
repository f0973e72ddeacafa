//! `backfill`: measures trades per second from a node's blocks through plugin, Kafka and fold into PostgreSQL, receipts proved.
//!
//! Node, ingestor and metrics run in this process, on the same cores as broker and database. Two chains are followed: one full of
//! swaps, and one of recorded mainnet blocks; over each of the round-trip times that are asked for.

pub(crate) mod chain;
mod postgres_cpu;

use anyhow::{Context, bail, ensure};
use chain::{ServedChain, trade_line};
use environment::{Problems, Shutdown, health};
use futures_util::TryStreamExt;
use nodes::replay::{Fault, Faults, Node};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use system::figures::{Figures, kafka, rounded};
use system::ingest::Ingest;
use tape_log::{Log, topics};
use tokio::net::TcpListener;

/// Bounds each wait: for metrics, for the first request, for the last row.
const STEP_TIMEOUT: Duration = Duration::from_mins(10);

/// What is varied.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BackfillOptions {
    /// `backfill`: round-trip times to the node, milliseconds; each chain is followed once over each.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    rtt: Vec<u64>,
    /// `backfill`: the node compresses its answers.
    #[arg(long)]
    gzip: bool,
    /// `backfill`: the node gives receipts in their consensus encoding too.
    #[arg(long)]
    raw: bool,
    /// `backfill`: blocks of the chain full of swaps; 0 leaves it out.
    #[arg(long, default_value_t = 1_000)]
    blocks: u64,
    /// `backfill`: blocks of mainnet's shape; 0 leaves them out.
    #[arg(long, default_value_t = 8_000)]
    mainnet_blocks: u64,
}

/// Makes a chain of so many blocks.
type MakeChain = fn(u64) -> anyhow::Result<ServedChain>;

/// Runs it; needs `DATABASE_URL` and `KAFKA_BROKERS`.
pub(crate) fn measure(options: &BackfillOptions) -> anyhow::Result<Figures> {
    environment::install_crypto();
    let mut figures = Figures::new();
    let chains: [(&str, u64, MakeChain); 2] =
        [("", options.blocks, ServedChain::dense), ("mainnet_", options.mainnet_blocks, ServedChain::mainnet)];
    for (shape, blocks, make) in chains {
        if blocks == 0 {
            continue;
        }
        for rtt in &options.rtt {
            let chain = make(blocks)?;
            chain.node.serve_gzip(options.gzip);
            chain.node.serve_raw_receipts(options.raw);
            let mut name = shape.to_owned();
            for (is_so, word) in
                [(*rtt > 0, format!("rtt{rtt}_")), (options.gzip, "gzip_".into()), (options.raw, "raw_".into())]
            {
                name.push_str(if is_so { &word } else { "" });
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let measured = runtime.block_on(measure_chain(&chain, Duration::from_millis(*rtt)));
            figures.extend(
                measured
                    .with_context(|| format!("{name}backfill"))?
                    .into_iter()
                    .map(|(key, value)| (format!("{name}{key}"), value)),
            );
        }
    }
    Ok(figures)
}

async fn measure_chain(chain: &ServedChain, rtt: Duration) -> anyhow::Result<Figures> {
    let server = std::env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo xtask servers start`")?;
    if !rtt.is_zero() {
        chain.node.faults(Faults::each(Fault::Delay(rtt)));
    }
    let (address, _serving) = chain.node.serve("127.0.0.1:0".parse()?).await?;
    let mut administrator = PgConnection::connect(&server).await.context("connect to DATABASE_URL")?;
    let name = format!("bench_backfill_{}", environment::now_ms());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut administrator).await?;
    let mut url: reqwest::Url = server.parse().context("read DATABASE_URL")?;
    url.set_path(&name);
    let measured = measure_on(chain, &format!("http://{address}"), url.as_str()).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut administrator).await.context("drop the database of this run")?;
    measured
}

/// Runs ingestor and metrics on one database, from the first request to the node to the last trade's row.
async fn measure_on(chain: &ServedChain, endpoint: &str, database: &str) -> anyhow::Result<Figures> {
    let node = &chain.node;
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
    let (requests_before, calls_before, bytes_before) = (node.requests(), node.calls(), node.sent_bytes());
    let postgres_before = postgres_cpu::seconds();
    let file = format!(
        "id = \"bench\"\nplugin = \"evm\"\nendpoints = [\"{endpoint}\"]\nsockets = []\nstart = {}\n",
        chain.first
    );
    let ingest = Ingest::start(&log, &file)?;
    let begun = tokio::time::timeout(STEP_TIMEOUT, first_request(node, requests_before))
        .await
        .context("the ingestor sent no request to the node")?;
    let wanted = chain.trades.len() as u64;
    let all = async {
        while count_live_trades(&mut reader, wanted).await? < wanted {
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
    let took = begun.elapsed().as_secs_f64();
    let postgres = postgres_before.zip(postgres_cpu::seconds()).map(|(before, after)| after - before);
    let health_report: serde_json::Value = serde_json::from_str(&health::probe(health).await?)?;
    let commits = health_report["counters"]["commits"].as_u64().context("metrics counts its commits")?;
    let (requests, calls) = (node.requests() - requests_before, node.calls() - calls_before);
    let bytes = node.sent_bytes() - bytes_before;
    ingest.stop().await?;
    shutdown.trigger();
    folding.await??;
    compare_with_chain(&mut reader, &chain.trades).await?;
    let number = |number: u64| u32::try_from(number).map(f64::from);
    let trades = number(wanted)?;
    let mut figures = Figures::new();
    let mut put = |name: &str, value: f64, digits: i32| figures.insert(name.to_owned(), rounded(value, digits));
    put("seconds", took, 2);
    put("trades_per_s", trades / took, 0);
    put("blocks_per_s", number(chain.blocks)? / took, 1);
    put("trades_per_commit", trades / number(commits)?, 0);
    put("rpc_requests_per_trade", number(requests)? / trades, 5);
    put("rpc_calls_per_trade", number(calls)? / trades, 5);
    put("rpc_bytes_per_trade", number(bytes / 1_000)? * 1_000.0 / trades, 0);
    if let Some(postgres) = postgres {
        put("postgres_cpu_us_per_trade", postgres * 1e6 / trades, 0);
    }
    figures.insert("trades".to_owned(), wanted.into());
    Ok(figures)
}

/// When the node was first asked for something.
async fn first_request(node: &Node, before: u64) -> Instant {
    while node.requests() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

/// The number of live trades; counted only once all records are read, because counting costs.
async fn count_live_trades(reader: &mut PgConnection, wanted: u64) -> anyhow::Result<u64> {
    let read: i64 = sqlx::query_scalar("SELECT coalesce(sum(next), 0)::bigint FROM metrics.position WHERE log = $1")
        .bind(topics::TRADES.name)
        .fetch_one(&mut *reader)
        .await?;
    if read.cast_unsigned() < wanted {
        return Ok(0);
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM metrics.trades WHERE status = 'live'").fetch_one(reader).await?;
    Ok(rows.cast_unsigned())
}

/// Fails unless the table has every trade of the node's blocks once, with its trader and amounts, and nothing else.
async fn compare_with_chain(reader: &mut PgConnection, trades: &[String]) -> anyhow::Result<()> {
    let mut expected: Vec<&str> = trades.iter().map(String::as_str).collect();
    let mut events =
        sqlx::query_scalar::<_, String>("SELECT event FROM metrics.trades WHERE status = 'live'").fetch(reader);
    let mut found = Vec::with_capacity(expected.len());
    while let Some(event) = events.try_next().await? {
        let trade = wire::v1::trade::decode(event.as_bytes())?.trade;
        let side = |side: &tape::Side| (side.asset.clone(), side.raw.to_string());
        let ((sold, given), (bought, got)) = (side(&trade.sold), side(&trade.bought));
        let line = trade_line(&trade.trader.address, (&sold, &given), (&bought, &got));
        found.push(format!("{}: {line}", trade.transaction.hash));
    }
    expected.sort_unstable();
    found.sort_unstable();
    let differs = expected.iter().zip(&found).find(|(expected, found)| *expected != found);
    ensure!(differs.is_none(), "the chain and the table differ: {differs:?}");
    ensure!(expected.len() == found.len(), "{} trades of {}", found.len(), expected.len());
    Ok(())
}
