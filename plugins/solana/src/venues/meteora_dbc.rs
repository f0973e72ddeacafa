//! Meteora DBC: bonding curves that anybody may configure.

use crate::model::{PoolAccount, Venue};

/// One authority owns all vaults; authority, config and pool come first in `swap` and `swap2`.
pub(crate) const VENUE: Venue = Venue {
    name: "meteora-dbc",
    program: "dbcij3LWUppWqq96dh6gJWwBifmcGfLSB5D4DuSMaqN",
    pool: PoolAccount::CallAccount(2),
    authority: Some("FhVo3mqL8PW5pH5U2CN4XE33DokiyZnUwuGpH2hmHLuM"),
    taker: None,
    creators: &[],
    read_event: None,
};
