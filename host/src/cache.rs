//! The cache that plugins can use: values by key, one cache per chain and plugin digest, in memory and bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes kept for one chain.
const MAX_CACHE_BYTES: usize = 64 << 20;
/// Bytes of one key.
const MAX_KEY_BYTES: usize = 256;
/// Bytes of one value.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// Bytes that an entry takes beside its key and value: two allocations and its place in a map that is half empty.
const ENTRY_BYTES: usize = 160;

/// The cache of one chain under one plugin. Clones share it.
#[derive(Clone, Default)]
pub struct Cache(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    young: HashMap<String, Arc<[u8]>>,
    old: HashMap<String, Arc<[u8]>>,
    bytes: usize,
}

impl Cache {
    /// The value of each key, where it is still there; shared with the cache, however often a key is repeated.
    pub fn get(&self, keys: &[String]) -> Vec<Option<Arc<[u8]>>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| entries.get(key)).collect()
    }

    /// Stores the entries that are neither empty nor too large.
    pub fn put(&self, entries: Vec<(String, Vec<u8>)>) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in entries {
            let fits = !value.is_empty() && key.len() <= MAX_KEY_BYTES && value.len() <= MAX_VALUE_BYTES;
            if fits {
                cached.insert(key, value.into());
            }
        }
    }
}

impl Entries {
    fn get(&mut self, key: &str) -> Option<Arc<[u8]>> {
        if let Some(found) = self.young.get(key) {
            return Some(Arc::clone(found));
        }
        let (key, found) = self.old.remove_entry(key)?;
        self.insert(key, Arc::clone(&found));
        Some(found)
    }

    /// Two generations: when the young one is full it becomes the old one, and what was old and unused is forgotten.
    fn insert(&mut self, key: String, value: Arc<[u8]>) {
        self.bytes += key.len() + value.len() + ENTRY_BYTES;
        self.young.insert(key, value);
        if self.bytes > MAX_CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_survives_and_memory_is_bounded() {
        let cache = Cache::default();
        cache.put(vec![("kept".into(), b"1".to_vec()), ("empty".into(), vec![])]);
        for n in 0..3_000_u32 {
            cache.put(vec![(format!("filler {n}"), vec![0; 60 << 10])]);
            assert_eq!(cache.get(&["kept".into()]), [Some(b"1".as_slice().into())], "after {n}");
        }
        assert_eq!(cache.get(&["empty".into(), "filler 0".into()]), [None, None]);
        let entries = cache.0.lock().unwrap();
        let held: usize = entries.young.values().chain(entries.old.values()).map(|value| value.len()).sum();
        assert!(held <= MAX_CACHE_BYTES, "{held}");
    }

    #[test]
    fn small_entries_are_counted_with_what_they_take_beside_their_bytes() {
        let cache = Cache::default();
        for n in 0..1_000_000_u32 {
            cache.put(vec![(n.to_string(), vec![1])]);
        }
        let entries = cache.0.lock().unwrap();
        let held = entries.young.len() + entries.old.len();
        assert!(held <= MAX_CACHE_BYTES / ENTRY_BYTES, "{held}");
    }
}
