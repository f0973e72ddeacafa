//! From logs to legs: the swap events of a transaction, each held against what its pool really received and sent.

use crate::facts::{Facts, Wanted};
use crate::hex;
use crate::rpc::Receipt;
use crate::settings::Rules;
use crate::transfers::{Backing, Moved};
use crate::venues::{self, Event, Venue};
use alloy_primitives::{Address, U256};

/// A swap event and where it stands.
struct Swap {
    venue: &'static Venue,
    pool: Address,
    event: Event,
    place: u32,
}

/// The swap events of one transaction that took effect.
pub struct Found {
    /// The transaction's place among the block's receipts.
    pub receipt: usize,
    swaps: Vec<Swap>,
    backing: Backing,
}

/// One pool crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The venue's name.
    pub venue: String,
    /// The pool.
    pub pool: Address,
    /// What the pool received, and how much.
    pub sold: (Address, U256),
    /// What the pool sent, and how much.
    pub bought: (Address, U256),
    /// Who got what was bought.
    pub recipient: Address,
    /// The event's place among the logs of the transaction.
    pub place: u32,
}

/// Events that became no leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The pool did not receive and send in this transaction what the event claims.
    pub unbacked: u64,
    /// The contract has no two tokens.
    pub not_a_pool: u64,
}

/// Finds the swap events of a block.
pub fn find(receipts: &[Receipt<'_>]) -> Vec<Found> {
    receipts
        .iter()
        .enumerate()
        .filter(|(_, receipt)| receipt.succeeded())
        .filter_map(|(at, receipt)| {
            let swaps = swaps(receipt);
            let mut pools: Vec<Address> = swaps.iter().map(|swap| swap.pool).collect();
            pools.sort_unstable();
            pools.dedup();
            (!swaps.is_empty()).then(|| Found { receipt: at, swaps, backing: Backing::of(&pools, &receipt.logs) })
        })
        .collect()
}

fn swaps(receipt: &Receipt<'_>) -> Vec<Swap> {
    (0..)
        .zip(&receipt.logs)
        .filter_map(|(place, log)| {
            let venue = venues::of(log)?;
            Some(Swap { venue, pool: hex::address(log.address)?, event: (venue.read)(log)?, place })
        })
        .collect()
}

impl Found {
    /// Notes whom to ask: pools that received and sent something, and the tokens that they did.
    pub fn want(&self, pin: usize, wanted: &mut Wanted) {
        for swap in &self.swaps {
            if !wanted.pools.contains_key(&swap.pool) && self.backing.is_two_way(swap.pool) {
                wanted.pools.insert(swap.pool, pin);
                for token in self.backing.tokens(swap.pool) {
                    wanted.tokens.entry(token).or_insert(pin);
                }
            }
        }
    }

    /// The legs, in the order of their events.
    pub fn legs(mut self, facts: &Facts, rules: &Rules, dropped: &mut Dropped) -> Vec<Leg> {
        let mut legs = Vec::with_capacity(self.swaps.len());
        for swap in &self.swaps {
            if !self.backing.is_two_way(swap.pool) {
                dropped.unbacked += 1;
                continue;
            }
            let Some(pool) = facts.pools.get(&swap.pool) else {
                dropped.not_a_pool += 1;
                continue;
            };
            let venue = pool.factory.and_then(|factory| rules.venue(factory)).unwrap_or(swap.venue.name);
            match leg(swap, pool.tokens, venue, &mut self.backing) {
                Some(leg) => legs.push(leg),
                None => dropped.unbacked += 1,
            }
        }
        legs
    }
}

/// A leg is worth the smaller of what its event claims and what moved; what one leg used up backs no other. An event
/// may name a token on both of its sides (a tax paid back into the pool, a flash loan): the difference counts.
fn leg(swap: &Swap, tokens: [Address; 2], venue: &str, backing: &mut Backing) -> Option<Leg> {
    let capped: [Moved; 2] = std::array::from_fn(|at| backing.cap(swap.pool, tokens[at], swap.event.moved[at]));
    let gain = |at: usize| capped[at].into.checked_sub(capped[at].out).filter(|raw| !raw.is_zero());
    let loss = |at: usize| capped[at].out.checked_sub(capped[at].into).filter(|raw| !raw.is_zero());
    let (sold, bought) = match (gain(0), loss(1), gain(1), loss(0)) {
        (Some(into), Some(out), _, _) => ((tokens[0], into), (tokens[1], out)),
        (_, _, Some(into), Some(out)) => ((tokens[1], into), (tokens[0], out)),
        _ => return None,
    };
    for (token, used) in tokens.into_iter().zip(capped) {
        backing.take(swap.pool, token, used);
    }
    let Swap { pool, event, place, .. } = swap;
    Some(Leg { venue: venue.to_owned(), pool: *pool, sold, bought, recipient: event.recipient, place: *place })
}
