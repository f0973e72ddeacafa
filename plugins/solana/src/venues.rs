//! The venues: which programs are pools, and what is particular about each. A venue is one file; adding one touches it
//! and this list.
//!
//! No venue says how to find amounts: they are what moved within its call. A venue says which account is the pool where
//! the pool does not own its vaults, and reads its event where tokens and lamports alone do not tell.

pub mod raydium_amm_v4;
pub mod raydium_clmm;
pub mod raydium_cpmm;
pub mod raydium_launchlab;
pub mod whirlpool;
pub mod meteora_dlmm;
pub mod meteora_damm_v1;
pub mod meteora_damm_v2;
pub mod meteora_dbc;
pub mod pump_fun;
pub mod pumpswap;
pub mod phoenix;
pub mod lifinity;
pub mod jupiter_rfq;
pub mod others;
pub mod routers;

use crate::tree::Tree;

/// Those with a file of their own.
pub const ALL: [&Venue; 14] = [
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

/// A program that is a pool.
#[derive(Clone, Copy)]
pub struct Venue {
    /// What its legs are called.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// Which account is the pool.
    pub pool: Pool,
    /// The owner of all its vaults, where one owns them all.
    pub authority: Option<&'static str>,
    /// Place, among the accounts of a call, of who trades, where both sides sign.
    pub taker: Option<usize>,
    /// Places where the vault of a token's creator may stand.
    pub creators: &'static [usize],
    /// Reads what the program says of a call.
    pub claim: Option<fn(&Tree<'_, '_>, usize) -> Option<Claim>>,
}

/// Which account is the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The one that owns the vaults.
    Party,
    /// The one at this place among the accounts of the call.
    Account(usize),
}

/// What a program says that it traded, for native SOL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Lamports traded, fees apart; 0 when it was not SOL.
    pub native: u64,
    /// Tokens traded.
    pub token: u64,
    /// Whether tokens were bought.
    pub is_buy: bool,
    /// Who traded.
    pub user: String,
    /// What was paid beside, by kind.
    pub costs: Vec<(&'static str, Claimed)>,
}

/// A fee that a program tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// How much.
    pub raw: u64,
    /// To whom.
    pub recipient: Option<String>,
}

/// The venue that a program is.
pub fn of(program: &str) -> Option<Venue> {
    if let Some(venue) = ALL.iter().find(|venue| venue.program == program) {
        return Some(**venue);
    }
    let (name, program) = others::KNOWN.iter().find(|(_, known)| *known == program)?;
    Some(Venue { name, program, pool: Pool::Party, authority: None, taker: None, creators: &[], claim: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base58;
    use std::collections::BTreeSet;

    #[test]
    fn every_program_is_a_key_and_stands_once() {
        let own = ALL.iter().map(|venue| (venue.name, venue.program));
        let all: Vec<(&str, &str)> =
            own.chain(others::KNOWN.iter().copied()).chain(routers::KNOWN.iter().copied()).collect();
        for (name, program) in &all {
            assert_eq!(base58::decode(program).map(|key| key.len()), Some(32), "{name}");
        }
        let (names, programs): (BTreeSet<_>, BTreeSet<_>) = all.iter().copied().unzip();
        assert_eq!((names.len(), programs.len()), (all.len(), all.len()));
    }
}
