//! `rest`: measures user endpoints of an api at a thousand requests a second, over PostgreSQL with a million trades.
//!
//! Requests are sent on a fixed schedule, whether earlier ones were answered or not, and timed from when they were due: a
//! server that falls behind cannot hide it.

use super::fold::fold;
use super::tape::{TapeShape, address, asset, partitions, traded};
use anyhow::{Context, ensure};
use environment::{Secret, Shutdown};
use metrics::adapters::postgres::Postgres;
use metrics::leaders::Leaderboards;
use metrics_domain::Method;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use system::figures::{Figures, quantile, rounded};
use tape_log::{Log, Target};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

const PER_SECOND: u32 = 1_000;
const SECONDS: u32 = 20;
/// Requests at the start that are not counted: connections are made, caches are cold.
const WARM_UP: usize = 2_000;

/// What is stored: the last four weeks of eight chains.
fn shape() -> TapeShape {
    let (trades, chains, per_block, span_ms) = (1_000_000, 8, 60, 28 * 86_400_000);
    let blocks = trades / (chains * per_block);
    let from_ms = environment::now_ms() - span_ms;
    TapeShape { trades, traders: 20_000, assets: 400, chains, from_ms, block_ms: span_ms / blocks, per_block }
}

/// Runs it; needs `DATABASE_URL`, whose login may create databases.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let server = std::env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo xtask servers start`")?;
    let name = format!("bench_rest_{}", environment::now_ms());
    let mut admin = PgConnection::connect(&server).await?;
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.context("create a database")?;
    let url = PgConnectOptions::from_str(&server)?.database(&name).to_url_lossy().to_string();
    let measured = measure_on(&url).await;
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.context("drop the database")?;
    measured
}

async fn measure_on(url: &str) -> anyhow::Result<Figures> {
    let shape = shape();
    let store = Arc::new(Postgres::open(url, Postgres::METRICS_SCHEMA, Method::Average).await?);
    fold(&store, &Arc::new(partitions(&shape))).await?;
    store.rebuild(environment::now_ms()).await?;
    // Not inside a transaction.
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut store.pool().connect_alone().await?).await?;
    portfolio::store::Store::open(&portfolio::settings::Database::Postgres(Secret::new(url))).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let settings = api::Settings {
        addr: listener.local_addr()?,
        database: Secret::new(url),
        database_read: None,
        rate: None,
        trusted_proxies: api::TrustedProxies::default(),
        keys: None,
        lookback: Duration::from_mins(1),
        max_connections: 10,
        streams_per_client: 10,
        max_sockets: 20_000,
        sockets_per_client: 20_000,
        admin_addr: None,
        drain: Duration::ZERO,
        origins: None,
    };
    let shutdown = Shutdown::default();
    let serving = tokio::spawn(api::serve(listener, settings, Log::open(&Target::Memory).await?, shutdown.clone()));
    let (samples, bytes, seconds) = load(&base, &shape).await?;
    shutdown.trigger();
    serving.await??;
    let mut figures = Figures::new();
    figures.insert("p50_ms".to_owned(), rounded(quantile(&samples, 500), 2));
    figures.insert("p99_ms".to_owned(), rounded(quantile(&samples, 990), 2));
    figures.insert("p999_ms".to_owned(), rounded(quantile(&samples, 999), 2));
    let counted = f64::from(u32::try_from(samples.len())?);
    figures.insert("requests_per_s".to_owned(), rounded(counted / seconds, 0));
    figures.insert("bytes_per_answer".to_owned(), (bytes / samples.len() as u64).into());
    figures.insert("trades_stored".to_owned(), shape.trades.into());
    Ok(figures)
}

/// Latencies of all requests but the first ones, sorted; bytes of their answers; seconds that they took in all.
async fn load(base: &str, shape: &TapeShape) -> anyhow::Result<(Vec<f64>, u64, f64)> {
    let client = reqwest::Client::builder().gzip(false).pool_max_idle_per_host(256).build()?;
    let (send, mut answers) = mpsc::unbounded_channel();
    let total = (PER_SECOND * SECONDS) as usize;
    let mut due = interval(Duration::from_secs(1) / PER_SECOND);
    let mut begun = Instant::now();
    for number in 0..total + WARM_UP {
        let at = due.tick().await;
        if number == WARM_UP {
            begun = at;
        }
        let (request, send) = (client.get(format!("{base}{}", path(shape, number as u64))), send.clone());
        tokio::spawn(async move {
            let answer = async {
                let response = request.send().await?.error_for_status()?;
                anyhow::Ok(response.bytes().await?.len() as u64)
            };
            let length = answer.await;
            let _ = send.send((number, at.elapsed(), length));
        });
    }
    drop(send);
    let (mut samples, mut bytes, mut last) = (vec![], 0, begun);
    while let Some((number, took, length)) = answers.recv().await {
        let length = length.with_context(|| format!("ask {}", path(shape, number as u64)))?;
        if number >= WARM_UP {
            samples.push(took.as_secs_f64() * 1e3);
            bytes += length;
            last = Instant::now();
        }
    }
    ensure!(samples.len() == total, "every request was answered");
    samples.sort_by(f64::total_cmp);
    Ok((samples, bytes, last.duration_since(begun).as_secs_f64()))
}

/// What is asked: everything about one user, in turn, of users drawn as their trades were.
fn path(shape: &TapeShape, number: u64) -> String {
    let draw = |salt: u64| number.wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let (some, home) = ((draw(1) % shape.traders).min(draw(2) % shape.traders), draw(5) % shape.chains);
    let trader = some / shape.chains * shape.chains + home;
    let (who, held) = (address(trader), asset(traded(trader, draw(6) % 8, shape.assets)));
    match number % 10 {
        0 => format!("/v1/users/{who}/metrics"),
        1 => format!("/v1/users/{who}/metrics?window=24h"),
        2 => format!("/v1/users/{who}/metrics?window=30d"),
        3 => format!("/v1/users/{who}/positions"),
        4 | 5 => format!("/v1/users/{who}/trades?limit=20"),
        6 => format!("/v1/users/{who}/history?window=30d"),
        7 => format!("/v1/users/{who}/fees"),
        8 => format!("/v1/users/{who}/positions/chain{home}/{held}/explain"),
        _ => format!("/v1/users/{who}/trades?chain=chain{home}&asset={}&limit=20", asset(draw(4) % shape.assets)),
    }
}
