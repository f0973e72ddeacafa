//! Jupiter RFQ: a market maker fills an order and usually pays for the transaction.

use crate::model::{PoolAccount, Venue};

/// Taker and maker come first and both sign.
pub(crate) const VENUE: Venue = Venue {
    name: "jupiter-rfq",
    program: "61DFfeTKM7trxYcPQCM78bJ794ddZprZpAwAnLiwTpYH",
    pool: PoolAccount::CallAccount(1),
    authority: None,
    taker: Some(0),
    creators: &[],
    read_event: None,
};
