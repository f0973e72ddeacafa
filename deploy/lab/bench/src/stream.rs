//! `stream`: measures deliveries to thousands of WebSocket connections that get every trade; then with some that read nothing.

use super::tape::{TapeShape, partitions};
use anyhow::{Context, ensure};
use environment::{Secret, Shutdown};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system::figures::{Figures, resident_mib, rounded};
use tape_log::{Log, Record, Target, topics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 5_000;
/// Connections that subscribe and never read, beside those that do.
const SILENT: usize = 500;
/// Trades of one block: they come at once.
const BLOCK: usize = 40;
/// Blocks that are published, one when the one before has been delivered to everybody.
const BLOCKS: usize = 30;

/// Runs it; needs no server.
pub(crate) fn measure() -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure_here())
}

async fn measure_here() -> anyhow::Result<Figures> {
    environment::install_crypto();
    let files = tempfile::tempdir()?;
    let path = files.path().join("metrics.db");
    metrics::adapters::sqlite::Sqlite::open(&path, metrics_domain::Method::Average).await?;
    portfolio::store::Store::open(&portfolio::settings::Database::Sqlite(files.path().to_owned())).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let settings = api::Settings {
        addr,
        database: Secret::new(format!("sqlite:{}", files.path().display())),
        database_read: None,
        rate: None,
        trusted_proxies: api::TrustedProxies::default(),
        keys: None,
        lookback: Duration::from_mins(1),
        max_connections: CONNECTIONS + SILENT,
        streams_per_client: CONNECTIONS + SILENT,
        max_sockets: 20_000,
        sockets_per_client: 20_000,
        admin_addr: None,
        drain: Duration::ZERO,
        origins: None,
    };
    let (log, shutdown) = (Log::open(&Target::Memory).await?, Shutdown::default());
    let serving = tokio::spawn(api::serve(listener, settings, log.clone(), shutdown.clone()));
    following(addr).await?;
    let mut figures = deliver(addr, &log).await?;
    shutdown.trigger();
    serving.await??;
    figures.insert("connections".to_owned(), CONNECTIONS.into());
    figures.insert("silent_connections".to_owned(), SILENT.into());
    Ok(figures)
}

async fn deliver(addr: SocketAddr, log: &Log) -> anyhow::Result<Figures> {
    let blocks = blocks();
    let delivered = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (socket, delivered) = (subscribed(addr).await?, Arc::clone(&delivered));
        readers.spawn(async move { count(socket, &delivered).await });
    }
    let (warm, timed) = blocks.split_at(BLOCKS / 3);
    publish(log, warm, &delivered, 0).await?;
    let start = rounded(resident_mib()?, 0);
    let begun = Instant::now();
    let before = (warm.len() * BLOCK * CONNECTIONS) as u64;
    publish(log, timed, &delivered, before).await?;
    let took = begun.elapsed();
    let end = rounded(resident_mib()?, 0);
    let deliveries = (timed.len() * BLOCK * CONNECTIONS) as u64;
    ensure!(delivered.load(Ordering::Relaxed) == before + deliveries, "each message reached each connection once");
    let mut silent = vec![];
    for _ in 0..SILENT {
        silent.push(subscribed(addr).await?);
    }
    let quiet = rounded(resident_mib()?, 0);
    let again = delivered.load(Ordering::Relaxed);
    publish(log, timed, &delivered, again).await?;
    let beside = rounded(resident_mib()?, 0);
    let mut figures = Figures::new();
    let rate = f64::from(u32::try_from(deliveries)?) / took.as_secs_f64();
    figures.insert("deliveries_per_s".to_owned(), rounded(rate, 0));
    figures.insert("rss_mib_start".to_owned(), start);
    figures.insert("rss_mib_end".to_owned(), end);
    figures.insert("rss_mib_before_silent".to_owned(), quiet);
    figures.insert("rss_mib_beside_silent".to_owned(), beside);
    figures.insert("deliveries".to_owned(), deliveries.into());
    drop(silent);
    Ok(figures)
}

/// Blocks of trades as records.
fn blocks() -> Vec<Vec<Record>> {
    let trades = (BLOCK * BLOCKS) as u64;
    let shape = TapeShape {
        trades,
        traders: 1_000,
        assets: 50,
        chains: 1,
        from_ms: environment::now_ms(),
        block_ms: 1_000,
        per_block: BLOCK as u64,
    };
    let each = topics::TRADES.partitions().zip(partitions(&shape));
    let records = each.flat_map(|(partition, values)| {
        let record = |value: &[u8]| Record {
            partition: partition.clone(),
            key: vec![],
            headers: vec![],
            value: Some(value.to_vec()),
        };
        values.in_range(0..values.len()).map(record).collect::<Vec<_>>()
    });
    let records: Vec<Record> = records.collect();
    records.chunks(BLOCK).map(<[Record]>::to_vec).collect()
}

/// Publishes each block once the one before has reached every connection.
async fn publish(log: &Log, blocks: &[Vec<Record>], delivered: &AtomicU64, before: u64) -> anyhow::Result<()> {
    let mut expected = before;
    for block in blocks {
        log.publish(block.clone()).await?;
        expected += (block.len() * CONNECTIONS) as u64;
        let deadline = Instant::now() + Duration::from_mins(1);
        while delivered.load(Ordering::Relaxed) < expected {
            ensure!(Instant::now() < deadline, "a block was not delivered within a minute");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

async fn following(addr: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..300 {
        if let Ok(answer) = reqwest::get(format!("http://{addr}/ready")).await
            && answer.text().await?.contains(r#""following":true"#)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the api did not follow the log within 30 s")
}

/// A connection that is subscribed to all trades; its snapshot is read.
async fn subscribed(addr: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(addr).await.context("connect; are 12,000 open files allowed?")?;
    let handshake = format!(
        "GET /v1/stream HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(handshake.as_bytes()).await?;
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    frame(&mut socket).await?;
    socket.write_all(&masked(br#"{"op":"subscribe","channel":"trades","limit":0}"#)).await?;
    let snapshot = frame(&mut socket).await?;
    ensure!(snapshot.starts_with(br#"{"type":"snapshot""#), "{}", String::from_utf8_lossy(&snapshot));
    Ok(socket)
}

/// A text frame as clients send it; a mask of zeros leaves the text as it is.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap_or(125), 0, 0, 0, 0];
    frame.extend_from_slice(text);
    frame
}

async fn frame(socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).await?;
    let length = match head[1] {
        126 => usize::from(socket.read_u16().await?),
        127 => usize::try_from(socket.read_u64().await?)?,
        short => usize::from(short),
    };
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    Ok(body)
}

/// Counts the changes that arrive, frame by frame, for as long as the connection stands.
async fn count(mut socket: TcpStream, delivered: &AtomicU64) -> anyhow::Result<()> {
    let (mut bytes, mut at, mut end) = (vec![0_u8; 16 * 1024], 0, 0);
    loop {
        let (counted, used) = frames(&bytes[at..end])?;
        delivered.fetch_add(counted, Ordering::Relaxed);
        at += used;
        bytes.copy_within(at..end, 0);
        (at, end) = (0, end - at);
        match socket.read(&mut bytes[end..]).await? {
            0 => return Ok(()),
            read => end += read,
        }
    }
}

/// The changes among whole frames, and the bytes of these frames.
fn frames(bytes: &[u8]) -> anyhow::Result<(u64, usize)> {
    let (mut counted, mut at) = (0, 0);
    while let Some([first, length, rest @ ..]) = bytes.get(at..) {
        let (length, head) = match (length, rest) {
            (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
            (126 | 127, _) => {
                ensure!(*length == 126, "no change is so long");
                break;
            }
            (short, _) => (usize::from(*short), 2),
        };
        let Some(body) = bytes.get(at + head..at + head + length) else { break };
        counted += u64::from(*first == 0x81 && body.starts_with(br#"{"type":"apply""#));
        at += head + length;
    }
    Ok((counted, at))
}
