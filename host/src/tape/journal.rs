//! Reads the journal back: the newest record of each key counts, and of one chain only blocks up to its cursor.

use ingest_domain::{Cursor, DroppedCounts, Journal, Range};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tape::{BlockId, Partition, Trade, Unavailable};
use tape_log::{Log, Stored, topics};
use wire::v1::{journal as wire_journal, progress};

/// Per partition: next offset and number of records.
pub(super) type PartitionCounts = BTreeMap<u32, (u64, u64)>;

/// A block's hash and the parts of its trades.
type BlockParts = (Arc<str>, BTreeMap<u32, Vec<Trade>>);

/// What is on the tape of a chain, besides the domain's own cursor and window.
#[derive(Clone, Debug, Default)]
pub(super) struct OnTape {
    /// Journal records per height.
    pub(super) parts: BTreeMap<u64, u32>,
    /// Covered ranges by number.
    pub(super) ranges: BTreeMap<u32, Range>,
    /// Per partition of the live topic: next offset and number of records.
    pub(super) live: PartitionCounts,
    /// The same of the history topic.
    pub(super) history: PartitionCounts,
    /// The code that wrote the newest step.
    pub(super) written_by: Option<progress::Generation>,
}

impl OnTape {
    /// The counts of a partition's topic.
    pub(super) fn counts_of(&mut self, partition: &Partition) -> &mut PartitionCounts {
        if *partition.topic == *topics::HISTORY.name { &mut self.history } else { &mut self.live }
    }

    /// The partitions that hold trades of the chain.
    pub(super) fn trade_partitions(&self) -> Vec<Partition> {
        let live = self.live.keys().map(|index| topics::TRADES.partition(*index));
        live.chain(self.history.keys().map(|index| topics::HISTORY.partition(*index))).collect()
    }
}

/// The journal of one chain.
#[derive(Default)]
pub(super) struct ChainJournal {
    pub(super) cursor: Option<wire_journal::Cursor>,
    blocks: BTreeMap<u64, BlockParts>,
    ranges: BTreeMap<u32, wire_journal::Range>,
    /// What cannot be read: the reason and the size in bytes, by key.
    pub(super) unreadable: BTreeMap<String, (String, usize)>,
}

/// The newest value of each key of a journal partition.
#[derive(Default)]
pub(super) struct PartitionJournal(HashMap<Vec<u8>, Vec<u8>>);

impl PartitionJournal {
    /// Reads a partition as it is now, and calls `each` with every record.
    pub(super) async fn read(
        log: &Log,
        partition: &Partition,
        mut each: impl FnMut(&Stored) + Send + 'static,
    ) -> Result<Self, Unavailable> {
        let newest: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>> = Arc::default();
        let shared = Arc::clone(&newest);
        let keep_newest = move |record: Stored| {
            each(&record);
            let mut newest = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match record.value {
                Some(value) => newest.insert(record.key, value),
                None => newest.remove(&record.key),
            };
        };
        log.visit(partition, keep_newest).await?;
        let newest = std::mem::take(&mut *newest.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self(newest))
    }

    /// The chains that have records here.
    pub(super) fn chains(&self) -> Vec<String> {
        let names = self.0.keys().filter_map(|key| std::str::from_utf8(key).ok()).map(wire_journal::chain_of_key);
        names.collect::<BTreeSet<&str>>().into_iter().map(str::to_owned).collect()
    }

    /// The journal of one chain; what cannot be read of it is listed in it, and is no matter of other chains.
    pub(super) fn of_chain(&self, chain: &str) -> ChainJournal {
        let mut journal = ChainJournal::default();
        for (key, value) in &self.0 {
            let Ok(key) = std::str::from_utf8(key) else { continue };
            if wire_journal::chain_of_key(key) == chain
                && let Err(invalid) = journal.take_record(key, value)
            {
                journal.unreadable.insert(key.to_owned(), (invalid.to_string(), value.len()));
            }
        }
        // Beyond the cursor nothing counts; where the cursor itself cannot be read, a repair needs all.
        if !journal.unreadable.contains_key(&wire_journal::cursor_key(chain)) {
            let through = journal.cursor.as_ref().map_or(0, |cursor| cursor.through);
            journal.blocks.retain(|height, _| *height <= through);
        }
        journal
    }
}

impl ChainJournal {
    /// Reads one chain's journal as it is now.
    pub(super) async fn read(log: &Log, partition: &Partition, chain: &str) -> Result<Self, Unavailable> {
        Ok(PartitionJournal::read(log, partition, |_| {}).await?.of_chain(chain))
    }

    fn take_record(&mut self, key: &str, value: &[u8]) -> Result<(), wire::Invalid> {
        if !key.contains('/') {
            self.cursor = Some(wire_journal::decode_cursor(value)?);
        } else if let Some((_, number)) = wire_journal::parse_range_key(key) {
            self.ranges.insert(number, wire_journal::decode_range(value)?);
        } else if let Some((_, height, part)) = wire_journal::parse_block_key(key) {
            let block = wire_journal::decode_block(value)?;
            let entry = self.blocks.entry(height).or_insert_with(|| (block.hash.into(), BTreeMap::new()));
            entry.1.insert(part, block.trades);
        }
        Ok(())
    }

    /// Whether there is no record of the chain.
    pub(super) fn is_empty(&self) -> bool {
        self.cursor.is_none() && self.blocks.is_empty() && self.ranges.is_empty() && self.unreadable.is_empty()
    }

    /// The parts of a block that can be read.
    pub(super) fn parts_of(&self, height: u64) -> impl Iterator<Item = u32> {
        self.blocks.get(&height).into_iter().flat_map(|(_, parts)| parts.keys().copied())
    }

    /// The covered ranges in the domain's terms.
    pub(super) fn domain_ranges(&self) -> impl Iterator<Item = (u32, Range)> {
        self.ranges.iter().map(|(number, range)| (*number, domain_range(range)))
    }

    /// Its records that cannot be read, in a sentence; none where all of them can.
    pub(super) fn unreadable_records(&self) -> Option<String> {
        let (key, (reason, _)) = self.unreadable.first_key_value()?;
        let more = match self.unreadable.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("the journal record {key} cannot be read: {reason}{more}"))
    }

    /// The journal in the domain's terms.
    pub(super) fn journal(&self) -> Journal {
        if let Some(why) = self.unreadable_records() {
            return Journal { unreadable: Some(why), ..Journal::default() };
        }
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
            dropped: dropped(&cursor.dropped),
        };
        let id = |(height, (hash, _)): (&u64, &(Arc<str>, _))| BlockId { height: *height, hash: Arc::clone(hash) };
        Journal {
            cursor: Some(cursor),
            blocks: self.blocks.iter().map(id).collect(),
            ranges: self.domain_ranges().collect(),
            unreadable: None,
        }
    }

    /// What a lease needs to know of the tape.
    pub(super) fn on_tape(&self) -> OnTape {
        let partitions = |listed: &[progress::PartitionProgress]| -> PartitionCounts {
            listed.iter().map(|p| (p.partition, (p.next, p.count))).collect()
        };
        let cursor = self.cursor.as_ref();
        OnTape {
            parts: self.blocks.iter().map(|(height, (_, parts))| (*height, count(parts.len()))).collect(),
            ranges: self.domain_ranges().collect(),
            live: cursor.map(|cursor| partitions(&cursor.partitions)).unwrap_or_default(),
            history: cursor.map(|cursor| partitions(&cursor.history)).unwrap_or_default(),
            written_by: cursor.map(|cursor| cursor.detector.clone()),
        }
    }

    /// The trades of the journalled blocks above a height, newest block first.
    pub(super) fn blocks_above(self, height: u64) -> Vec<(BlockId, Vec<Trade>)> {
        let above = self.blocks.into_iter().rev().take_while(|(found, _)| *found > height);
        above
            .map(|(height, (hash, parts))| (BlockId { height, hash }, parts.into_values().flatten().collect()))
            .collect()
    }
}

fn dropped(counts: &BTreeMap<String, u64>) -> DroppedCounts {
    let mut dropped = DroppedCounts::default();
    for (kind, count) in counts {
        dropped.count(&kind.as_str().into(), *count);
    }
    dropped
}

fn domain_range(range: &wire_journal::Range) -> Range {
    Range { from: range.from, to: range.to, digest: range.digest.as_str().into() }
}

pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Partition counts as they are written.
pub(super) fn partition_progress(partitions: &PartitionCounts) -> Vec<progress::PartitionProgress> {
    let each = partitions.iter();
    each.map(|(partition, (next, count))| progress::PartitionProgress {
        partition: *partition,
        next: *next,
        count: *count,
    })
    .collect()
}

/// Covered heights as they are published: ascending, neighbours joined, at most `MAX_COVERED` of the highest.
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
