//! Jupiter RFQ: a market maker fills an order and usually pays for the transaction.

use super::{Pool, Venue};

/// Taker and maker come first and both sign.
pub const VENUE: Venue = Venue {
    name: "jupiter-rfq",
    program: "61DFfeTKM7trxYcPQCM78bJ794ddZprZpAwAnLiwTpYH",
    pool: Pool::Account(1),
    authority: None,
    taker: Some(0),
    creators: &[],
    claim: None,
};
