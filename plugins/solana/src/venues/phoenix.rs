//! Phoenix: an order book on chain.

use super::{Pool, Venue};

/// Each vault is its own owner, and the taker is paid before paying. Program, log authority and market come first.
/// Orders that rest move one token only and are no swap.
pub const VENUE: Venue = Venue {
    name: "phoenix",
    program: "PhoeNiXZ8ByJGLkxNfZRnkUfjvmuYqLR89jjFHGqdXY",
    pool: Pool::Account(2),
    authority: None,
    taker: None,
    creators: &[],
    claim: None,
};
