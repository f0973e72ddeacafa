//! The root of an ordered list in a Merkle-Patricia trie, its leaves hashed together.
//!
//! The keys are the places in the list as RLP encodes them. A node shorter than a hash would stand in its parent as it
//! is; items here are never that short (a receipt has 256 bytes of bloom), so every node is hashed.

use crate::keccak;
use alloy_primitives::{B256, b256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable};
use std::ops::Range;

/// The root of no items.
pub(crate) const EMPTY: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// The key of an item, in half bytes, and the item's index.
struct Key {
    nibbles: [u8; 18],
    length: usize,
    place: usize,
}

impl Key {
    fn from_index(place: usize) -> Self {
        let mut nibbles = [0; 18];
        let mut length = 0;
        for byte in alloy_rlp::encode(place) {
            nibbles[length] = byte >> 4;
            nibbles[length + 1] = byte & 0xf;
            length += 2;
        }
        Self { nibbles, length, place }
    }

    fn nibbles(&self) -> &[u8] {
        &self.nibbles[..self.length]
    }

    /// How many half bytes two keys share at their start.
    fn shared(&self, other: &Self) -> usize {
        self.nibbles().iter().zip(other.nibbles()).take_while(|(one, two)| one == two).count()
    }
}

/// The root of items that lie one after the other in `arena`, each at least 32 bytes long.
pub(crate) fn root(arena: &[u8], items: &[Range<usize>]) -> B256 {
    let mut keys: Vec<Key> = (0..items.len()).map(Key::from_index).collect();
    keys.sort_unstable_by(|one, two| one.nibbles().cmp(two.nibbles()));
    let [first, .., last] = &keys[..] else {
        let Some(item) = items.first() else { return EMPTY };
        let mut leaf = vec![];
        put_node(keys[0].nibbles(), true, &arena[item.clone()], &mut leaf);
        return keccak::hash(&leaf);
    };
    debug_assert!(first.place != last.place, "keys of different places differ");
    let mut leaves = Vec::with_capacity(arena.len() + 16 * items.len());
    let mut ends = Vec::with_capacity(items.len());
    for (at, key) in keys.iter().enumerate() {
        // The branch that holds a leaf stands where the key parts from its nearer neighbour.
        let before = at.checked_sub(1).map_or(0, |before| key.shared(&keys[before]));
        let after = keys.get(at + 1).map_or(0, |after| key.shared(after));
        let path = &key.nibbles()[before.max(after) + 1..];
        let start = leaves.len();
        put_node(path, true, &arena[items[key.place].clone()], &mut leaves);
        ends.push(start..leaves.len());
    }
    let slices: Vec<&[u8]> = ends.into_iter().map(|range| &leaves[range]).collect();
    subtree(&keys, &keccak::hash_all(&slices), 0)
}

/// The hash of the node above a run of keys that share their first `depth` half bytes.
fn subtree(keys: &[Key], leaves: &[B256], depth: usize) -> B256 {
    let ([first, .., last], [..]) = (keys, leaves) else { return leaves.first().copied().unwrap_or(EMPTY) };
    let parts = first.shared(last);
    let mut children = Vec::with_capacity(17 * 33);
    let mut rest = 0;
    for nibble in 0..16 {
        let count = keys[rest..].iter().take_while(|key| key.nibbles()[parts] == nibble).count();
        if count == 0 {
            children.push(EMPTY_STRING_CODE);
            continue;
        }
        subtree(&keys[rest..rest + count], &leaves[rest..rest + count], parts + 1).encode(&mut children);
        rest += count;
    }
    children.push(EMPTY_STRING_CODE);
    let mut node = Vec::with_capacity(children.len() + 4);
    alloy_rlp::Header { list: true, payload_length: children.len() }.encode(&mut node);
    node.extend_from_slice(&children);
    let branch = keccak::hash(&node);
    if parts == depth {
        return branch;
    }
    let mut extension = vec![];
    put_node(&first.nibbles()[depth..parts], false, branch.as_slice(), &mut extension);
    keccak::hash(&extension)
}

/// Appends a leaf or an extension: a path, its kind in its first half byte, and a value.
fn put_node(path: &[u8], is_leaf: bool, value: &[u8], out: &mut Vec<u8>) {
    let mut compact = [0; 10];
    let (odd, even) = path.split_at(path.len() % 2);
    compact[0] = (u8::from(is_leaf) << 5) | odd.first().map_or(0, |nibble| 0x10 | nibble);
    for (byte, pair) in compact[1..].iter_mut().zip(even.chunks_exact(2)) {
        *byte = (pair[0] << 4) | pair[1];
    }
    let compact = &compact[..=even.len() / 2];
    alloy_rlp::Header { list: true, payload_length: compact.length() + value.length() }.encode(out);
    compact.encode(out);
    value.encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_trie::root::ordered_trie_root_encoded;
    use proptest::prelude::*;

    fn check(items: &[Vec<u8>]) {
        let (mut arena, mut ranges) = (vec![], vec![]);
        for item in items {
            ranges.push(arena.len()..arena.len() + item.len());
            arena.extend_from_slice(item);
        }
        assert_eq!(root(&arena, &ranges), ordered_trie_root_encoded(items), "{} items", items.len());
    }

    #[test]
    fn every_number_of_items_has_the_root_that_the_library_gives() {
        let items: Vec<Vec<u8>> =
            (0..300_usize).map(|at| vec![u8::try_from(at % 256).unwrap(); 32 + at % 70]).collect();
        for count in (0..140).chain(250..items.len()) {
            check(&items[..count]);
        }
        let many: Vec<Vec<u8>> = (0..70_000_usize).map(|at| at.to_be_bytes().repeat(5)).collect();
        check(&many);
    }

    proptest! {
        #[test]
        fn any_items_have_the_root_that_the_library_gives(
            items in prop::collection::vec(prop::collection::vec(any::<u8>(), 32..600), 0..40)
        ) {
            check(&items);
        }
    }
}
