//! Meteora DAMM v1: pools over shared vaults, which lend out idle tokens.

use crate::model::{PoolAccount, Venue};

/// Tokens move to and from vaults that many pools share, each its own owner, by calls of the vault program. The vault's share
/// tokens, which are minted and burned on the way, are no trade.
pub(crate) const VENUE: Venue = Venue {
    name: "meteora-damm-v1",
    program: "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB",
    pool: PoolAccount::CallAccount(0),
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
