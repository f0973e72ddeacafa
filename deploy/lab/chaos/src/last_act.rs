//! The last act of a run: the trades' topic is cut, or replaced by another of the same name, under the running services. They
//! must stop with a sentence, and leave their tables as they are. It comes last because nothing cures it but a backup.

use super::oracle;
use super::plan::{READERS, Role};
use super::rig::Rig;
use anyhow::{Context, ensure};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};
use tape_log::topics;

/// How long a service may take to notice that its log is another one.
const NOTICE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long its tables are watched afterwards.
const WATCHED: Duration = Duration::from_secs(5);
/// Blocks that every chain grows by meanwhile: what is published then must not be read on.
const MORE_BLOCKS: u64 = 20;
/// What is done to the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastAct {
    /// Records at the beginning of a partition are deleted.
    CutLog,
    /// The topic is deleted and made again.
    ReplacedLog,
}

impl LastAct {
    /// The act of a seed: both come in turn.
    pub(super) fn of_seed(seed: u64) -> Self {
        if seed.is_multiple_of(2) { Self::ReplacedLog } else { Self::CutLog }
    }
}

/// Does it, and returns what went wrong.
pub(super) async fn perform(act: LastAct, rig: &mut Rig, brokers: &str) -> anyhow::Result<Vec<String>> {
    let before = oracle::tables(&rig.access.database).await?;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().context("make an admin client")?;
    match act {
        LastAct::CutLog => cut(&admin, rig).await?,
        LastAct::ReplacedLog => replace(&admin, rig).await?,
    }
    // What comes after a cut is read on rightly until the cut is noticed; what comes after a replacement never is.
    if act == LastAct::ReplacedLog {
        grow(rig);
    }
    let mut findings = vec![];
    for role in READERS {
        if let Err(answer) = notices(rig, role).await? {
            findings.push(format!("{role:?} reads on after {act:?}: {answer}"));
        }
    }
    grow(rig);
    tokio::time::sleep(WATCHED).await;
    let after = oracle::tables(&rig.access.database).await?;
    for (table, rows) in before {
        if after.get(&table) != Some(&rows) {
            findings.push(format!("table {table} changed after {act:?}"));
        }
    }
    Ok(findings)
}

fn grow(rig: &Rig) {
    for node in &rig.nodes {
        node.grow(MORE_BLOCKS);
    }
}

/// Deletes the older half of the first partition that holds several records.
async fn cut(admin: &AdminClient<DefaultClientContext>, rig: &Rig) -> anyhow::Result<()> {
    let spans = rig.log.spans(&topics::TRADES).await.context("read where partitions begin and end")?;
    let longest = spans.iter().max_by_key(|(_, span)| span.end - span.first).context("there is no partition")?;
    let (partition, span) = longest;
    let middle = i64::try_from(span.first + (span.end - span.first) / 2)?;
    ensure!(middle > 0, "the topic of trades is empty");
    let mut below = TopicPartitionList::new();
    let topic = format!("{}{}", rig.access.prefix, topics::TRADES.name);
    below.add_partition_offset(&topic, partition.index.cast_signed(), Offset::Offset(middle))?;
    admin.delete_records(&below, &AdminOptions::new()).await.context("delete records")?;
    Ok(())
}

/// Deletes the topic and makes it again.
async fn replace(admin: &AdminClient<DefaultClientContext>, rig: &Rig) -> anyhow::Result<()> {
    let topic = format!("{}{}", rig.access.prefix, topics::TRADES.name);
    admin.delete_topics(&[&topic], &AdminOptions::new()).await.context("delete the topic")?;
    let deadline = Instant::now() + NOTICE_TIMEOUT;
    // The deletion of a topic takes a moment.
    while let Err(error) = rig.log.own(topics::OF_INGESTOR).await {
        ensure!(Instant::now() < deadline, "the topic cannot be made again: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Waits until a service says in `/ready` that its log is not the one it has read; the error is what it says instead.
async fn notices(rig: &mut Rig, role: Role) -> anyhow::Result<Result<(), String>> {
    let address = rig.processes.health_addr(role).context("a reader without an address for its health")?;
    let deadline = Instant::now() + NOTICE_TIMEOUT;
    loop {
        rig.processes.restart_dead()?;
        let answer = match reqwest::get(format!("http://{address}/ready")).await {
            Ok(response) => format!("{} {}", response.status(), response.text().await.unwrap_or_default()),
            Err(error) => error.to_string(),
        };
        if answer.starts_with("503") && answer.contains("tape: ") {
            return Ok(Ok(()));
        }
        if Instant::now() > deadline {
            return Ok(Err(answer));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
