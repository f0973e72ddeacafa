//! Lifinity v2: a market maker that quotes by an oracle.

use super::{Pool, Venue};

/// The authority comes first, the pool second.
pub const VENUE: Venue = Venue {
    name: "lifinity-v2",
    program: "2wT8Yq49kHgDzXuPxZSaeLaH1qbmGXtEyPy64bL7aD3c",
    pool: Pool::Account(1),
    authority: None,
    taker: None,
    creators: &[],
    claim: None,
};
