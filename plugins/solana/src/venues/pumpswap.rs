//! PumpSwap: constant product, where Pump.fun's tokens go when their curve is complete.

use crate::model::{PoolAccount, Venue};

/// The pool owns its vaults. The fees of protocol and creator and the cashback are transfers beside the one into the
/// vault when buying, and transfers out of the vault when selling; `BuyEvent` and `SellEvent` repeat them.
pub(crate) const VENUE: Venue = Venue {
    name: "pumpswap",
    program: "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    // The creator's vault in `buy` and `sell`.
    creators: &[18],
    read_event: None,
};
