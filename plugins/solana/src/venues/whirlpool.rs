//! Orca Whirlpool: liquidity in ranges of price; `swap`, `swap_v2` and both two-hop swaps.

use crate::model::{PoolAccount, Venue};

/// The pool owns its vaults. A two-hop swap is one call that crosses two of them: each is a leg.
pub(crate) const VENUE: Venue = Venue {
    name: "orca-whirlpool",
    program: "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
