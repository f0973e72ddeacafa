//! Lifinity v2: a market maker that quotes by an oracle.

use crate::model::{PoolAccount, Venue};

/// The authority comes first, the pool second.
pub(crate) const VENUE: Venue = Venue {
    name: "lifinity-v2",
    program: "2wT8Yq49kHgDzXuPxZSaeLaH1qbmGXtEyPy64bL7aD3c",
    pool: PoolAccount::CallAccount(1),
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
