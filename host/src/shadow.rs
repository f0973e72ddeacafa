//! The shadow scan: a new version reads the chain's last blocks beside the one in use, and the trades are compared.

use crate::chainfile::ChainFile;
use crate::plugin::{Admitted, Engine};
use crate::source::{FailureLog, Source};
use crate::subscription::Subscription;
use ingest_domain::{Block, ChainReader, Failure, Tip};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tape::Trade;

/// Attempts at reading the chain with one version.
const MAX_ATTEMPTS: u32 = 3;

/// What a new version would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    /// Blocks that both versions read.
    pub(crate) blocks: u64,
    /// Trades that only the new version finds.
    pub(crate) added: u64,
    /// Trades that only the old version finds.
    pub(crate) removed: u64,
    /// Trades that both find, differently.
    pub(crate) changed: u64,
    /// One trade id of those that are removed or changed, or else added.
    pub(crate) example: Option<String>,
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, added, removed, changed, example } = self;
        write!(f, "would have added {added} trades, removed {removed}, changed {changed} over {blocks} blocks")?;
        example.as_ref().map_or(Ok(()), |example| write!(f, ", such as {example}"))
    }
}

impl Diff {
    /// Whether every trade of the old version is found by the new one, unchanged.
    pub(crate) fn is_superset(&self) -> bool {
        self.removed == 0 && self.changed == 0
    }

    /// Compares the blocks that both have, apart from which code detected the trades.
    pub(crate) fn between(old: &[Block], new: &[Block]) -> Self {
        let mut diff = Self::default();
        for block in old {
            let Some(twin) = new.iter().find(|other| other.id == block.id) else {
                // A block that the new version leaves out takes its trades along; one of another branch says nothing.
                if let (false, Some(trade)) =
                    (new.iter().any(|other| other.id.height == block.id.height), block.trades.first())
                {
                    diff.removed += block.trades.len() as u64;
                    diff.example = Some(trade.id());
                }
                continue;
            };
            diff.blocks += 1;
            let mut missing: BTreeMap<String, &Trade> = block.trades.iter().map(|trade| (trade.id(), trade)).collect();
            for trade in &twin.trades {
                match missing.remove(&trade.id()) {
                    None => {
                        diff.added += 1;
                        diff.example.get_or_insert_with(|| trade.id());
                    }
                    Some(before) if !is_same(before, trade) => {
                        diff.changed += 1;
                        diff.example = Some(trade.id());
                    }
                    Some(_) => {}
                }
            }
            if let Some(id) = missing.keys().next() {
                diff.removed += missing.len() as u64;
                diff.example = Some(id.clone());
            }
        }
        diff
    }
}

fn is_same(old: &Trade, new: &Trade) -> bool {
    let (mut old, mut new) = (old.clone(), new.clone());
    // Symbols and decimals do not count: they may come from another cache.
    for trade in [&mut old, &mut new] {
        for side in [&mut trade.sold, &mut trade.bought] {
            (side.decimals, side.symbol) = (None, None);
        }
    }
    new.detector = Arc::clone(&old.detector);
    old == new
}

/// Why there is no comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Uncompared {
    /// The chain cannot be read now, with either version.
    Later(String),
    /// The new version fails where the old one does not.
    Fails(String),
}

/// What one version read: where the chain's head is for it, and the last blocks.
struct Reading {
    head: Tip,
    blocks: Vec<Block>,
}

/// Reads the last blocks with both versions. A version that reads another network, is far behind, or has too few blocks
/// to be compared fails, whatever it found.
pub(crate) async fn compare(
    engine: &Engine,
    old: &Admitted,
    new: &Admitted,
    file: &Arc<ChainFile>,
) -> Result<Diff, Uncompared> {
    let fails = |failure: Failure| Uncompared::Fails(failure.to_string());
    let before = match read_last_blocks(engine, old, file, None).await {
        Ok(before) => before,
        Err(Failure::Hopeless(_) | Failure::Unreadable { .. }) => {
            return replaces_what_fails(engine, old, new, file).await;
        }
        Err(failure) => return Err(Uncompared::Later(failure.to_string())),
    };
    let needed = file.policy.compared_blocks;
    let read = before.blocks.len() as u64;
    if read < needed {
        let heights = window(file);
        return Err(Uncompared::Later(format!(
            "the version in use has {read} blocks in the last {heights} heights, {needed} must be compared \
             (policy.compared_blocks): wait, or raise policy.shadow_blocks"
        )));
    }
    let after = read_last_blocks(engine, new, file, Some(&before.head)).await.map_err(fails)?;
    let diff = Diff::between(&before.blocks, &after.blocks);
    if diff.blocks < needed {
        let compared = diff.blocks;
        // A reorg between the two readings is no fault of either version.
        if compared + on_other_branch(&before.blocks, &after.blocks) >= needed {
            let why = format!("the chain's branch changed: {compared} of {read} blocks could be compared");
            return Err(Uncompared::Later(why));
        }
        return Err(Uncompared::Fails(format!(
            "only {compared} of {read} blocks could be compared, at least {needed} must be (policy.compared_blocks)"
        )));
    }
    Ok(diff)
}

/// How many blocks the new version has at the same height with another hash.
fn on_other_branch(old: &[Block], new: &[Block]) -> u64 {
    let has_other =
        |block: &&Block| new.iter().any(|other| other.id.height == block.id.height && other.id.hash != block.id.hash);
    old.iter().filter(has_other).count() as u64
}

/// Where the old version cannot read the chain at all, the new one must read enough blocks of the same network alone.
async fn replaces_what_fails(
    engine: &Engine,
    old: &Admitted,
    new: &Admitted,
    file: &Arc<ChainFile>,
) -> Result<Diff, Uncompared> {
    let fails = |failure: Failure| Uncompared::Fails(failure.to_string());
    // Often only scans fail: then the head tells at least the network.
    let head = fixed_source(engine, old, file).head().await.ok();
    let reading = read_last_blocks(engine, new, file, head.as_ref()).await.map_err(fails)?;
    let (read, needed) = (reading.blocks.len() as u64, file.policy.compared_blocks);
    if read < needed {
        return Err(Uncompared::Fails(format!(
            "the version in use cannot read the chain, and this one read only {read} blocks, at least {needed} are \
             needed (policy.compared_blocks)"
        )));
    }
    Ok(Diff::default())
}

/// Whether a version's head can be that of the chain whose head the version in use knows.
fn check_head(old: &Tip, new: &Tip, span: u64) -> Result<(), Failure> {
    if old.network != new.network {
        let (old, new) = (&old.network, &new.network);
        return Err(Failure::Hopeless(format!("it reads the network `{new}`, the version in use `{old}`")));
    }
    let (old, new) = (old.latest.height, new.latest.height);
    if new.saturating_add(span) < old {
        let why = format!("its head is {new}, the version in use is at {old}: more than a span of {span} behind");
        return Err(Failure::Retry { after_ms: None, why });
    }
    Ok(())
}

/// Heights that are read: enough for what must be compared.
fn window(file: &ChainFile) -> u64 {
    file.policy.shadow_blocks.max(file.policy.compared_blocks)
}

fn fixed_source(engine: &Engine, plugin: &Admitted, file: &Arc<ChainFile>) -> Source {
    Source::new(engine, Subscription::fixed(Arc::clone(file), plugin.clone()), FailureLog::default())
}

/// The last blocks up to the head, or up to the one that the version in use knows.
async fn read_last_blocks(
    engine: &Engine,
    plugin: &Admitted,
    file: &Arc<ChainFile>,
    known: Option<&Tip>,
) -> Result<Reading, Failure> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match read_once(engine, plugin, file, known).await {
            Err(Failure::Retry { after_ms, .. }) if attempt < MAX_ATTEMPTS => {
                let wait = std::time::Duration::from_millis(after_ms.unwrap_or(200));
                tokio::time::sleep(wait).await;
            }
            Err(Failure::NotYet(_) | Failure::Reorged) if attempt < MAX_ATTEMPTS => {
                tokio::time::sleep(std::time::Duration::from_millis(file.poll_ms)).await;
            }
            result => return result,
        }
    }
}

async fn read_once(
    engine: &Engine,
    plugin: &Admitted,
    file: &Arc<ChainFile>,
    known: Option<&Tip>,
) -> Result<Reading, Failure> {
    let mut source = fixed_source(engine, plugin, file);
    let head = source.head().await?;
    if let Some(known) = known {
        check_head(known, &head, file.limits.span)?;
    }
    let last = known.map_or(head.latest.height, |known| known.latest.height.min(head.latest.height));
    let finalized = head.finalized.as_ref().map(|id| id.height);
    let mut next = (last + 1).saturating_sub(window(file));
    let (mut span, mut blocks) = (file.limits.span.max(1), vec![]);
    while next <= last {
        match source.scan(next, last.min(next + span - 1), finalized).await {
            Ok(scanned) if scanned.through >= next => {
                blocks.extend(scanned.blocks);
                next = scanned.through + 1;
            }
            Ok(_) => return Err(Failure::NotYet(next)),
            Err(Failure::TooWide(most)) => span = most.clamp(1, span.saturating_sub(1).max(1)),
            Err(failure) => return Err(failure),
        }
    }
    Ok(Reading { head, blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingest_domain::DroppedCounts;
    use tape::BlockId;

    fn block(height: u64, hash: &str) -> Block {
        let id = BlockId { height, hash: hash.into() };
        Block {
            id,
            parent: None,
            timestamp_ms: 0,
            trades: vec![],
            unbacked: 0,
            dropped: DroppedCounts::default(),
            proof: "none".into(),
        }
    }

    fn head(network: &str, height: u64) -> Tip {
        let latest = BlockId { height, hash: "h".into() };
        Tip { network: network.into(), latest, finalized: None }
    }

    #[test]
    fn only_blocks_that_both_have_are_compared() {
        let old = [block(1, "a"), block(2, "b"), block(3, "c")];
        assert_eq!(Diff::between(&old, &[]).blocks, 0);
        assert_eq!(Diff::between(&old, &[block(1, "a"), block(2, "other"), block(3, "c")]).blocks, 2);
    }

    #[test]
    fn a_head_is_of_the_same_network_and_not_far_behind() {
        let old = head("n", 1_000);
        for (network, height) in [("n", 1_000), ("n", 900), ("n", 5_000_000)] {
            assert!(check_head(&old, &head(network, height), 100).is_ok(), "{network} {height}");
        }
        assert!(check_head(&old, &head("n", 899), 100).unwrap_err().to_string().contains("its head is 899"));
        assert!(check_head(&old, &head("m", 1_000), 100).unwrap_err().to_string().contains("network `m`"));
    }
}
