//! The oracle: compares topics, tables and the api with the chains' own truth, using nothing that faults were injected into.
//!
//! It checks the topics (per trade, apply and revert alternate and end as the truth does), the tables against those of a metrics
//! that read only the truth, in order and without faults, sums computed here from the truth, and the counters of the api.

mod books;
mod databases;
mod tape;
mod truth;

pub(super) use books::tables;
pub(super) use databases::{create_database, drop_database};

use super::Verdict;
use super::hostile::is_guest;
use super::rig::Rig;
use ::tape::{Partition, Start, Trade};
use anyhow::{Context, ensure};
use databases::connect_with_retry;
use nodes::mock::Node;
use serde_json::Value;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tape_log::{Arrival, Log, Record, topics};
use tokio::task::JoinHandle;
use wire::v1::progress;

/// Findings of one kind that a verdict lists.
const MAX_LISTED_FINDINGS: usize = 12;

/// Publishes records that cannot be decoded.
pub(super) async fn publish_poison(log: &Log) {
    let bad: [&[u8]; 3] = [b"", b"{\"status\":\"perhaps\"}", b"\xff\xfe not even text"];
    let record = |(number, value): (u32, &[u8])| Record {
        partition: if number == 1 { topics::HISTORY } else { topics::TRADES }.partition(number * 7),
        key: tape::POISON.to_vec(),
        headers: vec![],
        value: Some(value.to_vec()),
    };
    // A broker that is down takes none; that is no finding.
    let _ = log.publish((0..).zip(bad).map(record).collect()).await;
}

/// Watches how long any chain stands still; a running chain makes a step at least every five seconds.
pub(super) struct StillnessWatch(JoinHandle<u64>, tokio::sync::watch::Sender<bool>);

pub(super) fn watch_stillness(log: Log) -> StillnessWatch {
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let watching = tokio::spawn(async move {
        let mut last: HashMap<Vec<u8>, Instant> = HashMap::new();
        let mut stillest = Duration::ZERO;
        let partition = topics::PROGRESS.partition(0);
        let Ok(mut reader) = log.assigned(vec![(partition, Start::Beginning)]).await else { return 0 };
        loop {
            tokio::select! {
                arrival = reader.next() => {
                    let Ok(Arrival::Records { records, .. }) = arrival else { continue };
                    for record in records {
                        if is_guest(&record.key) {
                            continue;
                        }
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
    StillnessWatch(watching, stop)
}

impl StillnessWatch {
    /// The longest time seen between two steps of one chain, milliseconds.
    pub(super) async fn end(self) -> u64 {
        let _ = self.1.send(true);
        self.0.await.unwrap_or(u64::MAX)
    }
}

/// Waits until every chain is published from its first block to its head and metrics and portfolio have read all of it.
pub(super) async fn wait_until_caught_up(
    log: &Log,
    database: &str,
    chains: &[String],
    nodes: &[Node],
    timeout: Duration,
    mut restart_dead: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        restart_dead()?;
        let why = match reason_to_wait(log, database, chains, nodes).await {
            Ok(None) => return Ok(()),
            Ok(Some(why)) => why,
            Err(e) => format!("{e:#}"),
        };
        ensure!(Instant::now() < deadline, "{why}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What is not published or not read yet; none where everything is.
async fn reason_to_wait(
    log: &Log,
    database: &str,
    chains: &[String],
    nodes: &[Node],
) -> anyhow::Result<Option<String>> {
    let newest = newest_progress(log).await?;
    for (chain, node) in chains.iter().zip(nodes) {
        let Some(progress) = newest.get(chain) else { return Ok(Some(format!("{chain} has no progress record"))) };
        let head = node.truth().pop().context("a chain without blocks")?.id;
        let published = progress.published.as_ref().map(|block| (block.height, block.hash.clone()));
        if published != Some((head.height, head.hash.clone())) {
            return Ok(Some(format!(
                "{chain} stands at {published:?} and its head is {head:?}: {:?}",
                progress.reason
            )));
        }
        if !matches!(&progress.covered[..], [all] if all.from == 0) {
            return Ok(Some(format!("{chain} covers {:?}", progress.covered)));
        }
    }
    let pool = connect_with_retry(database).await?;
    let mut last = vec![];
    for partition in topics::TRADES.partitions().chain(topics::HISTORY.partitions()) {
        // The end counts markers of transactions, which no reader is handed: the last record counts.
        last.extend(log.read_all(&partition).await?.pop().map(|record| (partition, record.position)));
    }
    for (service, table) in [("metrics", "metrics.position"), ("portfolio", "portfolio.read_positions")] {
        let positions = sqlx::AssertSqlSafe(format!("select log, partition, next from {table}"));
        let rows = sqlx::query(positions).fetch_all(&pool).await?;
        let read: HashMap<(String, u32), i64> =
            rows.iter().map(|row| ((row.get(0), row.get::<i32, _>(1).cast_unsigned()), row.get(2))).collect();
        for (partition, position) in &last {
            let next = read.get(&(partition.topic.to_string(), partition.index)).copied().unwrap_or(0).cast_unsigned();
            if next <= *position {
                let Partition { topic, index } = partition;
                return Ok(Some(format!("{service} has read {topic} {index} to {next}, {position} is there")));
            }
        }
        let left = sqlx::AssertSqlSafe(format!("select count(*) from {service}.outbox"));
        let left: i64 = sqlx::query_scalar(left).fetch_one(&pool).await?;
        if left > 0 {
            return Ok(Some(format!("{left} messages are in the outbox of {service}")));
        }
    }
    Ok(None)
}

async fn newest_progress(log: &Log) -> anyhow::Result<BTreeMap<String, progress::ChainProgressed>> {
    let mut newest = BTreeMap::new();
    for record in log.read_all(&topics::PROGRESS.partition(0)).await? {
        if let Some(value) = record.value {
            let progress = progress::decode(&value)?;
            newest.insert(progress.chain.clone(), progress);
        }
    }
    Ok(newest)
}

/// Compares topics, tables and the api with the truth.
pub(super) async fn compare_with_truth(rig: &Rig) -> anyhow::Result<Verdict> {
    let Rig { log, access, chains, nodes, api, guests, .. } = rig;
    let mut findings = vec![];
    let truth = truth::trades(chains, nodes);
    let tape = tape::read_tape(log, &mut findings).await?;
    let expected: BTreeSet<String> = truth.iter().map(Trade::id).collect();
    let lost: Vec<&String> = expected.iter().filter(|id| !tape.live.contains(*id)).collect();
    let invented: Vec<&String> = tape.live.iter().filter(|id| !expected.contains(*id)).collect();
    findings.extend(lost.iter().take(MAX_LISTED_FINDINGS).map(|id| format!("lost: {id}")));
    findings.extend(invented.iter().take(MAX_LISTED_FINDINGS).map(|id| format!("live, but not of the truth: {id}")));
    tape::count_records(log, &tape, &mut findings).await?;
    let books_equal = books::compare(log, &access.database, &truth, &mut findings).await?;
    compare_api(*api, chains, &mut findings).await?;
    findings.extend(guests.findings(&newest_progress(log).await?));
    Ok(Verdict {
        faults: 0,
        seed: 0,
        lost: lost.len() as u64,
        doubled: invented.len() as u64 + tape.doubled,
        books_equal,
        trades: tape.live.len() as u64,
        filled_in: tape.filled_in,
        reverted: tape.reverted,
        stillest_ms: 0,
        seconds: 0,
        findings,
    })
}

/// The api counts nothing lost, doubled, missing or dead-lettered of any chain.
async fn compare_api(api: SocketAddr, chains: &[String], findings: &mut Vec<String>) -> anyhow::Result<()> {
    let answer = reqwest::get(format!("http://{api}/v1/chains")).await.context("ask the api for its chains")?;
    let body: Value = answer.error_for_status()?.json().await?;
    for chain in chains {
        let found = body["items"].as_array().into_iter().flatten().find(|item| item["chain"] == chain.as_str());
        let watch = found.map_or(&Value::Null, |item| &item["watch"]);
        let zero = ["lost", "doubled", "gap", "deadLettered"].iter().all(|figure| watch[*figure] == 0);
        if !zero {
            findings.push(format!("the api counts for {chain}: {watch}"));
        }
    }
    Ok(())
}
