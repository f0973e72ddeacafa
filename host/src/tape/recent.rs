//! Keeps the newest journalled blocks in memory, up to a size: most reorgs are short, and reading the whole journal for
//! two blocks would delay the chain.

use std::collections::BTreeMap;
use tape::{BlockId, Trade};
use wire::v1::journal;

/// Bytes kept of one chain.
const MAX_RECENT_BYTES: usize = 4 << 20;

/// The journalled parts of the newest blocks.
#[derive(Default)]
pub(super) struct RecentBlocks {
    blocks: BTreeMap<u64, Vec<Vec<u8>>>,
    bytes: usize,
}

impl RecentBlocks {
    /// Removes a block that left the journal.
    pub(super) fn remove(&mut self, height: u64) {
        let parts = self.blocks.remove(&height).unwrap_or_default();
        self.bytes -= size(&parts);
    }

    /// Adds a block that was journalled; the oldest ones make room for it.
    pub(super) fn insert(&mut self, height: u64, parts: Vec<Vec<u8>>) {
        self.remove(height);
        self.bytes += size(&parts);
        self.blocks.insert(height, parts);
        while self.bytes > MAX_RECENT_BYTES
            && let Some(oldest) = self.blocks.first_key_value().map(|(height, _)| *height)
        {
            self.remove(oldest);
        }
    }

    /// The blocks of these heights in this order, if all of them are kept.
    pub(super) fn blocks(&self, heights: impl Iterator<Item = u64>) -> Option<Vec<(BlockId, Vec<Trade>)>> {
        heights.map(|height| self.block(height)).collect()
    }

    fn block(&self, height: u64) -> Option<(BlockId, Vec<Trade>)> {
        let mut read: Option<(BlockId, Vec<Trade>)> = None;
        for part in self.blocks.get(&height)? {
            let block = journal::decode_block(part).ok()?;
            let id = || BlockId { height, hash: block.hash.as_str().into() };
            read.get_or_insert_with(|| (id(), vec![])).1.extend(block.trades);
        }
        read
    }
}

fn size(parts: &[Vec<u8>]) -> usize {
    parts.iter().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(height: u64, bytes: usize) -> Vec<Vec<u8>> {
        let mut parts = journal::encode_block(height, &format!("0x{height}"), &[]);
        // White space does not change the JSON.
        let len = parts[0].len().max(bytes);
        parts[0].resize(len, b' ');
        parts
    }

    fn heights(recent: &RecentBlocks, heights: &[u64]) -> Option<Vec<String>> {
        let read = recent.blocks(heights.iter().copied())?;
        Some(read.into_iter().map(|(id, _)| id.hash.to_string()).collect())
    }

    #[test]
    fn kept_blocks_are_returned_in_the_order_asked_and_all_or_none() {
        let mut recent = RecentBlocks::default();
        for height in 1..=3 {
            recent.insert(height, block(height, 0));
        }
        assert_eq!(heights(&recent, &[3, 2]), Some(vec!["0x3".to_owned(), "0x2".to_owned()]));
        recent.remove(2);
        assert_eq!(heights(&recent, &[3, 2]), None);
        assert_eq!(heights(&recent, &[]), Some(vec![]));
    }

    #[test]
    fn the_oldest_make_room() {
        let mut recent = RecentBlocks::default();
        for height in 1..=3 {
            recent.insert(height, block(height, MAX_RECENT_BYTES / 2));
        }
        assert!(heights(&recent, &[1]).is_none() && heights(&recent, &[3, 2]).is_some());
        recent.insert(4, block(4, MAX_RECENT_BYTES + 1));
        assert_eq!((recent.blocks.len(), recent.bytes), (0, 0), "a block beyond the size is not kept");
    }
}
