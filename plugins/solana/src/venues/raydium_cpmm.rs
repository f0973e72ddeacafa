//! Raydium CPMM: constant product, with Token-2022.

use crate::model::{PoolAccount, Venue};

/// One authority owns all vaults; payer, authority, config and pool come first in both swaps.
pub(crate) const VENUE: Venue = Venue {
    name: "raydium-cpmm",
    program: "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C",
    pool: PoolAccount::CallAccount(3),
    authority: Some("GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"),
    taker: None,
    creators: &[],
    read_event: None,
};
