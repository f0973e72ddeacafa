//! Meteora DLMM: liquidity in bins of price.

use crate::model::{PoolAccount, Venue};

/// The pool owns its vaults. A host fee leaves the vault in the same instruction.
pub(crate) const VENUE: Venue = Venue {
    name: "meteora-dlmm",
    program: "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
