//! Phoenix: an order book on chain.

use crate::model::{PoolAccount, Venue};

/// Each vault is its own owner, and the taker is paid before paying. Program, log authority and market come first.
/// Orders that rest in the book move one token only and are no swap.
pub(crate) const VENUE: Venue = Venue {
    name: "phoenix",
    program: "PhoeNiXZ8ByJGLkxNfZRnkUfjvmuYqLR89jjFHGqdXY",
    pool: PoolAccount::CallAccount(2),
    authority: None,
    taker: None,
    creators: &[],
    read_event: None,
};
