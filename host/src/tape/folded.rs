//! One chain's journal as it counts: the newest record of each key, entries above the cursor void.

use super::Known;
use ingest_domain::{Cursor, Journal, Range};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tape::{BlockId, Partition, Trade, Unavailable};
use tape_log::{Log, Stored};
use wire::v1::{journal, progress};

/// Per partition: next offset and running count.
pub(super) type Partitions = BTreeMap<u32, (u64, u64)>;

/// A block's hash and the parts of its trades.
type Parts = (Arc<str>, BTreeMap<u32, Vec<Trade>>);

/// What the journal says of one chain.
#[derive(Default)]
pub(super) struct Folded {
    cursor: Option<journal::Cursor>,
    blocks: BTreeMap<u64, Parts>,
    ranges: BTreeMap<u32, journal::Range>,
}

/// The newest value of each key of a journal partition.
#[derive(Default)]
pub(super) struct Journalled(HashMap<Vec<u8>, Vec<u8>>);

impl Journalled {
    /// Reads a partition as it is now, telling `each` of every record.
    pub(super) async fn read(
        log: &Log,
        partition: &Partition,
        mut each: impl FnMut(&Stored) + Send + 'static,
    ) -> Result<Self, Unavailable> {
        let newest: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&newest);
        let keep = move |record: Stored| {
            each(&record);
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            match record.value {
                Some(value) => kept.insert(record.key, value),
                None => kept.remove(&record.key),
            };
        };
        log.visit(partition, keep).await?;
        let newest = std::mem::take(&mut *newest.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self(newest))
    }

    /// The chains that have a cursor here.
    pub(super) fn chains(&self) -> Vec<String> {
        let names = self.0.keys().filter_map(|key| std::str::from_utf8(key).ok());
        names.filter(|key| !key.contains('/')).map(str::to_owned).collect()
    }

    /// What counts for one chain.
    pub(super) fn of(&self, chain: &str) -> Result<Folded, Unavailable> {
        let broken = |key: &str, e: wire::Invalid| Unavailable::new(format!("read journal record {key}"), e);
        let mut folded = Folded::default();
        for (key, value) in &self.0 {
            let Ok(key) = std::str::from_utf8(key) else { continue };
            if key == journal::cursor_key(chain) {
                folded.cursor = Some(journal::decode_cursor(value).map_err(|e| broken(key, e))?);
            } else if let Some((_, number)) = journal::parse_range_key(key).filter(|(owner, _)| *owner == chain) {
                folded.ranges.insert(number, journal::decode_range(value).map_err(|e| broken(key, e))?);
            } else if let Some((_, height, part)) = journal::parse_block_key(key).filter(|(owner, ..)| *owner == chain)
            {
                let block = journal::decode_block(value).map_err(|e| broken(key, e))?;
                let entry = folded.blocks.entry(height).or_insert_with(|| (block.hash.into(), BTreeMap::new()));
                entry.1.insert(part, block.trades);
            }
        }
        let through = folded.cursor.as_ref().map_or(0, |cursor| cursor.through);
        folded.blocks.retain(|height, _| *height <= through);
        Ok(folded)
    }
}

impl Folded {
    /// Reads one chain's part of a partition as it is now.
    pub(super) async fn read(log: &Log, partition: &Partition, chain: &str) -> Result<Self, Unavailable> {
        Journalled::read(log, partition, |_| {}).await?.of(chain)
    }

    /// In the domain's terms.
    pub(super) fn journal(&self) -> Journal {
        let Some(cursor) = &self.cursor else { return Journal::default() };
        let block = |block: &progress::Block| BlockId { height: block.height, hash: block.hash.as_str().into() };
        let cursor = Cursor {
            step: cursor.step,
            network: cursor.network.as_str().into(),
            head: cursor.head.as_ref().map(block),
            through: cursor.through,
            origin: cursor.origin,
            since: cursor.since,
            digest: cursor.detector.digest.as_str().into(),
            finalized: cursor.finalized.as_ref().map(block),
            unbacked: cursor.unbacked,
        };
        let id = |(height, (hash, _)): (&u64, &(Arc<str>, _))| BlockId { height: *height, hash: Arc::clone(hash) };
        Journal {
            cursor: Some(cursor),
            blocks: self.blocks.iter().map(id).collect(),
            ranges: self.ranges.iter().map(|(number, range)| (*number, lifted(range))).collect(),
        }
    }

    /// What a lease goes on from.
    pub(super) fn known(&self) -> Known {
        let partitions = |listed: &[progress::PartitionProgress]| -> Partitions {
            listed.iter().map(|p| (p.partition, (p.next, p.count))).collect()
        };
        let cursor = self.cursor.as_ref();
        Known {
            parts: self.blocks.iter().map(|(height, (_, parts))| (*height, super::count(parts.len()))).collect(),
            ranges: self.ranges.iter().map(|(number, range)| (*number, lifted(range))).collect(),
            live: cursor.map(|cursor| partitions(&cursor.partitions)).unwrap_or_default(),
            history: cursor.map(|cursor| partitions(&cursor.history)).unwrap_or_default(),
        }
    }

    /// The trades of the journalled blocks above a height, newest block first.
    pub(super) fn above(self, height: u64) -> Vec<(BlockId, Vec<Trade>)> {
        let above = self.blocks.into_iter().rev().take_while(|(found, _)| *found > height);
        above
            .map(|(height, (hash, parts))| (BlockId { height, hash }, parts.into_values().flatten().collect()))
            .collect()
    }
}

fn lifted(range: &journal::Range) -> Range {
    Range { from: range.from, to: range.to, digest: range.digest.as_str().into() }
}

/// Partitions as they are written.
pub(super) fn listed(partitions: &Partitions) -> Vec<progress::PartitionProgress> {
    let each = partitions.iter();
    each.map(|(partition, (next, count))| progress::PartitionProgress {
        partition: *partition,
        next: *next,
        count: *count,
    })
    .collect()
}

/// Covered heights as they are published: ascending, neighbours joined, at most so many of the newest.
pub(super) fn covered(ranges: &BTreeMap<u32, Range>, followed: Option<Range>) -> Vec<progress::Covered> {
    let mut all: Vec<Range> = ranges.values().cloned().chain(followed).collect();
    all.sort_by_key(|range| range.from);
    let mut joined: Vec<progress::Covered> = vec![];
    for range in all {
        match joined.last_mut() {
            Some(last) if last.to.checked_add(1) == Some(range.from) => last.to = range.to,
            _ => joined.push(progress::Covered { from: range.from, to: range.to }),
        }
    }
    joined.split_off(joined.len().saturating_sub(progress::MAX_COVERED))
}
