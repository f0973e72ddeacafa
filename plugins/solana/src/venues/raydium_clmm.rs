//! Raydium CLMM: liquidity in ranges of price.

use super::{Pool, Venue};

/// The pool owns its vaults. `swap`, `swap_v2` and the hops of `swap_router_base_in` differ in their accounts, not in
/// that.
pub const VENUE: Venue = Venue {
    name: "raydium-clmm",
    program: "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
    pool: Pool::Party,
    authority: None,
    taker: None,
    creators: &[],
    claim: None,
};
