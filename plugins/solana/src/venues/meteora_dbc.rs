//! Meteora DBC: bonding curves that anybody configures.

use super::{Pool, Venue};

/// One authority owns all vaults; authority, config and pool come first in `swap` and `swap2`.
pub const VENUE: Venue = Venue {
    name: "meteora-dbc",
    program: "dbcij3LWUppWqq96dh6gJWwBifmcGfLSB5D4DuSMaqN",
    pool: Pool::Account(2),
    authority: Some("FhVo3mqL8PW5pH5U2CN4XE33DokiyZnUwuGpH2hmHLuM"),
    taker: None,
    creators: &[],
    claim: None,
};
