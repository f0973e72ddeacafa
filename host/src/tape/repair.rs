//! The command `repair`: shows what of a chain's journal cannot be read, and lets the chain go on from a safe height.
//!
//! Records that cannot be read are deleted. Where they held trades that a reorg may have to take back, the chain is cut
//! below them: its trades above are taken back from the tape itself. A cursor that cannot be read is made again from
//! the chain's newest progress, which the same step wrote.

use super::journal::{ChainJournal, PartitionJournal};
use super::newest_progress;
use crate::file_request::{fulfilled_by, new_request, outcome};
use anyhow::{Context, bail, ensure};
use ingest_domain::RequestKind;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tape::{Partition, Unavailable};
use tape_log::{Log, Record, topics};
use wire::v1::{journal, progress, trade};

/// What is to be repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    pub(crate) chain: String,
    /// A height whose trades are to be left out.
    pub(crate) skip: Option<u64>,
    /// Whether it is carried out, or only shown.
    pub(crate) confirm: bool,
}

/// Shows what a repair does and, once it is confirmed, does it.
pub(crate) async fn repair(log: &Log, program: &str, repair: &Repair) -> anyhow::Result<String> {
    let Repair { chain, skip, confirm } = repair;
    let partition = topics::JOURNAL.partition_of(chain.as_bytes());
    let chain_journal =
        PartitionJournal::read(log, &partition, |_| {}).await.context("read ingest.journal.v1")?.of_chain(chain);
    let published = newest_progress(log, chain).await.context("read chains.progress.v1")?;
    ensure!(
        published.is_some() || !chain_journal.is_empty(),
        "find chain `{chain}` on the tape; its id is that of its chain file"
    );
    let published = published.and_then(Result::ok);
    let (kind, mut records, mut lines) = if chain_journal.unreadable.is_empty() {
        nothing_unreadable(chain, *skip, published.as_ref())?
    } else {
        ensure!(skip.is_none(), "repair the journal of `{chain}` before a height is skipped: leave --skip out");
        mend(log, &partition, chain, &chain_journal, published).await?
    };
    let (id, request) = new_request(chain, kind);
    lines.push(format!("then: {}", outcome(chain, kind)));
    if *confirm {
        records.push(request);
        log.deliver(records).await.context("write the repair to ingest.journal.v1")?;
        lines.push(format!("repair {id} is filed; it is carried out by {}; see /v1/chains", fulfilled_by(log)));
    } else {
        let skip = skip.map(|height| format!(" --skip {height}")).unwrap_or_default();
        lines.push(format!("nothing was changed; to do it, run: {program} repair --chain {chain}{skip} --confirm"));
    }
    Ok(lines.join("\n"))
}

/// The request that leads on, the records that are written before it, and what the operator is shown.
type Plan = (RequestKind, Vec<Record>, Vec<String>);

/// The journal is in order: a chain that is parked for another reason is followed again.
fn nothing_unreadable(
    chain: &str,
    skip: Option<u64>,
    published: Option<&progress::ChainProgressed>,
) -> anyhow::Result<Plan> {
    let (state, reason) = published.map_or((None, None), |it| (Some(it.state), it.reason.clone()));
    let mut lines = vec![format!("chain {chain}: every record of its journal can be read")];
    lines.extend(reason.map(|reason| format!("it is not followed because: {reason}")));
    if let Some(height) = skip {
        let head = published.and_then(|it| it.published.as_ref()).map_or(0, |block| block.height);
        ensure!(height > head, "skip height {height}: `{chain}` has published it; it stands at {head}");
        return Ok((RequestKind::Skip { height }, vec![], lines));
    }
    if state != Some(progress::State::Parked) {
        bail!("repair `{chain}`: its journal can be read and the chain is not parked; there is nothing to do");
    }
    Ok((RequestKind::Retry, vec![], lines))
}

/// Deletes what cannot be read and cuts the chain below it.
async fn mend(
    log: &Log,
    partition: &Partition,
    chain: &str,
    found: &ChainJournal,
    published: Option<progress::ChainProgressed>,
) -> anyhow::Result<Plan> {
    let mut lines = vec![format!("chain {chain}: {} records of its journal cannot be read", found.unreadable.len())];
    let mut deleted: BTreeSet<String> = BTreeSet::new();
    let mut lowest: Option<u64> = None;
    for (key, (reason, bytes)) in &found.unreadable {
        lines.push(format!("  {key} ({bytes} bytes): {reason}"));
        if let Some((_, height, _)) = journal::parse_block_key(key) {
            lowest = Some(lowest.map_or(height, |lowest| lowest.min(height)));
            // A block of which a part is missing cannot be taken back by its journal.
            deleted.extend(found.parts_of(height).map(|part| journal::block_key(chain, height, part)));
        }
        if key.contains('/') {
            deleted.insert(key.clone());
        }
    }
    let record =
        |key: String, value| Record { partition: partition.clone(), key: key.into_bytes(), headers: vec![], value };
    let mut records = vec![];
    let mut through = found.cursor.as_ref().map(|cursor| cursor.through);
    if found.cursor.is_none() {
        let published = published.filter(|it| it.step > 0).with_context(|| {
            format!(
                "repair `{chain}`: neither its cursor nor its progress can be read; restore ingest.journal.v1 and \
                 chains.progress.v1 from a backup"
            )
        })?;
        let (cursor, ranges) = cursor_from_progress(log, found, published).await?;
        through = Some(cursor.through);
        lines.push(format!("the cursor is made again from the chain's progress: it stands at {}", cursor.through));
        records.extend(
            ranges.iter().map(|(n, range)| record(journal::range_key(chain, *n), Some(journal::encode_range(range)))),
        );
        records.push(record(journal::cursor_key(chain), Some(journal::encode_cursor(&cursor))));
    }
    lines.push(format!("deleted: {} records of the journal", deleted.len()));
    records.splice(0..0, deleted.into_iter().map(|key| record(key, None)));
    // Records above the cursor count for nothing.
    let cut = lowest.filter(|lowest| through.is_some_and(|through| *lowest <= through));
    let kind = cut.map_or(RequestKind::Retry, |lowest| RequestKind::Rewind { to: lowest.saturating_sub(1) });
    Ok((kind, records, lines))
}

/// The cursor that the step of this progress wrote, and the covered ranges that it stood for.
async fn cursor_from_progress(
    log: &Log,
    found: &ChainJournal,
    published: progress::ChainProgressed,
) -> anyhow::Result<(journal::Cursor, Vec<(u32, journal::Range)>)> {
    let origin = origin_on_tape(log, &published).await.context("read the chain's trades")?;
    let head = published.published.as_ref().map_or(0, |block| block.height);
    // Heights after the newest block that were proved empty are covered too.
    let through = published.covered.iter().map(|covered| covered.to).max().unwrap_or(head).max(head);
    let mut coverage = ingest_domain::Coverage::from_ranges(found.domain_ranges());
    let mut ranges = vec![];
    for covered in &published.covered {
        while let Some((from, to)) = coverage.hole(covered.from, covered.to, None) {
            let digest = published.detector.digest.as_str();
            for (number, range) in coverage.add(&ingest_domain::Range { from, to, digest: digest.into() }) {
                let wire = |it: ingest_domain::Range| journal::Range {
                    from: it.from,
                    to: it.to,
                    digest: it.digest.to_string(),
                };
                ranges.extend(range.map(|range| (number, wire(range))));
            }
        }
    }
    let cursor = journal::Cursor {
        step: published.step,
        network: published.network,
        head: published.published,
        through,
        origin: origin.unwrap_or(through + 1),
        since: through + 1,
        finalized: published.finalized,
        detector: published.detector,
        partitions: published.partitions,
        history: published.history,
        unbacked: published.unbacked,
        dropped: published.dropped,
    };
    Ok((cursor, ranges))
}

/// The height that divides the chain's trades: those on the live topic are at or above it, and those on the history
/// topic are below it.
async fn origin_on_tape(log: &Log, published: &progress::ChainProgressed) -> Result<Option<u64>, Unavailable> {
    let live = heights_on_tape(log, topics::TRADES, &published.partitions, &published.chain).await?;
    let history = heights_on_tape(log, topics::HISTORY, &published.history, &published.chain).await?;
    Ok(live.map(|(lowest, _)| lowest).or(history.map(|(_, highest)| highest + 1)))
}

/// The lowest and the highest block of a chain's trades on a topic.
async fn heights_on_tape(
    log: &Log,
    topic: tape_log::Topic,
    partitions: &[progress::PartitionProgress],
    chain: &str,
) -> Result<Option<(u64, u64)>, Unavailable> {
    let found: Arc<Mutex<Option<(u64, u64)>>> = Arc::default();
    for partition in partitions {
        let (found, prefix) = (Arc::clone(&found), format!("{chain}/"));
        let each = move |record: tape_log::Stored| {
            let value = record.key.starts_with(prefix.as_bytes()).then_some(record.value).flatten();
            let Some(Ok(event)) = value.map(|value| trade::decode(&value)) else { return };
            let height = event.trade.block.id.height;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            *found = Some(found.map_or((height, height), |(low, high)| (low.min(height), high.max(height))));
        };
        log.visit(&topic.partition(partition.partition), each).await?;
    }
    let found = *found.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(found)
}
