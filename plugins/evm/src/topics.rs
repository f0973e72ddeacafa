//! What an event is: the signatures that this plugin knows, in one table, so that one look at a log's first topic tells.

use crate::hex;
use crate::venues::{self, Venue};
use crate::{keccak, native, reference, reports, settlement, transfers};
use std::sync::LazyLock;

/// An event that is no swap, or not only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A token moved.
    Transfer,
    /// Native coin was wrapped.
    Deposit,
    /// Native coin was unwrapped.
    Withdrawal,
    /// Native coin moved, on the one chain where that leaves logs.
    NativeTransfer,
    /// CoW settled an order.
    CowTrade,
    /// UniswapX filled an order.
    Fill,
    /// A bundle's operation is over.
    UserOperation,
    /// A router tells what it did, in this shape.
    Report(usize),
    /// A router filled a standing order.
    OrderFilled {
        /// Whether the event says whose it was.
        is_named: bool,
    },
    /// A pool tells its reserves.
    Reserves,
    /// A pool tells its price beside a swap.
    Root,
}

/// A known event.
#[derive(Debug)]
pub struct Known {
    /// Its first topic, in lower case.
    pub topic: String,
    /// The venue whose swap it is.
    pub venue: Option<&'static Venue>,
    /// What else it is.
    pub role: Option<Role>,
}

/// The known events and their beginnings, in the order of the beginnings.
struct Table {
    beginnings: Vec<u64>,
    all: Vec<Known>,
}

/// The events that are no swaps, or not only, by whoever reads them.
const LISTS: [&[(&str, Role)]; 5] =
    [transfers::EVENTS, native::EVENTS, settlement::EVENTS, reports::FILLS, reference::EVENTS];

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let swaps = venues::ALL.iter().map(|venue| (venue.signature, Some(venue), None));
    let roles = LISTS.concat().into_iter().map(|(signature, role)| (signature, None, Some(role)));
    let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, None, Some(Role::Report(at))));
    let named: Vec<(&str, Option<&Venue>, Option<Role>)> = swaps.chain(roles).chain(reports).collect();
    // An instance lives for one scan: the table is made in each.
    let signatures: Vec<&[u8]> = named.iter().map(|(signature, ..)| signature.as_bytes()).collect();
    let known = |((_, venue, role), hash)| {
        let topic = hex::spell(hash);
        (beginning(topic.as_bytes()).unwrap_or_default(), Known { topic, venue, role })
    };
    let mut all: Vec<(u64, Known)> = named.into_iter().zip(keccak::hash_all(&signatures)).map(known).collect();
    all.sort_unstable_by_key(|(beginning, _)| *beginning);
    all.dedup_by(|(_, other), (_, known)| {
        let is_same = other.topic == known.topic;
        if is_same {
            (known.venue, known.role) = (known.venue.or(other.venue), known.role.or(other.role));
        }
        is_same
    });
    let (beginnings, all) = all.into_iter().unzip();
    Table { beginnings, all }
});

/// The event whose first topic this is.
#[inline]
pub fn of(topic: &[u8]) -> Option<&'static Known> {
    let table = &*TABLE;
    let known = &table.all[table.beginnings.binary_search(&beginning(topic)?).ok()?];
    hex::same(topic, known.topic.as_bytes()).then_some(known)
}

/// Eight digits behind the prefix, letters in lower case.
#[inline]
fn beginning(topic: &[u8]) -> Option<u64> {
    let digits: &[u8; 8] = topic.get(2..)?.first_chunk()?;
    Some(u64::from_le_bytes(*digits) | 0x2020_2020_2020_2020)
}

#[cfg(test)]
pub(crate) mod example {
    //! Topics for the tests of those who read events.

    use super::*;
    use alloy_primitives::keccak256;

    /// The topic of a list's event.
    pub(crate) fn topic((signature, _): (&str, Role)) -> String {
        hex::spell(keccak256(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use std::collections::BTreeSet;

    /// A beginning stands for one event only, and every event is found by its topic in either case.
    #[test]
    fn each_event_is_found_by_its_topic() {
        let beginnings: BTreeSet<u64> = TABLE.beginnings.iter().copied().collect();
        assert_eq!(beginnings.len(), TABLE.all.len());
        for known in &TABLE.all {
            let upper = format!("0x{}", known.topic[2..].to_uppercase());
            for topic in [&known.topic, &upper] {
                assert!(std::ptr::eq(of(topic.as_bytes()).unwrap(), known), "{topic}");
            }
            let other = format!("{}{}", &known.topic[..65], if known.topic.ends_with('0') { '1' } else { '0' });
            assert!(of(other.as_bytes()).is_none(), "{other}");
        }
        assert!(of(b"0x").is_none());
    }

    /// No list takes an event from another: what two know of one event stands side by side.
    #[test]
    fn nothing_that_a_list_names_is_lost() {
        for venue in &venues::ALL {
            let known = of(hex::spell(keccak256(venue.signature)).as_bytes()).unwrap();
            assert_eq!(known.venue.map(|venue| venue.name), Some(venue.name), "{}", venue.signature);
        }
        let lists = LISTS.concat().into_iter();
        let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, Role::Report(at)));
        for (signature, role) in lists.chain(reports) {
            assert_eq!(of(hex::spell(keccak256(signature)).as_bytes()).unwrap().role, Some(role), "{signature}");
        }
    }
}
