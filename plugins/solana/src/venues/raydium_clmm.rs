//! Raydium CLMM: liquidity in ranges of price.

use crate::model::{PoolAccount, Venue};

/// The pool owns its vaults. `swap`, `swap_v2` and the hops of `swap_router_base_in` have different accounts,
/// but this holds for all of them.
pub(crate) const VENUE: Venue = Venue {
    name: "raydium-clmm",
    program: "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
