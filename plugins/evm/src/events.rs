//! The events that this plugin knows: the swaps of all venues, and what else it reads, in one topic table.

use crate::topics::{Role, Signature, TopicTable};
use crate::{native, reference, reports, settlement, transfers, venues};
use std::sync::LazyLock;

/// The events that are no swaps, or not only, by the modules that read them.
const LISTS: [&[(&str, Role)]; 5] = [
    transfers::TRANSFER_EVENTS,
    native::NATIVE_EVENTS,
    settlement::SETTLEMENT_EVENTS,
    reports::FILL_EVENTS,
    reference::REFERENCE_EVENTS,
];

// An instance lives for one scan, so the table is made in each.
static TABLE: LazyLock<TopicTable> = LazyLock::new(|| {
    let swaps = venues::VENUES.iter().enumerate().map(|(at, venue)| (venue.signature, Some(at), None));
    let roles = LISTS.concat().into_iter().map(|(signature, role)| (signature, None, Some(role)));
    let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, None, Some(Role::Report(at))));
    let all: Vec<Signature> = swaps.chain(roles).chain(reports).collect();
    TopicTable::new(&all)
});

/// The table of all known events.
pub fn table() -> &'static TopicTable {
    &TABLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use alloy_primitives::keccak256;

    /// No list takes an event from another: what two know of one event stands side by side.
    #[test]
    fn nothing_that_a_list_names_is_lost() {
        let find = |signature: &str| table().find(hex::encode(keccak256(signature)).as_bytes()).unwrap();
        for venue in &venues::VENUES {
            let found = find(venue.signature).venue.map(|at| venues::VENUES[at].name);
            assert_eq!(found, Some(venue.name), "{}", venue.signature);
        }
        let lists = LISTS.concat().into_iter();
        let reports = reports::signatures().enumerate().map(|(at, signature)| (signature, Role::Report(at)));
        for (signature, role) in lists.chain(reports) {
            assert_eq!(find(signature).role, Some(role), "{signature}");
        }
    }
}
