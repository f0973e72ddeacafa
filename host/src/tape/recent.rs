//! The newest blocks as they were journalled, kept up to a size: most branches that are left are short, and reading a
//! whole journal for two blocks would hold the chain up.

use std::collections::BTreeMap;
use tape::{BlockId, Trade};
use wire::v1::journal;

/// Bytes kept of one chain.
const MOST: usize = 4 << 20;

/// The parts of each block.
#[derive(Default)]
pub(super) struct Recent {
    blocks: BTreeMap<u64, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Recent {
    /// A block is journalled no more.
    pub(super) fn forget(&mut self, height: u64) {
        let parts = self.blocks.remove(&height).unwrap_or_default();
        self.bytes -= size(&parts);
    }

    /// A block was journalled; older ones make room for it.
    pub(super) fn keep(&mut self, height: u64, parts: Vec<Vec<u8>>) {
        self.forget(height);
        self.bytes += size(&parts);
        self.blocks.insert(height, parts);
        while self.bytes > MOST
            && let Some(oldest) = self.blocks.first_key_value().map(|(height, _)| *height)
        {
            self.forget(oldest);
        }
    }

    /// The trades of these heights in this order, if all of them are kept.
    pub(super) fn read(&self, heights: impl Iterator<Item = u64>) -> Option<Vec<(BlockId, Vec<Trade>)>> {
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
        // White space is no part of what it says.
        let len = parts[0].len().max(bytes);
        parts[0].resize(len, b' ');
        parts
    }

    fn heights(recent: &Recent, heights: &[u64]) -> Option<Vec<String>> {
        let read = recent.read(heights.iter().copied())?;
        Some(read.into_iter().map(|(id, _)| id.hash.to_string()).collect())
    }

    #[test]
    fn what_is_kept_is_read_in_the_order_asked_and_nothing_in_part() {
        let mut recent = Recent::default();
        for height in 1..=3 {
            recent.keep(height, block(height, 0));
        }
        assert_eq!(heights(&recent, &[3, 2]), Some(vec!["0x3".to_owned(), "0x2".to_owned()]));
        recent.forget(2);
        assert_eq!(heights(&recent, &[3, 2]), None);
        assert_eq!(heights(&recent, &[]), Some(vec![]));
    }

    #[test]
    fn the_oldest_make_room() {
        let mut recent = Recent::default();
        for height in 1..=3 {
            recent.keep(height, block(height, MOST / 2));
        }
        assert!(heights(&recent, &[1]).is_none() && heights(&recent, &[3, 2]).is_some());
        recent.keep(4, block(4, MOST + 1));
        assert_eq!((recent.blocks.len(), recent.bytes), (0, 0), "a block beyond the size is not kept");
    }
}
