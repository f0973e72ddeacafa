//! The venues: which events are swaps, and what each says. A venue is one file; adding one touches it and this list.

pub mod v2;
pub mod v3;

use crate::rpc::Log;
use crate::transfers::Moved;
use alloy_primitives::Address;

/// All of them.
pub const ALL: [Venue; 2] = [v2::VENUE, v3::VENUE];

/// A kind of pool.
pub struct Venue {
    /// What its legs are called where the pool's factory has no name of its own.
    pub name: &'static str,
    /// The first topic of its swap event.
    pub topic: &'static str,
    /// Reads the event; none when it is not one, whatever its topic says.
    pub read: fn(&Log<'_>) -> Option<Event>,
}

/// What a swap event claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who got what was bought.
    pub recipient: Address,
    /// What moved, from the pool's view: of its first token, of its second.
    pub moved: [Moved; 2],
}

/// The venue whose swap event this may be.
pub fn of(log: &Log<'_>) -> Option<&'static Venue> {
    let topic = log.topics.as_slice().first()?;
    ALL.iter().find(|venue| venue.topic.eq_ignore_ascii_case(topic))
}
