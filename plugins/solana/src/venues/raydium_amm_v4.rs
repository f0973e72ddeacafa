//! Raydium AMM v4: constant product, once beside an order book. Emits no event but a log; the two transfers tell all.

use super::{Pool, Venue};

/// One authority owns the vaults of all pools, so the pool is told by the instruction: it is the second account of
/// every swap, with or without an order book.
pub const VENUE: Venue = Venue {
    name: "raydium-amm-v4",
    program: "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",
    pool: Pool::Account(1),
    authority: Some("5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1"),
    taker: None,
    creators: &[],
    claim: None,
};
