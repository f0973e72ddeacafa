//! PumpSwap: constant product, where Pump.fun's tokens go when their curve is complete.

use super::{Pool, Venue};

/// The pool owns its vaults. Protocol, creator and cashback shares are transfers beside the one into the vault when
/// buying, and out of it when selling; `BuyEvent` and `SellEvent` repeat them.
pub const VENUE: Venue = Venue {
    name: "pumpswap",
    program: "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA",
    pool: Pool::Party,
    authority: None,
    taker: None,
    // The creator's vault in `buy` and `sell`.
    creators: &[18],
    claim: None,
};
