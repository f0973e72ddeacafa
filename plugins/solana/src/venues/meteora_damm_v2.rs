//! Meteora DAMM v2: constant product in one range of price.

use crate::model::{PoolAccount, Venue};

/// One authority owns all vaults; the pool comes second in `swap` and `swap2`.
pub(crate) const VENUE: Venue = Venue {
    name: "meteora-damm-v2",
    program: "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG",
    pool: PoolAccount::CallAccount(1),
    authority: Some("HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC"),
    taker: None,
    creators: &[],
    read_event: None,
};
