//! Raydium LaunchLab: bonding curves for new tokens, in any quote token.

use crate::model::{PoolAccount, Venue};

/// One authority owns all vaults; payer, authority, two configs and pool come first in all four swaps. The fees
/// of platform and creator leave the vault in the same instruction.
pub(crate) const VENUE: Venue = Venue {
    name: "raydium-launchlab",
    program: "LanMV9sAd7wArD4vJFi2qDdfnVhFxYSUg6eADduJ3uj",
    pool: PoolAccount::CallAccount(4),
    authority: Some("WLHv2UAZm6z4KyaaELi5pjdbJh6RESMva1Rnn8pJVVh"),
    taker: None,
    creators: &[],
    read_event: None,
};
