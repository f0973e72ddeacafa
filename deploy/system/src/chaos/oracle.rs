//! The oracle: what the tape and the tables must say, derived from the chains' own truth and from nothing that was struck.
//!
//! Three witnesses: the topic itself (per trade, coming and going alternate and end as the truth does), the tables of a metrics
//! that saw only the truth, in order and undisturbed, and sums made here from the truth alone.

use super::Verdict;
use crate::mock::Node;
use anyhow::{Context, ensure};
use environment::{Problems, Shutdown};
use mock_plugin::node::{Swap, Whole};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tape::{
    AssetAmount, BlockId, BlockRef, Detector, Event, Leg, Raw, Side, Status, Trade, Trader, Transaction, Usd, Valuation,
};
use tape_log::{Arrival, Log, Record, Target, topics};
use tokio::task::JoinHandle;
use wire::v1::{progress, trade};

/// Findings named in a verdict.
const NAMED: usize = 12;
/// Rows of a table that were made by something other than trades, and columns that say when instead of what.
const TABLES_LEFT_OUT: [&str; 4] = ["position", "outbox", "_sqlx_migrations", "trades"];
const COLUMNS_LEFT_OUT: [&str; 5] = ["as_of", "as_of_history", "partition", "updated_at", "built_at"];

/// Where a database of that name is, once it is made.
pub(super) async fn create_database(url: &str, name: &str) -> anyhow::Result<String> {
    let pool = patient_pool(url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("create database \"{name}\""))).execute(&pool).await?;
    sibling(url, name)
}

pub(super) async fn drop_database(url: &str, name: &str) -> anyhow::Result<()> {
    let pool = patient_pool(url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("drop database if exists \"{name}\" with (force)"))).execute(&pool).await?;
    Ok(())
}

fn sibling(url: &str, name: &str) -> anyhow::Result<String> {
    let (server, _) = url.rsplit_once('/').context("the database's address names no database")?;
    Ok(format!("{server}/{name}"))
}

/// A connection to a server that may just have been started.
async fn patient_pool(url: &str) -> anyhow::Result<PgPool> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match PgPoolOptions::new().max_connections(2).connect(url).await {
            Ok(pool) => return Ok(pool),
            Err(e) if Instant::now() > deadline => return Err(e).context("reach PostgreSQL"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Puts records that do not validate onto the tape.
pub(super) async fn poison(log: &Log) {
    let bad: [&[u8]; 3] = [b"", b"{\"status\":\"perhaps\"}", b"\xff\xfe not even text"];
    let record = |(number, value): (u32, &[u8])| Record {
        share: topics::TRADES.share(number * 7),
        key: b"poison/poison".to_vec(),
        headers: vec![],
        value: Some(value.to_vec()),
    };
    // A broker that is down takes no poison.
    let _ = log.publish((0..).zip(bad).map(record).collect()).await;
}

/// Watches how long any chain stands still; a running chain makes a step at least every five seconds.
pub(super) struct Stillness(JoinHandle<u64>, tokio::sync::watch::Sender<bool>);

pub(super) fn stillness(log: Log) -> Stillness {
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let watching = tokio::spawn(async move {
        let mut last: HashMap<Vec<u8>, Instant> = HashMap::new();
        let mut stillest = Duration::ZERO;
        let share = topics::PROGRESS.share(0);
        let Ok(mut reader) = log.assigned(vec![(share, tape::Start::Beginning)]).await else { return 0 };
        loop {
            tokio::select! {
                arrival = reader.next() => {
                    let Ok(Arrival::Records { records, .. }) = arrival else { continue };
                    for record in records {
                        let now = Instant::now();
                        if let Some(before) = last.insert(record.key, now) {
                            stillest = stillest.max(now - before);
                        }
                    }
                }
                _ = stopped.changed() => return u64::try_from(stillest.as_millis()).unwrap_or(u64::MAX),
            }
        }
    });
    Stillness(watching, stop)
}

impl Stillness {
    /// The longest time seen between two steps of one chain, milliseconds.
    pub(super) async fn end(self) -> u64 {
        let _ = self.1.send(true);
        self.0.await.unwrap_or(u64::MAX)
    }
}

/// Waits until every chain is published to its head and metrics has read all of it.
pub(super) async fn rest(
    log: &Log,
    database: &str,
    chains: &[String],
    nodes: &[Node],
    patience: Duration,
    mut tend: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        tend()?;
        let why = match unrest(log, database, chains, nodes).await {
            Ok(None) => return Ok(()),
            Ok(Some(why)) => why,
            Err(e) => format!("{e:#}"),
        };
        ensure!(Instant::now() < deadline, "{why}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn unrest(log: &Log, database: &str, chains: &[String], nodes: &[Node]) -> anyhow::Result<Option<String>> {
    let said = newest_progress(log).await?;
    for (chain, node) in chains.iter().zip(nodes) {
        let Some(said) = said.get(chain) else { return Ok(Some(format!("{chain} has said nothing"))) };
        let head = node.truth().pop().context("a chain without blocks")?.id;
        let published = said.published.as_ref().map(|block| (block.height, block.hash.clone()));
        if published != Some((head.height, head.hash.clone())) {
            return Ok(Some(format!("{chain} stands at {published:?} and its head is {head:?}: {:?}", said.reason)));
        }
    }
    let pool = patient_pool(database).await?;
    let rows = sqlx::query("select partition, next from metrics.position where log = $1")
        .bind(topics::TRADES.name)
        .fetch_all(&pool)
        .await?;
    let read: HashMap<u32, i64> = rows.iter().map(|row| (row.get::<i32, _>(0).cast_unsigned(), row.get(1))).collect();
    for (share, _) in log.ends(&topics::TRADES).await? {
        // The end counts markers of transactions, which no reader is handed: the last record counts.
        let Some(last) = log.read_all(&share).await?.pop() else { continue };
        let next = read.get(&share.number).copied().unwrap_or(0).cast_unsigned();
        if next <= last.position {
            return Ok(Some(format!(
                "metrics has read partition {} to {next}, {} is there",
                share.number, last.position
            )));
        }
    }
    let left: i64 = sqlx::query_scalar("select count(*) from metrics.outbox").fetch_one(&pool).await?;
    Ok((left > 0).then(|| format!("{left} messages are in the outbox")))
}

async fn newest_progress(log: &Log) -> anyhow::Result<BTreeMap<String, progress::ChainProgressed>> {
    let mut newest = BTreeMap::new();
    for record in log.read_all(&topics::PROGRESS.share(0)).await? {
        if let Some(value) = record.value {
            let said = progress::decode(&value)?;
            newest.insert(said.chain.clone(), said);
        }
    }
    Ok(newest)
}

/// Compares everything with the truth.
pub(super) async fn judge(
    log: &Log,
    database: &str,
    server: &str,
    chains: &[String],
    nodes: &[Node],
) -> anyhow::Result<Verdict> {
    let mut findings = vec![];
    let truth: Vec<Trade> = chains
        .iter()
        .zip(nodes)
        .flat_map(|(chain, node)| node.truth().into_iter().map(move |b| (chain, b)))
        .flat_map(|(chain, block)| trades_of(chain, &block))
        .collect();
    let tape = read_tape(log, &mut findings).await?;
    let expected: BTreeSet<String> = truth.iter().map(Trade::id).collect();
    let lost: Vec<&String> = expected.iter().filter(|id| !tape.live.contains(*id)).collect();
    let invented: Vec<&String> = tape.live.iter().filter(|id| !expected.contains(*id)).collect();
    findings.extend(lost.iter().take(NAMED).map(|id| format!("lost: {id}")));
    findings.extend(invented.iter().take(NAMED).map(|id| format!("live, but not of the truth: {id}")));
    count_records(log, &tape, &mut findings).await?;
    let books_equal = books(database, server, &truth, &mut findings).await?;
    Ok(Verdict {
        faults: 0,
        seed: 0,
        lost: lost.len() as u64,
        doubled: invented.len() as u64 + tape.doubled,
        books_equal,
        trades: tape.live.len() as u64,
        reverted: tape.reverted,
        stillest_ms: 0,
        seconds: 0,
        findings,
    })
}

/// What the topic says, read with `read_committed`.
#[derive(Default)]
struct TapeRead {
    live: BTreeSet<String>,
    doubled: u64,
    reverted: u64,
    /// Records of each chain per partition.
    counts: BTreeMap<(String, u32), u64>,
}

async fn read_tape(log: &Log, findings: &mut Vec<String>) -> anyhow::Result<TapeRead> {
    let mut tape = TapeRead::default();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for share in topics::TRADES.shares() {
        for record in log.read_all(&share).await? {
            if record.key == b"poison/poison" {
                continue;
            }
            let event = trade::decode(record.value.as_deref().unwrap_or_default())
                .with_context(|| format!("partition {} offset {}", share.number, record.position))?;
            let id = event.trade.id();
            let place = format!("partition {} offset {}", share.number, record.position);
            if let Some(before) = ids.insert(event.id.clone(), place.clone()) {
                findings.push(format!("event {} stands at {before} and at {place}", event.id));
                tape.doubled += 1;
            }
            *tape.counts.entry((event.trade.chain.to_string(), share.number)).or_default() += 1;
            let alternates = if event.status == Status::Reverted {
                tape.reverted += 1;
                tape.live.remove(&id)
            } else {
                tape.live.insert(id.clone())
            };
            if !alternates {
                findings.push(format!("{:?} of {id} twice in a row at {place}", event.status));
                tape.doubled += 1;
            }
        }
    }
    Ok(tape)
}

/// Progress counts every record that there is.
async fn count_records(log: &Log, tape: &TapeRead, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut said = BTreeMap::new();
    for (chain, progress) in newest_progress(log).await? {
        for partition in progress.partitions {
            said.insert((chain.clone(), partition.partition), partition.count);
        }
    }
    if said != tape.counts {
        let differs = said.iter().find(|(key, count)| tape.counts.get(*key) != Some(*count));
        findings.push(format!("progress counts other records than there are: {differs:?}"));
    }
    Ok(())
}

/// Whether the tables equal those of a metrics that read the truth alone, and sums made here.
async fn books(database: &str, server: &str, truth: &[Trade], findings: &mut Vec<String>) -> anyhow::Result<bool> {
    let name = format!("truth-{}-{}", std::process::id(), environment::now_ms());
    let clean = create_database(server, &name).await?;
    let log = Log::open(&Target::Memory).await?;
    let event = |(index, trade): (usize, &Trade)| {
        let event = Event { id: format!("truth/1/{index}"), status: Status::Observed, trade: trade.clone() };
        let key = trade.key().into_bytes();
        Record { share: topics::TRADES.share_of(&key), key, headers: vec![], value: Some(trade::encode(&event)) }
    };
    log.publish(truth.iter().enumerate().map(event).collect()).await?;
    let strings: HashMap<String, String> = HashMap::from([("DATABASE_URL".to_owned(), clean.clone())]);
    let mut problems = Problems::default();
    let settings = metrics::Settings::read(&strings, &mut problems);
    problems.finish()?;
    let shutdown = Shutdown::default();
    let folding = tokio::spawn(metrics::run(settings, log.clone(), shutdown.clone()));
    let (struck, clean) = (patient_pool(database).await?, patient_pool(&clean).await?);
    let deadline = Instant::now() + Duration::from_mins(3);
    while live_trades(&clean).await.unwrap_or(-1) < i64::try_from(truth.len())? {
        ensure!(Instant::now() < deadline && !folding.is_finished(), "the truth is not folded");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shutdown.trigger();
    folding.await??;
    let before = findings.len();
    let live = live_trades(&struck).await?;
    if live != i64::try_from(truth.len())? {
        findings.push(format!("{live} trades are live in the table, {} in the truth", truth.len()));
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'metrics' and table_type = 'BASE TABLE'
         and table_name not in (select inhrelid::regclass::text from pg_inherits) order by 1",
    )
    .fetch_all(&clean)
    .await?;
    for table in tables.iter().filter(|table| !left_out(table)) {
        let (struck, clean) = (dump(&struck, table).await?, dump(&clean, table).await?);
        if struck != clean {
            let differs = struck.iter().zip(&clean).find(|(one, other)| one != other);
            findings.push(format!("table {table}: {} rows, {} by the truth; {differs:?}", struck.len(), clean.len()));
        }
    }
    sums(&struck, truth, findings).await?;
    clean.close().await;
    drop_database(server, &name).await?;
    Ok(findings.len() == before)
}

fn left_out(table: &str) -> bool {
    TABLES_LEFT_OUT.contains(&table) || table.starts_with("trades_") || table.starts_with("leader")
}

async fn live_trades(pool: &PgPool) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from metrics.trades where status = 'live'").fetch_one(pool).await?)
}

/// Every row of a table as sorted text, without what says when; rows of users who have nothing are no rows.
async fn dump(pool: &PgPool, table: &str) -> anyhow::Result<Vec<String>> {
    let columns: Vec<String> = COLUMNS_LEFT_OUT.map(str::to_owned).to_vec();
    // Numbers as exact text: what reads them here would make floats of them.
    let query = format!(
        "select (select jsonb_object_agg(key, case jsonb_typeof(value)
            when 'number' then to_jsonb(trim_scale((value #>> '{{}}')::numeric)::text) else value end)
         from jsonb_each(to_jsonb(t) - $1::text[]))::text from metrics.{table} t"
    );
    let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(columns).fetch_all(pool).await?;
    let mut rows: Vec<String> = rows.into_iter().filter_map(|row| meaning(&row)).collect();
    rows.sort();
    Ok(rows)
}

/// A row without its marks of what was ever seen; none where every count and sum is zero.
fn meaning(row: &str) -> Option<String> {
    let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).ok()?;
    row.retain(|key, _| !key.starts_with("seen_") && !key.starts_with("decorated_"));
    let counts = ["trades", "swaps", "cycles", "unvalued"];
    let counted: Vec<u64> = counts.iter().filter_map(|key| row.get(*key)?.as_str()?.parse().ok()).collect();
    let empty = !counted.is_empty() && counted.iter().all(|count| *count == 0);
    (!empty).then(|| serde_json::Value::Object(row).to_string())
}

/// Volume and count of every user, added up here.
async fn sums(pool: &PgPool, truth: &[Trade], findings: &mut Vec<String>) -> anyhow::Result<()> {
    let mut users: BTreeMap<(String, String), (i128, i64)> = BTreeMap::new();
    for trade in truth {
        let user = users.entry((trade.trader.address.clone(), trade.chain.to_string())).or_default();
        user.0 += trade.valuation.as_ref().map_or(0, |valuation| valuation.notional.0);
        user.1 += 1;
    }
    let query =
        "select trader, chain, (sum(volume_usd) * 1000000000000000000)::numeric(60, 0)::text, sum(swaps)::bigint
         from metrics.user_totals_v1 group by trader, chain";
    let rows = sqlx::query(query).fetch_all(pool).await?;
    let mut kept = BTreeMap::new();
    for row in rows {
        let volume: String = row.get(2);
        kept.insert(
            (row.get::<String, _>(0), row.get::<String, _>(1)),
            (volume.parse::<i128>()?, row.get::<i64, _>(3)),
        );
    }
    if kept != users {
        let differs = users.iter().find(|(key, sums)| kept.get(*key) != Some(*sums));
        findings.push(format!(
            "sums of users differ from the truth's: {} and {}; {differs:?}",
            kept.len(),
            users.len()
        ));
    }
    Ok(())
}

/// The trades of a block as the tape should say them, written down here anew.
fn trades_of(chain: &str, block: &Whole) -> Vec<Trade> {
    (0..).zip(&block.trades).map(|(index, swap)| trade_of(chain, block, index, swap)).collect()
}

fn trade_of(chain: &str, block: &Whole, index: u32, swap: &Swap) -> Trade {
    let (symbol, name) = [("MOON", "moon"), ("TIDE", "tide"), ("FERN", "fern"), ("ONYX", "onyx")][swap.asset];
    let dollars = Side {
        asset: "mock:usd".to_owned(),
        raw: Raw::from(swap.cents) * Raw::from(10_000),
        decimals: Some(6),
        symbol: Some("mUSD".to_owned()),
        quote: true,
    };
    let token = Side {
        asset: format!("mock:{name}"),
        raw: Raw::from(swap.units),
        decimals: Some(18),
        symbol: Some(symbol.to_owned()),
        quote: false,
    };
    let (sold, bought) = if swap.buys { (dollars, token) } else { (token, dollars) };
    let amount = |side: &Side| AssetAmount { asset: side.asset.clone(), raw: side.raw };
    Trade {
        kind: Trade::SWAP.to_owned(),
        chain: chain.into(),
        network: "truth".into(),
        block: BlockRef {
            id: BlockId { height: block.id.height, hash: block.id.hash.as_str().into() },
            timestamp_ms: block.timestamp_ms,
        },
        transaction: Transaction { hash: swap.hash.as_str().into(), index, from: swap.trader.clone(), to: None },
        ordinal: 0,
        trader: Trader { address: swap.trader.clone(), evidence: "tx-sender".to_owned() },
        legs: vec![Leg {
            venue: "mock-pool".to_owned(),
            pool: format!("mock:pool:{name}"),
            sold: amount(&sold),
            bought: amount(&bought),
            ordinal: 0,
        }],
        sold,
        bought,
        fees: vec![],
        platform: None,
        valuation: Some(Valuation {
            notional: Usd(i128::from(swap.cents) * Usd::ONE.0 / 100),
            fee: None,
            source: "stable-leg".to_owned(),
        }),
        detector: Arc::new(Detector { plugin: "truth".into(), version: "1".into(), digest: "truth".into() }),
    }
}
