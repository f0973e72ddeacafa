//! The venues: which programs are pools, and what is particular about each. A venue is one file; adding one touches
//! that file and this list.
//!
//! No venue describes where its amounts stand: they are the transfers within its call. A venue names the account that
//! is the pool where the pool does not own its vaults, and reads its event where transfers do not show everything.

mod raydium_amm_v4;
mod raydium_clmm;
mod raydium_cpmm;
mod raydium_launchlab;
mod whirlpool;
mod meteora_dlmm;
mod meteora_damm_v1;
mod meteora_damm_v2;
mod meteora_dbc;
mod pump_fun;
mod pumpswap;
mod phoenix;
mod lifinity;
mod jupiter_rfq;
mod others;
pub(crate) mod instructions;
pub(crate) mod routers;

use crate::model::{PoolAccount, Venue};

/// The venues that have a file of their own.
pub(crate) const VENUES: [&Venue; 14] = [
    &raydium_amm_v4::VENUE,
    &raydium_clmm::VENUE,
    &raydium_cpmm::VENUE,
    &raydium_launchlab::VENUE,
    &whirlpool::VENUE,
    &meteora_dlmm::VENUE,
    &meteora_damm_v1::VENUE,
    &meteora_damm_v2::VENUE,
    &meteora_dbc::VENUE,
    &pump_fun::VENUE,
    &pumpswap::VENUE,
    &phoenix::VENUE,
    &lifinity::VENUE,
    &jupiter_rfq::VENUE,
];

/// The venue that a program is.
pub(crate) fn venue_of_program(program: &str) -> Option<Venue> {
    if let Some(venue) = VENUES.iter().find(|venue| venue.program == program) {
        return Some(**venue);
    }
    let (name, program) = others::OTHER_VENUES.iter().find(|(_, known)| *known == program)?;
    Some(Venue {
        name,
        program,
        pool: PoolAccount::VaultOwner,
        authority: None,
        taker: None,
        creators: &[],
        read_event: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base58;
    use std::collections::BTreeSet;

    #[test]
    fn every_program_is_a_key_and_stands_once() {
        let own = VENUES.iter().map(|venue| (venue.name, venue.program));
        let all: Vec<(&str, &str)> =
            own.chain(others::OTHER_VENUES.iter().copied()).chain(routers::ROUTERS.iter().copied()).collect();
        for (name, program) in &all {
            assert_eq!(base58::decode(program).map(|key| key.len()), Some(32), "{name}");
        }
        let (names, programs): (BTreeSet<_>, BTreeSet<_>) = all.iter().copied().unzip();
        assert_eq!((names.len(), programs.len()), (all.len(), all.len()));
    }
}
