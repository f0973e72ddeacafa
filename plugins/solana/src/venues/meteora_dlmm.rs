//! Meteora DLMM: liquidity in bins of price.

use super::{Pool, Venue};

/// The pool owns its vaults. A host fee leaves the vault in the same instruction.
pub const VENUE: Venue = Venue {
    name: "meteora-dlmm",
    program: "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo",
    pool: Pool::Party,
    authority: None,
    taker: None,
    creators: &[],
    claim: None,
};
