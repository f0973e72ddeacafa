//! Faults of a mock node: which and how often, drawn from a seed, request by request.

use mock_plugin::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One way to answer wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After: 0`.
    TooMany,
    /// 500.
    Broken,
    /// A body that ends early.
    CutOff,
    /// A body that is not JSON.
    NotJson,
    /// A head from some blocks ago, of whatever branch it was then.
    StaleHead,
    /// Another network's name.
    WrongNetwork,
    /// A block of the span is left out.
    Gap,
    /// A trade of a block is left out.
    MissingTrade,
}

/// Every fault there is.
pub const ALL_FAULTS: [Fault; 8] = [
    Fault::TooMany,
    Fault::Broken,
    Fault::CutOff,
    Fault::NotJson,
    Fault::StaleHead,
    Fault::WrongNetwork,
    Fault::Gap,
    Fault::MissingTrade,
];

/// Which request goes wrong how. Clones share the count.
#[derive(Clone)]
pub struct Faults {
    seed: u64,
    one_in: Arc<AtomicU64>,
    kinds: Arc<[Fault]>,
    requests: Arc<AtomicU64>,
}

impl Faults {
    /// An honest node.
    pub fn none() -> Self {
        Self::seeded(0, 0, &[])
    }

    /// One request in so many goes wrong, in one of these ways.
    pub fn seeded(seed: u64, one_in: u64, kinds: &[Fault]) -> Self {
        Self { seed, one_in: Arc::new(AtomicU64::new(one_in)), kinds: kinds.into(), requests: Arc::default() }
    }

    /// From now on one request in so many goes wrong; 0 is none.
    pub fn set(&self, one_in: u64) {
        self.one_in.store(one_in, Ordering::Relaxed);
    }

    pub(super) fn next(&self) -> Option<Fault> {
        let one_in = self.one_in.load(Ordering::Relaxed);
        if one_in == 0 || self.kinds.is_empty() {
            return None;
        }
        let mut random = Random::from_words(&[self.seed, self.requests.fetch_add(1, Ordering::Relaxed)]);
        let struck = random.below(one_in) == 0;
        let at = usize::try_from(random.below(self.kinds.len() as u64)).unwrap_or(0);
        struck.then(|| self.kinds[at])
    }
}
