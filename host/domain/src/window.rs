//! The window: the block hashes of the branch that is on the tape, down to a margin below finality.

use crate::block::Block;
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::BlockId;

/// Blocks kept below the finalized height.
pub const MARGIN_BLOCKS: u64 = 256;

/// Hashes of the branch that is on the tape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    hashes: BTreeMap<u64, Arc<str>>,
}

/// How a block relates to the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is part of it.
    Known,
    /// It stands on the newest block.
    Extends,
    /// It stands on something else.
    Breaks,
}

impl Window {
    /// The branch that ends with these blocks.
    pub fn from_blocks(blocks: impl IntoIterator<Item = BlockId>) -> Self {
        Self { hashes: blocks.into_iter().map(|id| (id.height, id.hash)).collect() }
    }

    /// Its newest block.
    pub fn head(&self) -> Option<BlockId> {
        self.hashes.last_key_value().map(|(height, hash)| BlockId { height: *height, hash: Arc::clone(hash) })
    }

    /// The height of its oldest block.
    pub fn oldest(&self) -> Option<u64> {
        self.hashes.first_key_value().map(|(height, _)| *height)
    }

    /// Its lowest block above a height.
    pub fn above(&self, height: u64) -> Option<BlockId> {
        let mut above = self.hashes.range(height + 1..);
        above.next().map(|(height, hash)| BlockId { height: *height, hash: Arc::clone(hash) })
    }

    /// The heights of its blocks below a height, ascending.
    pub fn heights_below(&self, height: u64) -> Vec<u64> {
        self.hashes.range(..height).map(|(height, _)| *height).collect()
    }

    /// How many blocks it knows.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether it holds the block.
    pub fn holds(&self, id: &BlockId) -> bool {
        self.hashes.get(&id.height) == Some(&id.hash)
    }

    /// Whether it holds another block at that height.
    pub fn contradicts(&self, id: &BlockId) -> bool {
        self.hashes.get(&id.height).is_some_and(|hash| *hash != id.hash)
    }

    /// How a block relates to it.
    pub fn relation(&self, block: &Block) -> Relation {
        match (self.head(), &block.parent) {
            _ if self.holds(&block.id) => Relation::Known,
            (None, _) => Relation::Extends,
            (Some(head), None) if block.id.height > head.height => Relation::Extends,
            (Some(head), Some(parent)) if parent.hash == head.hash && block.id.height > head.height => {
                Relation::Extends
            }
            _ => Relation::Breaks,
        }
    }

    /// Appends a block that extends it.
    pub fn push(&mut self, id: &BlockId) {
        self.hashes.insert(id.height, Arc::clone(&id.hash));
    }

    /// Removes every block above a height; returns them, newest first.
    pub fn pop_above(&mut self, height: u64) -> Vec<BlockId> {
        let popped = self.hashes.split_off(&(height + 1));
        popped.into_iter().rev().map(|(height, hash)| BlockId { height, hash }).collect()
    }

    /// Removes everything; returns the heights.
    pub fn clear(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hashes).into_keys().collect()
    }

    /// Removes what lies more than [`MARGIN_BLOCKS`] below a final height, but never the newest block.
    pub fn settle(&mut self, finalized: u64) -> Vec<u64> {
        let Some(head) = self.head() else { return vec![] };
        let lowest = finalized.saturating_sub(MARGIN_BLOCKS).min(head.height);
        let kept = self.hashes.split_off(&lowest);
        std::mem::replace(&mut self.hashes, kept).into_keys().collect()
    }

    /// Heights to probe for the common ancestor, newest first, each twice as deep as the one before, down to the floor,
    /// which comes last: blocks below it are final.
    pub fn probes(&self, floor: Option<u64>) -> Vec<u64> {
        let heights: Vec<u64> = self.hashes.range(floor.unwrap_or(0)..).rev().map(|(height, _)| *height).collect();
        let mut probes = vec![];
        let mut depth = 1;
        while depth < heights.len() {
            probes.push(heights[depth]);
            depth *= 2;
        }
        if let Some(oldest) = heights.last().filter(|oldest| probes.last() != Some(oldest)) {
            probes.push(*oldest);
        }
        probes
    }
}
