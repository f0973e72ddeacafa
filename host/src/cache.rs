//! The cache lent to plugins: facts by chain and plugin digest, in memory, bounded, allowed to forget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes kept for one chain.
const MOST: usize = 64 << 20;
/// Largest key and value.
const LARGEST: (usize, usize) = (256, 64 << 10);

/// Facts of one chain under one plugin. Clones share them.
#[derive(Clone, Default)]
pub struct Cache(Arc<Mutex<Facts>>);

#[derive(Default)]
struct Facts {
    young: HashMap<String, Arc<[u8]>>,
    old: HashMap<String, Arc<[u8]>>,
    bytes: usize,
}

impl Cache {
    /// One answer per key.
    pub fn get(&self, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| facts.get(key)).collect()
    }

    /// Keeps what is neither empty nor too large.
    pub fn put(&self, entries: Vec<(String, Vec<u8>)>) {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in entries {
            let fits = !value.is_empty() && key.len() <= LARGEST.0 && value.len() <= LARGEST.1;
            if fits {
                facts.insert(key, value.into());
            }
        }
    }
}

impl Facts {
    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        if let Some(found) = self.young.get(key) {
            return Some(found.to_vec());
        }
        let (key, found) = self.old.remove_entry(key)?;
        let value = found.to_vec();
        self.insert(key, found);
        Some(value)
    }

    /// Two generations: when the young one is full it becomes the old one, and what was old and unused is forgotten.
    fn insert(&mut self, key: String, value: Arc<[u8]>) {
        self.bytes += key.len() + value.len();
        self.young.insert(key, value);
        if self.bytes > MOST / 2 {
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
            assert_eq!(cache.get(&["kept".into()]), [Some(b"1".to_vec())], "after {n}");
        }
        assert_eq!(cache.get(&["empty".into(), "filler 0".into()]), [None, None]);
        let facts = cache.0.lock().unwrap();
        let held: usize = facts.young.values().chain(facts.old.values()).map(|value| value.len()).sum();
        assert!(held <= MOST, "{held}");
    }
}
