//! Meteora DAMM v1: pools over shared vaults, which lend out what lies idle.

use super::{Pool, Venue};

/// Tokens move to and from vaults that many pools share, each its own owner, by calls of the vault program; the shares
/// of the vault that are minted and burned on the way are nobody's trade.
pub const VENUE: Venue = Venue {
    name: "meteora-damm-v1",
    program: "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB",
    pool: Pool::Account(0),
    authority: None,
    taker: None,
    creators: &[],
    claim: None,
};
