//! The shadow scan: a new version reads the chain's last blocks beside the one in use, and the trades are compared.

use crate::chainfile::ChainFile;
use crate::plugin::{Admitted, Engine};
use crate::source::{FailureLog, Source};
use crate::subscription::Subscription;
use ingest_domain::{Block, ChainReader, Failure};
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
            let Some(twin) = new.iter().find(|other| other.id == block.id) else { continue };
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

/// Reads the last blocks with both versions.
pub(crate) async fn compare(
    engine: &Engine,
    old: &Admitted,
    new: &Admitted,
    file: &Arc<ChainFile>,
) -> Result<Diff, Uncompared> {
    let (tip, before) = match read_last_blocks(engine, old, file, None).await {
        Ok(blocks) => blocks,
        // Where the old version cannot read the chain at all, it is enough that the new one can.
        Err(Failure::Hopeless(_)) => {
            let fails = |failure: Failure| Uncompared::Fails(failure.to_string());
            return read_last_blocks(engine, new, file, None).await.map(|_| Diff::default()).map_err(fails);
        }
        Err(failure) => return Err(Uncompared::Later(failure.to_string())),
    };
    match read_last_blocks(engine, new, file, Some(tip)).await {
        Ok((_, after)) => Ok(Diff::between(&before, &after)),
        Err(failure) => Err(Uncompared::Fails(failure.to_string())),
    }
}

/// The last blocks up to a height, or up to the newest; with the height.
async fn read_last_blocks(
    engine: &Engine,
    plugin: &Admitted,
    file: &Arc<ChainFile>,
    last: Option<u64>,
) -> Result<(u64, Vec<Block>), Failure> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match read_once(engine, plugin, file, last).await {
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
    last: Option<u64>,
) -> Result<(u64, Vec<Block>), Failure> {
    let subscription = Subscription::fixed(Arc::clone(file), plugin.clone());
    let mut source = Source::new(engine, subscription, FailureLog::default());
    let tip = source.head().await?;
    let last = last.unwrap_or(tip.latest.height).min(tip.latest.height);
    let finalized = tip.finalized.as_ref().map(|id| id.height);
    let mut next = (last + 1).saturating_sub(file.policy.shadow_blocks);
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
    Ok((last, blocks))
}
