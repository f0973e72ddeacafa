//! Raydium AMM v4: constant product, once beside an order book. Emits a log and no event; the two transfers show everything.

use crate::model::{PoolAccount, Venue};

/// One authority owns the vaults of all pools, so the instruction shows the pool: it is the second account of every swap,
/// with or without an order book.
pub(crate) const VENUE: Venue = Venue {
    name: "raydium-amm-v4",
    program: "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",
    pool: PoolAccount::CallAccount(1),
    authority: Some("5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1"),
    taker: None,
    creators: &[],
    read_event: None,
};
